"""Debian's headless Chromium through its own chromedriver (WebDriver), as a person would use it."""
import base64, contextlib, json, re, signal, subprocess, tempfile, time, urllib.request


class Browser:
    """A window. Everything that it asked for, and what its console says, is kept."""

    def __init__(self, driver, profile):
        self.driver, self.patience = driver, 60
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900",
                     "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
        wish = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.session = "/session/" + self._call("POST", "/session", {"capabilities": {"alwaysMatch": wish}})["sessionId"]
        # What the browser's own first page asked for is not the page's.
        self.open("about:blank")
        time.sleep(0.5)
        self._log("performance"), self._log("browser")

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.driver + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def _log(self, kind):
        return self._call("POST", self.session + "/se/log", {"type": kind})

    def open(self, url):
        self._call("POST", self.session + "/url", {"url": url})

    def run(self, script):
        return self._call("POST", self.session + "/execute/sync", {"script": script, "args": []})

    def until(self, script):
        """What a script returns, as soon as it is something."""
        seconds = self.patience
        begin = time.monotonic()
        while True:
            found = self.run(script)
            if found:
                return found
            if time.monotonic() - begin > seconds:
                shown = self.run("return document.body.innerText")
                raise SystemExit(f"waited {seconds} s for: {script}\non this page:\n{shown}")
            time.sleep(0.02)

    def click(self, words):
        """Clicks a button by its words, as soon as it is there."""
        found = f"[...document.querySelectorAll('button')].find(b => b.textContent.includes({json.dumps(words)}) && !b.disabled && b.offsetParent)"
        self.until(f"const b = {found}; if (b) b.click(); return !!b")

    def shows(self, words):
        """Waits until the page shows these words."""
        self.until(f"return document.querySelector('main').innerText.includes({json.dumps(words)})")

    def act(self, *sources):
        """Moves of the mouse, presses of keys: WebDriver's own input sources."""
        self._call("POST", self.session + "/actions", {"actions": list(sources)})

    def doubts(self, *answers):
        """Answers the questions about the glass and the PIN."""
        for question, answer in zip(("still show a picture", "react to your finger", "know the phone's PIN"), answers):
            self.shows(question)
            self.click(answer)

    def drawing(self, name):
        """Waits until this drawing is shown beside an advice."""
        self.until(f"const i = document.querySelector('#now .drawing'); return !!i && i.src.endsWith('/{name}.svg') && i.complete && i.naturalWidth > 0")

    def press(self, text):
        """Presses keys, wherever the focus is."""
        strokes = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.act({"type": "key", "id": "keyboard", "actions": strokes})

    def type_in(self, field, text):
        """Types into a field, as soon as it is there."""
        self.until(f"const f = document.querySelector({json.dumps(field)}); if (f) f.focus(); return !!f")
        self.press(text)

    def tap(self, x, y):
        """Clicks on the phone's screen, at a point of so many of its pixels."""
        self.until("const s = document.getElementById('screen'); return s && s.width > 300")
        at = self.run(f"const s = document.getElementById('screen'); s.scrollIntoView({{block: 'center'}}); const b = s.getBoundingClientRect(), f = s.clientWidth / s.width; return [b.left + s.clientLeft + {x} * f, b.top + s.clientTop + {y} * f]")
        self.act({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [
            {"type": "pointerMove", "x": round(at[0]), "y": round(at[1]), "duration": 0},
            {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]})

    def emulate(self, width, height, scheme):
        """A window of this size for a person who likes it light or dark."""
        def tell(command, parameters):
            self._call("POST", self.session + "/goog/cdp/execute", {"cmd": command, "params": parameters})
        tell("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        tell("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", self.session + "/screenshot")))

    def sheets(self, path):
        """Prints the page on A4, and returns how many sheets that takes."""
        wish = {"page": {"width": 21.0, "height": 29.7}, "background": True}
        printed = base64.b64decode(self._call("POST", self.session + "/print", wish))
        with open(path, "wb") as file:
            file.write(printed)
        return len(re.findall(rb"/Type\s*/Page\b", printed))

    def console(self):
        return [entry["message"] for entry in self._log("browser")]

    def urls(self):
        """Every address that was asked for."""
        requests = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [m["params"]["request"]["url"] for m in requests if m["method"] == "Network.requestWillBeSent"]

    def tabs(self):
        return self._call("GET", self.session + "/window/handles")

    def go_to(self, tab):
        self._call("POST", self.session + "/window", {"handle": tab})

    def close_tab(self):
        self._call("DELETE", self.session + "/window")

    def close(self):
        self._call("DELETE", self.session)


class Looks:
    """Looks at a page in each of its forms: pictures, and what axe-core and the width of the window object to."""

    def __init__(self, picture, axe):
        self.picture, self.violations, self.wide = picture, [], []
        with open(axe) as file:
            self.axe = file.read()

    def at(self, window, state):
        """The pictures are PICTURE-STATE-WIDTH-SCHEME.png."""
        for width, height in ((1280, 1400), (390, 1500)):
            for scheme in ("light", "dark"):
                window.emulate(width, height, scheme)
                window.run("scrollTo(0, 0)")
                time.sleep(0.3)
                window.screenshot(f"{self.picture}-{state}-{width}-{scheme}.png")
                if window.run("return document.documentElement.scrollWidth > innerWidth"):
                    self.wide.append(f"{state} {width}")
                self.violations.extend(f"{state} {width} {scheme}: {found}" for found in self._found(window))

    def _found(self, window):
        window.run(self.axe + "; window.axe = window.axe || axe; return 0")
        window.run("window.found = null; axe.run(document, {resultTypes: ['violations']}).then(r => window.found = r.violations"
                   ".map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html.slice(0, 160)).slice(0, 3).join(' | ')))"
                   ".catch(e => window.found = [String(e)]); return 0")
        return window.until("return window.found && {list: window.found}")["list"]


def choose_folder(window, folder):
    """Chooses a folder by the chooser alone: up to the root, and down to it. Returns what it shows then."""
    window.shows("Which folder?")
    shown = lambda: window.run("return document.getElementById('folder').value")
    window.until("return document.getElementById('folder').value && document.querySelectorAll('.folders button').length")
    while shown() != "/":
        before = shown()
        window.click("The folder above")
        window.until(f"return document.getElementById('folder').value !== {json.dumps(before)}")
    for name in folder.strip("/").split("/"):
        before = shown()
        window.until(f"const b = [...document.querySelectorAll('.folders button')].find(b => b.textContent === {json.dumps(name)}); if (b) b.click(); return !!b")
        window.until(f"return document.getElementById('folder').value !== {json.dumps(before)}")
    return shown()


@contextlib.contextmanager
def browser():
    profile = tempfile.TemporaryDirectory()
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in driver.stdout:
            port = re.search(r"successfully on port (\d+)", line)
            if port:
                break
        else:
            raise SystemExit("chromedriver did not start")
        window = Browser(f"http://127.0.0.1:{port.group(1)}", profile.name)
        yield window
        window.close()
    finally:
        driver.send_signal(signal.SIGTERM)
        driver.wait()
        profile.cleanup()
