#!/usr/bin/python3
"""smaller.py PICTURE.png PICTURE.jpg: makes a picture smaller, in headless Chromium."""
import base64, os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/browser"))
from browser import browser

source, target = sys.argv[1:]
with open(source, "rb") as file:
    address = "data:image/png;base64," + base64.b64encode(file.read()).decode()
with browser() as window:
    window.open("about:blank")
    window.run(f"""
        window.picture = null;
        const image = new Image();
        image.onload = () => {{
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [image.width, image.height];
            canvas.getContext('2d').drawImage(image, 0, 0);
            window.picture = canvas.toDataURL('image/jpeg', 0.8);
        }};
        image.src = "{address}";
    """)
    window.until("return window.picture !== null")
    picture = window.run("return window.picture")
with open(target, "wb") as file:
    file.write(base64.b64decode(picture.split(",", 1)[1]))
