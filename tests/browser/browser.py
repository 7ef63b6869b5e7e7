"""Debian's headless Chromium through its own chromedriver (WebDriver), as a person would use it."""
import base64, contextlib, json, re, signal, subprocess, tempfile, time, urllib.request


class Browser:
    """A window. Everything that it asked for, and what its console says, is kept."""

    def __init__(self, driver, profile):
        self.driver = driver
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

    def until(self, script, seconds=60):
        """What a script returns, as soon as it is something."""
        begin = time.monotonic()
        while True:
            found = self.run(script)
            if found:
                return found
            if time.monotonic() - begin > seconds:
                raise SystemExit(f"waited {seconds} s for: {script}")
            time.sleep(0.02)

    def act(self, *sources):
        """Moves of the mouse, presses of keys: WebDriver's own input sources."""
        self._call("POST", self.session + "/actions", {"actions": list(sources)})

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

    def close(self):
        self._call("DELETE", self.session)


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
