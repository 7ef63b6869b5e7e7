#!/usr/bin/python3
"""Opens a contact sheet in headless Chromium, as a person would, and tells what happened as JSON.

sheet.py FOLDER SCREENSHOT: FOLDER holds index.html. Speaks WebDriver to Debian's chromedriver.
"""
import base64, json, os, re, signal, subprocess, sys, tempfile, time, urllib.request

folder, screenshot = sys.argv[1:]
profile = tempfile.TemporaryDirectory()
driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
try:
    for line in driver.stdout:
        port = re.search(r"successfully on port (\d+)", line)
        if port:
            break
    base = f"http://127.0.0.1:{port.group(1)}"

    def call(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900",
                 "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile.name}"]
    wish = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
    session = "/session/" + call("POST", "/session", {"capabilities": {"alwaysMatch": wish}})["sessionId"]
    run = lambda script: call("POST", session + "/execute/sync", {"script": script, "args": []})

    def until(script, seconds=60):
        begin = time.monotonic()
        while True:
            found = run(script)
            if found:
                return found
            if time.monotonic() - begin > seconds:
                raise SystemExit(f"waited {seconds} s for: {script}")
            time.sleep(0.02)

    log = lambda kind: call("POST", session + "/se/log", {"type": kind})
    # What the browser's own first page asked for is not the sheet's.
    call("POST", session + "/url", {"url": "about:blank"})
    time.sleep(0.5)
    log("performance"), log("browser")
    pictures = "[...document.querySelectorAll('.picture img')].filter(i => i.complete && i.naturalWidth)"
    seen = {}
    begin = time.monotonic()
    call("POST", session + "/url", {"url": "file://" + os.path.abspath(folder) + "/index.html"})
    until(f"return {pictures}.length > 0")
    seen["first_picture_seconds"] = time.monotonic() - begin
    until("const v = [...document.querySelectorAll('.picture')].filter(p => p.getBoundingClientRect().top < innerHeight);"
          "return v.length && v.every(p => !p.querySelector('img') || p.querySelector('img').complete)")
    seen["first_screen_seconds"] = time.monotonic() - begin
    seen["title"] = run("return document.title")
    seen["count"] = run("return document.getElementById('count').textContent")
    seen["months"] = run("return document.querySelectorAll('h2').length")
    seen["tiles_at_first"] = run("return document.querySelectorAll('.tile').length")
    with open(screenshot, "wb") as file:
        file.write(base64.b64decode(call("GET", session + "/screenshot")))
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
    seen["console"] = [entry["message"] for entry in log("browser")]
    requests = [json.loads(entry["message"])["message"] for entry in log("performance")]
    urls = [m["params"]["request"]["url"] for m in requests if m["method"] == "Network.requestWillBeSent"]
    seen["requests"] = len(urls)
    seen["requests_elsewhere"] = [u for u in urls if not u.startswith(("file://", "data:"))]
    call("DELETE", session)
    print(json.dumps(seen))
finally:
    driver.send_signal(signal.SIGTERM)
    driver.wait()
    profile.cleanup()
