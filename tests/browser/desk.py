#!/usr/bin/python3
"""Leads a phone from `rescue desk` to a proven album, an archive and a copy in headless Chromium, by clicks alone, and
tells what it saw as JSON.

desk.py URL DISK PICTURE AXE: DISK is a folder on another disk. The pictures are PICTURE-STATE-WIDTH-SCHEME.png.
"""
import json, os, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Looks, browser, choose_folder

url, disk, picture, axe = sys.argv[1:]
seen, looks = {}, Looks(picture, axe)

with browser() as window:
    window.open(url)
    window.until("return document.getElementById('connection').textContent === 'rescue is running'")
    seen["title"] = window.run("return document.title")
    window.shows("What do you want to take?")
    looks.at(window, "choose")
    window.click("Everything (recommended)")
    window.until("return !document.getElementById('work').hidden && document.getElementById('pictures').childElementCount > 0")
    looks.at(window, "progress")
    seen["parts"] = window.run("return [...document.querySelectorAll('#parts span')].map(s => s.textContent)")
    seen["names"] = window.run("return [...document.querySelectorAll('#pictures img')].map(i => i.alt)")
    window.click("Pause")
    window.shows("Paused.")
    # A page that is opened again finds the same.
    window.open("about:blank")
    window.open(url)
    window.shows("Paused.")
    looks.at(window, "paused")
    window.click("Continue")
    window.shows("Safe: everything asked for")
    window.shows("What next?")
    seen["proven"] = window.run("return document.getElementById('proven-count').textContent")
    seen["broken"] = window.run("return [...document.querySelectorAll('#pictures img')].filter(i => !i.naturalWidth).length")
    looks.at(window, "end")
    shelf = window.run("return document.getElementById('album').href")
    window.click("Make one zip file")
    window.shows("use the button")
    window.click("Copy it to another disk")
    window.shows("Which folder?")
    window.until("return document.querySelectorAll('.folders button').length > 0")
    looks.at(window, "folders")
    seen["chosen"] = choose_folder(window, disk)
    window.click("Use this folder")
    window.shows("Backup complete")
    window.shows("What next?")
    looks.at(window, "copied")
    # What names from the phone would have done, were they taken for markup.
    seen["markup"] = window.run("return document.querySelectorAll('main b, main script, iframe, object, [onerror]').length")
    seen["text"] = window.run("return document.body.innerText")
    seen["harm"] = window.run("return window.harm === undefined ? 'none' : String(window.harm)")
    # A picture that another one displaced before it came is no fault.
    seen["console"] = [line for line in window.console() if "favicon" not in line and "/proven/" not in line]
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
    window.click("Finish")
    window.click("End rescue")
    window.until("return document.getElementById('connection').textContent.includes('You can close this page')")
    looks.at(window, "over")
seen["violations"], seen["too_wide"] = looks.violations, looks.wide
print(json.dumps(seen))
