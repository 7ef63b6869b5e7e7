#!/usr/bin/python3
"""Uses the page of `rescue screen --live` in headless Chromium: looks, taps, holds, drags, types; then a page from
elsewhere tries the same. Tells what happened as JSON.

live.py URL SCREENSHOT
"""
import functools, http.server, json, os, sys, tempfile, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import browser

url, screenshot = sys.argv[1:]
seen = {}


def mouse(*moves):
    return {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": list(moves)}


def to(x, y, duration=0):
    return {"type": "pointerMove", "x": round(x), "y": round(y), "duration": duration}


def pause(milliseconds):
    return {"type": "pause", "duration": milliseconds}


DOWN, UP = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}


def elsewhere(window, address):
    """What a page of another origin gets: by script, as a picture, by a form."""
    folder = tempfile.TemporaryDirectory()
    with open(os.path.join(folder.name, "index.html"), "w") as file:
        file.write("<!doctype html><title>elsewhere</title>")
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=folder.name))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    window.open(f"http://127.0.0.1:{server.server_port}/index.html")
    got = {}
    window.run(f"""
        window.got = {{}};
        const tap = JSON.stringify({{ tap: {{ x: 666, y: 666 }} }});
        fetch("{address}screen.png").then(a => a.text()).then(t => got.fetch = t, e => got.fetch = "nothing");
        fetch("{address}touch", {{ method: "POST", mode: "no-cors", body: tap }})
            .then(a => got.post = a.type + a.status, e => got.post = "nothing");
        const i = new Image();
        i.onload = () => got.image = "picture"; i.onerror = () => got.image = "nothing";
        i.src = "{address}screen.png";
        const f = document.createElement("iframe");
        f.onload = () => {{ try {{ got.frame = f.contentDocument ? "document" : "nothing" }} catch {{ got.frame = "nothing" }} }};
        f.src = "{address}"; document.body.append(f);""")
    window.until("return ['fetch', 'post', 'image', 'frame'].every(k => k in window.got)")
    got = window.run("return window.got")
    server.shutdown()
    folder.cleanup()
    return got


with browser() as window:
    window.open(url)
    ready = "const s = document.getElementById('screen'); return s.width && document.querySelector('.state').textContent.startsWith('Connected')"
    window.until(ready)
    seen["title"] = window.run("return document.title")
    seen["size"] = window.run("const s = document.getElementById('screen'); return [s.width, s.height]")
    # However often the picture changes, it keeps its size, or what is tapped then would be lost.
    window.run("""
        const s = document.getElementById('screen'), end = performance.now() + 3000;
        window.sizes = new Set(); window.pictures = 0;
        new PerformanceObserver(list => window.pictures += list.getEntries().filter(e => e.name.endsWith('screen.png')).length)
            .observe({ type: 'resource' });
        const ticker = new MessageChannel();
        ticker.port1.onmessage = () => {
            window.sizes.add(`${s.naturalWidth ?? s.width} x ${s.naturalHeight ?? s.height} at ${s.clientWidth} x ${s.clientHeight}`);
            if (performance.now() < end) ticker.port2.postMessage(0); else window.watched = true;
        };
        ticker.port2.postMessage(0);""")
    window.until("return window.watched")
    seen["sizes"] = window.run("return [...window.sizes]")
    seen["pictures"] = window.run("return window.pictures")
    seen["black_hint_hidden"] = window.run("return document.querySelector('.black').hidden")
    left, top, width, height = window.run(
        "const s = document.getElementById('screen'), b = s.getBoundingClientRect();"
        "return [b.left + s.clientLeft, b.top + s.clientTop, s.clientWidth, s.clientHeight]")
    x, y = left + width / 2, top + height / 4
    window.act(mouse(to(x, y), DOWN, UP))
    window.act(mouse(to(x, y), DOWN, pause(700), UP))
    window.act(mouse(to(x, top + height * 3 / 4), DOWN, to(x, y, 250), UP))
    # The picture has the focus now: what is typed goes to the phone.
    window.press("Hi 5309\ue007")
    window.run("document.querySelector('[data-key=home]').click()")
    window.run("const t = document.getElementById('live-text'); t.value = 'a b'; document.querySelector('form').requestSubmit()")
    window.until("return document.getElementById('live-text').value === ''")
    window.until(ready)
    window.screenshot(screenshot)
    seen["console"] = window.console()
    seen["requests_elsewhere"] = [u for u in window.urls() if not u.startswith((url, "data:"))]
    seen["elsewhere"] = elsewhere(window, url)
    wrong = url[:-2] + ("0" if url[-2] != "0" else "1") + "/"
    window.open(wrong)
    seen["wrong_token"] = window.run("return document.body.textContent")
print(json.dumps(seen))
