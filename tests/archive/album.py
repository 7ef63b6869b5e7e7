#!/usr/bin/python3
"""Opens an album in headless Chromium, as a person would, and tells what happened as JSON.

album.py FOLDER PICTURE [axe.min.js]: FOLDER holds index.html. The picture is PICTURE.png, and with axe-core, which
looks for what keeps people with other eyes and hands out, also PICTURE-WIDTH-SCHEME.png and ...-viewer.png.
"""
import json, os, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../browser"))
from browser import browser

folder, picture, *axe = sys.argv[1:]
address = "file://" + os.path.abspath(folder) + "/index.html"
# Tiles of pictures on the screen, and whether each shows one.
ON_SCREEN = ("const v = [...document.querySelectorAll('.tile')].filter(p => { const r = p.getBoundingClientRect();"
             "return r.bottom > 0 && r.top < innerHeight });")
ALL_SHOWN = ON_SCREEN + ("return v.length && v.every(t => { const i = t.querySelector('img');"
                         "return i ? i.complete : t.querySelector('.kind, .badge') })")
PICTURES = "[...document.querySelectorAll('.tile img, .tile canvas')].filter(i => i.tagName === 'CANVAS' || i.complete && i.naturalWidth)"


def accessible(window, source):
    """What axe-core objects to, on the page as it is now."""
    window.run(source + "; window.axe = window.axe || axe; return 0")
    window.run("window.found = null; axe.run(document, {resultTypes: ['violations']}).then(r => window.found = r.violations"
               ".map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html.slice(0, 160)).slice(0, 3).join(' | ')))"
               ".catch(e => window.found = [String(e)]); return 0")
    return window.until("return window.found && {list: window.found}")["list"]


with browser() as window:
    run, until, seen = window.run, window.until, {}
    begin = time.monotonic()
    window.open(address)
    until(f"return {PICTURES}.length > 0")
    seen["first_picture_seconds"] = time.monotonic() - begin
    until(ALL_SHOWN)
    seen["first_screen_seconds"] = time.monotonic() - begin
    seen["title"], seen["heading"] = run("return document.title"), run("return document.getElementById('title').textContent")
    seen["count"] = run("return document.getElementById('count').textContent")
    seen["filters"] = run("return [...document.querySelectorAll('#filters button')].map(b => b.firstChild.textContent + ' ' + b.lastChild.textContent)")
    seen["years"] = run("return [...document.querySelectorAll('#years button')].map(b => b.textContent)")
    seen["months"] = run("return [...document.querySelectorAll('.month h2')].map(h => h.firstChild.textContent)")
    # Small months stand beside each other.
    seen["months_in_a_row"] = run("return Math.max(...[...document.querySelectorAll('.band')].map(b => b.querySelectorAll('h2').length))")
    time.sleep(1)
    window.screenshot(picture + ".png")

    # Down the whole page, screen by screen where it is short and in jumps where it is long.
    height = run("return document.documentElement.scrollHeight")
    seen["height"], waits, most = height, [], 0
    for part in range(1, 31):
        begin = time.monotonic()
        run(f"scrollTo(0, {height * part // 30})")
        until(ALL_SHOWN)
        waits.append(time.monotonic() - begin)
        most = max(most, run("return document.querySelectorAll('.tile').length"))
    seen["slowest_jump_seconds"], seen["most_tiles_at_once"] = max(waits), most
    seen["broken_pictures"] = run("return [...document.querySelectorAll('.tile img')].filter(i => i.complete && !i.naturalWidth).length")
    if seen["years"]:
        begin = time.monotonic()
        run("document.querySelectorAll('#years button')[1].click()")
        until(ALL_SHOWN)
        seen["year_jump_seconds"] = time.monotonic() - begin
        seen["year_marked"] = until("const now = document.querySelector('#years [aria-current=true]'); return now && now.textContent")
        seen["year_shown"] = run(ON_SCREEN + "return v.map(t => t.getAttribute('aria-label')).find(l => document.querySelector('header').offsetHeight)")

    # A search by name, and what the viewer tells of what it found.
    name = run(ON_SCREEN + "return v[v.length - 1].getAttribute('aria-label').split(', ').pop()")
    begin = time.monotonic()
    run(f"const s = document.getElementById('search'); s.value = {json.dumps(name)}; s.dispatchEvent(new Event('input'))")
    until("return document.querySelectorAll('.tile').length < 20")
    until(ALL_SHOWN)
    seen["search_seconds"] = time.monotonic() - begin
    seen["sought"], seen["found"] = name, run("return [...document.querySelectorAll('.tile')].map(t => t.getAttribute('aria-label').split(', ').pop())")
    seen["link"] = run("return decodeURIComponent(document.querySelector('.tile').href)")
    run("const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input'))")
    until("return document.querySelectorAll('.tile').length >= 20 || document.getElementById('count').textContent.length")

    # By the keyboard alone: into the pictures, two along, one down, into the viewer, on, details, out.
    def press(key, times=1):
        for _ in range(times):
            window.act({"type": "key", "id": "keyboard", "actions": [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]})
    TAB, ENTER, ESCAPE, LEFT, RIGHT, DOWN = "\ue004", "\ue007", "\ue00c", "\ue012", "\ue014", "\ue015"
    window.open(address)
    until(ALL_SHOWN)
    for _ in range(60):
        if run("return document.activeElement.classList.contains('tile')"):
            break
        press(TAB)
    focus = "return [document.activeElement.index, document.activeElement.getAttribute('aria-label')]"
    press(RIGHT, 2)
    press(DOWN)
    seen["focused"] = run(focus)
    press(ENTER)
    until("return document.getElementById('viewer').open")
    press(LEFT)
    press(RIGHT)
    press("i")
    details = "return [...document.querySelectorAll('#details dt')].map(t => [t.textContent, t.nextSibling.textContent])"
    seen["details"] = until(f"const all = (() => {{ {details} }})(); return all.some(d => d[0] === 'SHA-256 checksum') && all")
    seen["name"] = run("return document.querySelector('#details h2').textContent")
    seen["focus_in_viewer"] = run("return document.getElementById('viewer').contains(document.activeElement)")
    run("document.querySelector('#details button').click()")
    seen["copied"] = until("const t = document.querySelector('#details button').textContent; return t.startsWith('Copy') ? '' : t")
    press("+")
    seen["zoomed"] = run("const i = document.querySelector('#stage > img'); return i && i.style.transform || 'none'")
    press(ESCAPE)
    until("return !document.getElementById('viewer').open")
    seen["focus_after"] = run(focus)

    run("const d = document.getElementById('missing'); d.open = true")
    time.sleep(0.2)
    seen["missing"] = run("return [...document.querySelectorAll('#missing tbody td')].map(e => e.textContent)")
    # What names from the phone would have done, were they taken for markup.
    seen["markup"] = run("return [...document.querySelectorAll('b, script:not([src]), iframe, object, [onerror]')].map(e => e.outerHTML.slice(0, 80)).slice(1)")
    seen["harm"] = run("return window.harm === undefined ? 'none' : String(window.harm)")
    seen["unpack_hint_hidden"] = run("return !document.getElementById('unpack')")
    seen["console"] = window.console()
    urls = window.urls()
    seen["requests"] = len(urls)
    seen["requests_elsewhere"] = [u for u in urls if not u.startswith(("file://", "data:"))]
    if axe:
        with open(axe[0]) as file:
            source = file.read()
        violations = []
        for width, height in ((1280, 900), (390, 844)):
            for scheme in ("light", "dark"):
                window.emulate(width, height, scheme)
                window.open(address)
                until(ALL_SHOWN)
                run("const d = document.getElementById('missing'); if (!d.hidden) d.open = true")
                time.sleep(1)
                window.screenshot(f"{picture}-{width}-{scheme}.png")
                here = f"{width} {scheme}"
                seen.setdefault("too_wide", []).append(run("return document.documentElement.scrollWidth > innerWidth"))
                violations += [f"{here}: {found}" for found in accessible(window, source)]
                run("document.querySelector('.tile').click(); document.getElementById('about').click()")
                time.sleep(0.5)
                window.screenshot(f"{picture}-{width}-{scheme}-viewer.png")
                violations += [f"{here}, viewer: {found}" for found in accessible(window, source)]
        # The report, also on paper.
        if os.path.exists(os.path.join(folder, "report.html")):
            for width, height in ((1280, 900), (390, 844)):
                for scheme in ("light", "dark"):
                    window.emulate(width, height, scheme)
                    window.open(address.replace("index.html", "report.html"))
                    window.screenshot(f"{picture}-report-{width}-{scheme}.png")
                    seen["too_wide"][0] |= run("return document.documentElement.scrollWidth > innerWidth")
                    violations += [f"report, {width} {scheme}: {found}" for found in accessible(window, source)]
            seen["verdict"] = run("return document.querySelector('.verdict strong').textContent")
            seen["report_markup"] = run("return document.querySelectorAll('script, img, b, [onerror]').length")
            seen["report_sheets"] = window.sheets(picture + "-report.pdf")
        seen["violations"] = violations
print(json.dumps(seen))
