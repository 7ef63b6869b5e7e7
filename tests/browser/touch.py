#!/usr/bin/python3
"""Taps on the phone's screen and types, on the page that the terminal's guide names.

touch.py URL X Y TEXT
"""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import browser

url, x, y, text = sys.argv[1:]
with browser() as window:
    window.open(url)
    window.tap(int(x), int(y))
    window.type_in("#live-text", text)
    window.click("Send")
    window.until("return document.getElementById('live-text').value === ''")
