#!/usr/bin/python3
"""Leads a phone whose touch screen is dead to proven files by clicks alone: the phone is on a cable, and this computer
presses its keys. Tells what it saw as JSON.

cable.py URL PICTURE AXE: the pictures are PICTURE-STATE-WIDTH-SCHEME.png.
"""
import json, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import Looks, browser

url, picture, axe = sys.argv[1:]
looks = Looks(picture, axe)
with browser() as window:
    # The computer that serves the page is an emulated one.
    window.patience = 300
    window.open(url)
    window.doubts("Yes, at least a part of it", "No, or only in places", "Yes, or it has none")
    window.drawing("keyboard")
    looks.at(window, "dead-touch")
    window.click("Answer the question from this computer")
    window.until("return !!document.querySelector('#ask input[type=password]')")
    looks.at(window, "pin")
    window.click("Continue")
    window.click("Everything (recommended)")
    window.shows("Safe: everything")
    window.click("Finish")
    window.click("End rescue")
    window.until("return document.getElementById('connection').textContent.includes('You can close this page')")
print(json.dumps({"violations": looks.violations, "too_wide": looks.wide}))
