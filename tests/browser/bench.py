#!/usr/bin/python3
"""Leads five phones at once from one page of `rescue desk` to proven files in headless Chromium, by clicks alone, and
tells what it saw as JSON. What is to happen to a phone meanwhile is a line of its own: `allow`, `hold`, `unplug`, `plug`.

bench.py URL DISK PICTURE AXE PIN READY UNAUTHORIZED LOCKED UNPLUGGED DEAD_TOUCH: DISK is a folder on another disk; what
follows the PIN are the names of the phones. The pictures are PICTURE-STATE-WIDTH-SCHEME.png.
"""
import json, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Looks, browser, choose_folder

url, disk, picture, axe, pin, *names = sys.argv[1:]
ready, unauthorized, locked, unplugged, dead_touch = names
seen, looks = {"proven": {}, "albums": {}}, Looks(picture, axe)
IS_AWAY = "document.querySelector('#cards [aria-current]').lastChild.textContent === 'Waiting for the phone'"


def wish(words):
    print(words, flush=True)


def pick(window, name):
    """Clicks a phone's card."""
    window.until(f"const b = [...document.querySelectorAll('#cards button')].find(b => b.textContent.includes({json.dumps(name)})); if (b) b.click(); return !!b")
    window.until(f"return document.getElementById('phone').textContent.includes({json.dumps(name)})")


def label(window, customer):
    window.run("document.querySelector('#job summary').click()")
    window.type_in("#customer", customer)
    window.click("Save")
    window.until("return /^(Kept|Saved)/.test(document.getElementById('label-said').textContent)")


def safe(window, name):
    pick(window, name)
    window.shows("Safe: everything")
    window.shows("What next?")
    window.until("return document.getElementById('pictures').childElementCount > 0")
    seen["proven"][name] = window.run("return [...document.querySelectorAll('#pictures img')].map(i => i.alt)")


def album(window, name):
    """Opens the album by its button, in a tab of its own."""
    pick(window, name)
    page, = window.tabs()
    window.run("document.getElementById('album').click()")
    tab = None
    while tab is None:
        tab = next((it for it in window.tabs() if it != page), None)
    window.go_to(tab)
    window.until("const v = [...document.querySelectorAll('.tile')]; return v.length > 0")
    seen["albums"][name] = window.run("return document.querySelectorAll('.tile').length")
    window.close_tab()
    window.go_to(page)


with browser() as window:
    window.open(url)
    window.until("return document.querySelectorAll('#cards button').length === 5")

    # One that was never allowed, and one that is locked: the page names the step, with a drawing.
    pick(window, unauthorized)
    window.doubts("Yes, at least a part of it", "Yes, everywhere", "Yes, or it has none")
    window.drawing("allow")
    pick(window, locked)
    window.doubts("Yes, at least a part of it", "No, or only in places", "Yes, or it has none")
    window.drawing("keyboard")
    pick(window, ready)
    label(window, "Customer 1")
    pick(window, unauthorized)
    looks.at(window, "waiting")

    # One whose touch is dead: the screen is on the page.
    pick(window, dead_touch)
    window.click("First show the phone's screen")
    window.tap(270, 300)
    looks.at(window, "screen")
    window.type_in("#live-text", "Hello phone")
    window.click("Send")
    window.click("I am done with the screen")
    window.click("Everything (recommended)")

    # One with a bad cable.
    pick(window, unplugged)
    label(window, "Customer 4")
    wish("hold")
    window.click("Everything (recommended)")
    window.until("return document.getElementById('bar').value > 0.2")
    looks.at(window, "progress")
    for times in range(3):
        wish("unplug")
        window.until(f"return {IS_AWAY}")
        if times == 0:
            looks.at(window, "unplugged")
        wish("plug")
        window.until(f"return !({IS_AWAY})")

    pick(window, ready)
    window.click("Everything (recommended)")
    wish("allow")
    pick(window, unauthorized)
    window.click("Everything (recommended)")
    pick(window, locked)
    window.click("Type the PIN on this computer")
    window.type_in("#ask input[type=password]", pin)
    window.click("Continue")
    window.click("Everything (recommended)")
    for name in names:
        safe(window, name)
    for name in names:
        album(window, name)
    pick(window, ready)
    looks.at(window, "end")
    window.click("Make one zip file")
    window.shows("use the button")
    # The verdict stays in sight.
    window.shows("Safe: everything")
    pick(window, unauthorized)
    window.click("Copy it to another disk")
    seen["chosen"] = choose_folder(window, disk)
    window.click("Use this folder")
    window.shows("Backup complete")
    seen["markup"] = window.run("return document.querySelectorAll('main b, main script, iframe, object, [onerror]').length")
    for name in names[1:]:
        pick(window, name)
        window.click("Finish")
        window.click("Close this phone's card")
    # No other phone's page takes the place of a closed one by itself.
    window.shows("Choose another one above")
    pick(window, names[0])
    window.until("return document.querySelectorAll('#cards button').length === 0")
    window.click("Finish")
    window.click("End rescue")
    window.until("return document.getElementById('connection').textContent.includes('You can close this page')")
    # A picture that newer ones have displaced meanwhile is not there any more, nor the screen of a person who is done.
    gone = ("favicon", "/proven/", "/live/screen.png - Failed to load resource: the server responded with a status of 409")
    seen["console"] = [line for line in window.console() if not any(words in line for words in gone)]
    shelf = url.rsplit(":", 1)[0]
    seen["requests_elsewhere"] = [u for u in window.urls() if not u.startswith((shelf, "data:", "about:"))]
seen["violations"], seen["too_wide"] = looks.violations, looks.wide
print(json.dumps(seen))
