#!/usr/bin/python3
"""terminal.py RESCUE PICTURE.svg: a pull in a terminal of 96 columns, caught while it runs.

The phone is the built-in one behind a link of 40 MB/s. tmux shows what a terminal shows.
"""
import html, os, subprocess, sys, tempfile, time

rescue, target = os.path.abspath(sys.argv[1]), sys.argv[2]
COLUMNS, ROWS, SOCKET = 96, 12, "rescue-picture"
# The moment of the picture: the progress says that this much is there.
MOMENT = " 37% "


def tmux(*words, check=True):
    return subprocess.run(["tmux", "-L", SOCKET, *words], check=check, capture_output=True, text=True)


def phone():
    command = [rescue, "virtual-phone", "--files", "300", "--size", "4000000", "--rate", "40000000"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def caught(address, home):
    command = f"{rescue} pull --tcp {address} -o Pixel-7a"
    session = f"env -i HOME={home} TERM=screen-256color LANG=C.UTF-8 sh -c 'cd {home} && {command}'"
    tmux("-u", "new-session", "-d", "-s", "pull", "-x", str(COLUMNS), "-y", str(ROWS), session)
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            lines = tmux("-u", "capture-pane", "-p", "-t", "pull").stdout.rstrip().split("\n")
            if any(line.startswith(MOMENT) for line in lines):
                return ["$ rescue pull"] + lines
            time.sleep(0.05)
        sys.exit(f"the pull never came to{MOMENT}:\n" + "\n".join(lines))
    finally:
        # Ctrl-C ends the pull, and with it the session: its folder is at rest then.
        tmux("send-keys", "-t", "pull", "C-c", check=False)
        while tmux("has-session", "-t", "pull", check=False).returncode == 0:
            time.sleep(0.05)


def svg(lines):
    width, line_height, margin, bar = 8.43, 20, 16, 34
    w, h = round(COLUMNS * width + 2 * margin), bar + len(lines) * line_height + margin
    dots = "".join(f'<circle cx="{20 + 18 * at}" cy="17" r="5.5" fill="{color}"/>'
                   for at, color in enumerate(["#ed6a5e", "#f4bf4f", "#61c554"]))
    text = "".join(
        f'<text x="{margin}" y="{bar + (at + 1) * line_height - 6}" xml:space="preserve" '
        f'textLength="{len(line) * width:.1f}" lengthAdjust="spacingAndGlyphs">{html.escape(line)}</text>\n'
        for at, line in enumerate(lines) if line)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}">\n'
            f'<rect width="{w}" height="{h}" rx="8" fill="#1e1f24"/>{dots}\n'
            f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" fill="#e6e6e6">\n'
            f'{text}</g>\n</svg>\n')


with tempfile.TemporaryDirectory() as home:
    serving = phone()
    try:
        lines = caught(serving.stdout.readline().strip(), home)
    finally:
        serving.terminate()
        serving.wait()
with open(target, "w") as file:
    file.write(svg(lines))
