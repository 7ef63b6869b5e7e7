#!/usr/bin/python3
"""Leads a phone from `rescue desk` to a proven album, an archive and a copy in headless Chromium, by clicks alone, and
tells what it saw as JSON.

desk.py URL DISK PICTURE AXE: DISK is a folder on another disk. The pictures are PICTURE-STATE-WIDTH-SCHEME.png.
"""
import json, os, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import browser

url, disk, picture, axe = sys.argv[1:]
with open(axe) as file:
    AXE = file.read()
seen, violations, wide = {}, [], []


def accessible(window):
    """What axe-core objects to, on the page as it is now."""
    window.run(AXE + "; window.axe = window.axe || axe; return 0")
    window.run("window.found = null; axe.run(document, {resultTypes: ['violations']}).then(r => window.found = r.violations"
               ".map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html.slice(0, 160)).slice(0, 3).join(' | ')))"
               ".catch(e => window.found = [String(e)]); return 0")
    return window.until("return window.found && {list: window.found}")["list"]


def look(window, state):
    """The page in each of its forms."""
    for width, height in ((1280, 900), (390, 844)):
        for scheme in ("light", "dark"):
            window.emulate(width, height, scheme)
            time.sleep(0.3)
            window.screenshot(f"{picture}-{state}-{width}-{scheme}.png")
            if window.run("return document.documentElement.scrollWidth > innerWidth"):
                wide.append(f"{state} {width}")
            violations.extend(f"{state} {width} {scheme}: {found}" for found in accessible(window))


def click(window, words):
    """Clicks a button by its words, as soon as it is there."""
    found = f"[...document.querySelectorAll('button')].find(b => b.textContent.includes({json.dumps(words)}) && !b.disabled && b.offsetParent)"
    window.until(f"const b = {found}; if (b) b.click(); return !!b")


def shows(window, words):
    window.until(f"return document.querySelector('main').innerText.includes({json.dumps(words)})")


with browser() as window:
    window.open(url)
    window.until("return document.getElementById('connection').textContent === 'Connected'")
    seen["title"] = window.run("return document.title")
    shows(window, "What do you want to take?")
    look(window, "choose")
    click(window, "Everything (recommended)")
    window.until("return !document.getElementById('work').hidden && document.getElementById('pictures').childElementCount > 0")
    look(window, "progress")
    seen["parts"] = window.run("return [...document.querySelectorAll('#parts span')].map(s => s.textContent)")
    seen["names"] = window.run("return [...document.querySelectorAll('#pictures img')].map(i => i.alt)")
    click(window, "Pause")
    shows(window, "Paused.")
    # A page that is opened again finds the same.
    window.open("about:blank")
    window.open(url)
    shows(window, "Paused.")
    look(window, "paused")
    click(window, "Continue")
    shows(window, "Safe: everything asked for")
    shows(window, "What next?")
    seen["proven"] = window.run("return document.getElementById('proven-count').textContent")
    seen["broken"] = window.run("return [...document.querySelectorAll('#pictures img')].filter(i => !i.naturalWidth).length")
    look(window, "end")
    shelf = window.run("return document.getElementById('album').href")
    click(window, "Make one zip file")
    shows(window, "use the button")
    click(window, "Copy it to another disk")
    shows(window, "Which folder?")
    window.until("return document.querySelectorAll('.folders button').length > 0")
    look(window, "folders")
    # By the chooser alone: up to the root, and down to the disk.
    for _ in range(30):
        if window.run("return document.getElementById('folder').value") == "/":
            break
        before = window.run("return document.getElementById('folder').value")
        click(window, "The folder above")
        window.until(f"return document.getElementById('folder').value !== {json.dumps(before)}")
    for name in disk.strip("/").split("/"):
        before = window.run("return document.getElementById('folder').value")
        window.until(f"const b = [...document.querySelectorAll('.folders button')].find(b => b.textContent === {json.dumps(name)}); if (b) b.click(); return !!b")
        window.until(f"return document.getElementById('folder').value !== {json.dumps(before)}")
    seen["chosen"] = window.run("return document.getElementById('folder').value")
    click(window, "Use this folder")
    shows(window, "Backup complete")
    shows(window, "What next?")
    look(window, "copied")
    # What names from the phone would have done, were they taken for markup.
    seen["markup"] = window.run("return document.querySelectorAll('main b, main script, iframe, object, [onerror]').length")
    seen["text"] = window.run("return document.body.innerText")
    seen["harm"] = window.run("return window.harm === undefined ? 'none' : String(window.harm)")
    seen["console"] = [line for line in window.console() if "favicon" not in line]
    seen["requests_elsewhere"] = [u for u in window.urls() if not u.startswith((url, "data:", "about:"))]
    # The album and the report, from their own port.
    window.open(shelf)
    window.until("const v = [...document.querySelectorAll('.tile img')]; return v.length && v.every(i => i.complete && i.naturalWidth)")
    seen["album"] = window.run("return document.querySelectorAll('.tile').length")
    window.emulate(1280, 900, "light")
    time.sleep(0.3)
    window.screenshot(f"{picture}-album.png")
    seen["album_console"] = [line for line in window.console() if "favicon" not in line]
    # The page of the pictures cannot reach the desk.
    window.run(f"window.got = null; fetch({json.dumps(url)} + 'case/1/pause', {{method: 'POST', mode: 'no-cors'}}).then(a => window.got = a.type, e => window.got = 'nothing')")
    seen["album_to_desk"] = window.until("return window.got")
    window.console()
    window.open(shelf.replace("index.html", "report.html"))
    seen["verdict"] = window.run("return document.querySelector('.verdict strong').textContent")
    window.open(url)
    click(window, "Finish")
    click(window, "End rescue")
    window.until("return document.getElementById('connection').textContent.includes('You can close this page')")
    look(window, "over")
seen["violations"], seen["too_wide"] = violations, wide
print(json.dumps(seen))
