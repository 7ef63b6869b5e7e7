#!/usr/bin/python3
"""Opens a contact sheet in headless Chromium, as a person would, and tells what happened as JSON.

sheet.py FOLDER SCREENSHOT: FOLDER holds index.html.
"""
import json, os, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../browser"))
from browser import browser

folder, screenshot = sys.argv[1:]
with browser() as window:
    run, until = window.run, window.until
    pictures = "[...document.querySelectorAll('.picture img')].filter(i => i.complete && i.naturalWidth)"
    seen = {}
    begin = time.monotonic()
    window.open("file://" + os.path.abspath(folder) + "/index.html")
    until(f"return {pictures}.length > 0")
    seen["first_picture_seconds"] = time.monotonic() - begin
    until("const v = [...document.querySelectorAll('.picture')].filter(p => p.getBoundingClientRect().top < innerHeight);"
          "return v.length && v.every(p => !p.querySelector('img') || p.querySelector('img').complete)")
    seen["first_screen_seconds"] = time.monotonic() - begin
    seen["title"] = run("return document.title")
    seen["count"] = run("return document.getElementById('count').textContent")
    seen["months"] = run("return document.querySelectorAll('h2').length")
    seen["tiles_at_first"] = run("return document.querySelectorAll('.tile').length")
    window.screenshot(screenshot)
    # Down the whole page, screen by screen where it is short and in jumps where it is long.
    height = run("return document.documentElement.scrollHeight")
    seen["height"] = height
    waits, loaded = [], 0
    for step in range(1, 31):
        run(f"scrollTo(0, {height * step // 30})")
        begin = time.monotonic()
        until("const v = [...document.querySelectorAll('.picture')].filter(p => { const r = p.getBoundingClientRect();"
              "return r.bottom > 0 && r.top < innerHeight }); const i = v.map(p => p.querySelector('img')).filter(Boolean);"
              "return v.length && (i.length || v.every(p => p.textContent)) && i.every(i => i.complete)")
        waits.append(time.monotonic() - begin)
        loaded = max(loaded, run(f"return {pictures}.length"))
    seen["slowest_jump_seconds"] = max(waits)
    seen["most_pictures_at_once"] = loaded
    seen["tiles_at_last"] = run("return document.querySelectorAll('.tile').length")
    seen["last_names"] = run("return [...document.querySelectorAll('.words div:first-child')].slice(-2).map(e => e.textContent)")
    broken = run("return [...document.querySelectorAll('.picture img')].filter(i => i.complete && !i.naturalWidth).length")
    seen["broken_pictures"] = broken
    # Search.
    name = seen["last_names"][-1]
    run(f"const s = document.getElementById('search'); s.value = {json.dumps(name)}; s.dispatchEvent(new Event('input'))")
    until("return document.getElementById('count').textContent.includes(' of ')")
    seen["found"] = until("return [...document.querySelectorAll('.words div:first-child')].map(e => e.textContent)")
    seen["link"] = run("return decodeURI(document.querySelector('.picture').href)")
    seen["hash"] = run("return document.querySelector('.hash').textContent")
    run("const d = document.getElementById('missing'); d.open = true")
    time.sleep(0.1)
    seen["missing"] = run("return [...document.querySelectorAll('#missing td')].map(e => e.textContent)")
    seen["unpack_hint_hidden"] = run("return document.getElementById('unpack').hidden")
    seen["console"] = window.console()
    urls = window.urls()
    seen["requests"] = len(urls)
    seen["requests_elsewhere"] = [u for u in urls if not u.startswith(("file://", "data:"))]
print(json.dumps(seen))
