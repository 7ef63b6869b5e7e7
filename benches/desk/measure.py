#!/usr/bin/python3
"""Measures a pull alone, from the desk without a page, and from the desk with a page in headless Chromium, in turn.

measure.py RESCUE ADDRESS ROOM FILES ROUNDS
"""
import json, os, statistics, subprocess, sys, tempfile, time, urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/browser"))
from browser import browser

rescue, address, room, files, rounds = sys.argv[1:]
files, rounds = int(files), int(rounds)


def home():
    """A new folder of nobody's, and its environment. None is removed before the end: ext4 does not reuse an inode
    for some minutes, and the run after a removal would pay for its search for others."""
    place = tempfile.mkdtemp(dir=room)
    os.sync()
    return place, {**os.environ, "HOME": place, "XDG_CONFIG_HOME": place + "/config", "ANDROID_ADB_SERVER_PORT": "1"}


def check(place):
    """All files have to be there."""
    found = sum(len(names) for folder, _, names in os.walk(place) if "/data/" in folder)
    assert found == files, f"{found} of {files} files"


def pull():
    place, environment = home()
    begin = time.monotonic()
    subprocess.run([rescue, "-q", "pull", "--tcp", address], cwd=place, env=environment, check=True)
    seconds = time.monotonic() - begin
    check(place)
    return seconds, None


def desk(window=None):
    place, environment = home()
    program = subprocess.Popen([rescue, "--json", "desk", "--no-open", "--tcp", address], cwd=place, env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = json.loads(program.stdout.readline())["url"]
        if window:
            window.open(url)
        parts, begin = {}, None
        for line in urllib.request.urlopen(url + "news"):
            if not line.startswith(b"data: "):
                continue
            parts.update(json.loads(line[6:])["case"].get("1", {}))
            question = parts.get("question") or {}
            if begin is None and question.get("text", "").startswith("What do you want"):
                time.sleep(1)
                begin = time.monotonic()
                answer(url, {"question": question["number"], "number": 0})
            elif begin and question.get("text", "").startswith("What next"):
                seconds = time.monotonic() - begin
                break
        assert "Safe: everything" in json.dumps(parts), parts
        with open(f"/proc/{program.pid}/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
        check(place)
        return seconds, peak
    finally:
        program.kill()
        program.wait()


def answer(url, body):
    origin = url.split("/")[2]
    request = urllib.request.Request(url + "case/1/answer", json.dumps(body).encode(), {"Origin": "http://" + origin})
    urllib.request.urlopen(request).read()


def desk_with_page():
    with browser() as window:
        return desk(window)


ways = {"pull": pull, "desk, no page": desk, "desk, page open in Chromium": desk_with_page}
figures = {name: [] for name in ways}
for _ in range(rounds):
    for name, way in ways.items():
        figures[name].append(way())
base = statistics.median(seconds for seconds, _ in figures["pull"])
print(f"{files:,} files, {rounds} rounds in turn: median (least to most), ratio to the pull alone, peak memory")
for name, all_of in figures.items():
    seconds = [one for one, _ in all_of]
    peaks = [peak for _, peak in all_of if peak]
    memory = f"{max(peaks) / 1e6:.0f} MB" if peaks else ""
    middle = statistics.median(seconds)
    print(f"{middle:7.2f} s ({min(seconds):.2f} to {max(seconds):.2f})  {middle / base:.3f}  {memory:>7}  {name}")
