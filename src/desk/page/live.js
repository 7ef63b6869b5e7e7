"use strict";
// The phone's display, in a place of a page. Pictures come from `base` + "screen.png", and what is done goes to
// `base` + "touch". Returns what ends it.
function showLive(place, base) {
  const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));
  place.classList.add("live");
  place.innerHTML = `
    <div class="phone"><canvas id="screen" role="img" aria-label="What the phone shows" width="0" height="0" tabindex="0"></canvas></div>
    <div class="side">
      <p class="state" role="status">Waiting for the first picture…</p>
      <p class="black" hidden>The picture is all black. Either the display is off (press <b>Wake</b>), or the phone
        protects what it shows (PIN pads, passwords, banking): then the phone works, and only the picture is black.
        What you type and tap still arrives.</p>
      <p>Click to tap, hold for a long press, drag to swipe. Click the picture once, and what you type goes to the
        phone too.</p>
      <form>
        <label for="live-text">Text to type</label>
        <input id="live-text" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="500">
        <button>Send</button>
        <label><input class="hide" type="checkbox"> hide what I type</label>
      </form>
      <div class="keys">
        <button type="button" data-key="wake">Wake</button>
        <button type="button" data-key="back">Back</button>
        <button type="button" data-key="home">Home</button>
        <button type="button" data-key="recents">Recents</button>
        <button type="button" data-key="menu">Menu</button>
        <button type="button" data-key="enter">Enter</button>
        <button type="button" data-key="tab">Tab</button>
        <button type="button" data-key="backspace">Delete</button>
        <button type="button" data-key="volume_up">Volume +</button>
        <button type="button" data-key="volume_down">Volume −</button>
      </div>
    </div>`;
  // A canvas: an image that changes its source has no size for some milliseconds, and loses what is tapped in them.
  const canvas = place.querySelector("canvas"), brush = canvas.getContext("2d");
  const state = place.querySelector(".state"), black = place.querySelector(".black");
  const form = place.querySelector("form"), field = place.querySelector("#live-text");
  let ended = false;

  function say(words, wrong) {
    if (state.textContent === words) return;
    state.textContent = words;
    state.className = wrong ? "state wrong" : "state";
  }

  // Whether nothing but black is to be seen: looked at on a small copy.
  const small = Object.assign(document.createElement("canvas"), { width: 24, height: 48 });
  const pencil = small.getContext("2d", { willReadFrequently: true });
  function isBlack() {
    pencil.drawImage(canvas, 0, 0, small.width, small.height);
    const pixels = pencil.getImageData(0, 0, small.width, small.height).data;
    for (let at = 0; at < pixels.length; at += 4) {
      if (pixels[at] > 8 || pixels[at + 1] > 8 || pixels[at + 2] > 8) return false;
    }
    return true;
  }

  function show(picture) {
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    brush.globalCompositeOperation = "copy";
    brush.drawImage(picture, 0, 0);
    picture.close();
  }

  let fresh = null;  // Ends the pause between two pictures.
  async function refresh() {
    while (!ended) {
      if (document.hidden) { await wait(300); continue; }
      try {
        const answer = await fetch(base + "screen.png");
        if (ended) return;
        if (!answer.ok) throw new Error(await answer.text());
        show(await createImageBitmap(await answer.blob()));
        black.hidden = !isBlack();
        say("Connected.");
      } catch (error) {
        say(error instanceof TypeError ? "The phone's screen is not shown any more. You can close this page." : String(error.message), true);
        await wait(1000);
      }
      await Promise.race([wait(250), new Promise(done => { fresh = done; })]);
    }
  }

  // One after the other, in the order in which they were done.
  let touches = Promise.resolve();
  function touch(what) {
    touches = touches.then(() => send(what));
  }

  async function send(what) {
    if (ended) return;
    try {
      const answer = await fetch(base + "touch", { method: "POST", body: JSON.stringify(what) });
      if (!answer.ok) throw new Error(await answer.text());
    } catch (error) {
      say(String(error.message), true);
      await wait(1500);
    }
    if (fresh) fresh();
  }

  // A point of the picture, in the phone's own pixels.
  function point(event) {
    const box = canvas.getBoundingClientRect();
    const inside = (value, size) => Math.min(Math.max(Math.round(value), 0), Math.max(size - 1, 0));
    const border = canvas.clientLeft;
    const scale = canvas.width / canvas.clientWidth;
    return {
      x: inside((event.clientX - box.left - border) * scale, canvas.width),
      y: inside((event.clientY - box.top - border) * scale, canvas.height),
    };
  }

  let finger = null;
  canvas.addEventListener("pointerdown", event => {
    if (!canvas.width || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    finger = { at: point(event), page: [event.clientX, event.clientY], time: performance.now() };
  });
  canvas.addEventListener("pointerup", event => {
    if (!finger) return;
    const { at, page, time } = finger;
    finger = null;
    const milliseconds = Math.min(Math.max(Math.round(performance.now() - time), 50), 10000);
    const moved = Math.hypot(event.clientX - page[0], event.clientY - page[1]) > 8;
    const to = moved ? point(event) : at;
    if (!moved && milliseconds < 500) touch({ tap: at });
    else touch({ swipe: { x: at.x, y: at.y, to_x: to.x, to_y: to.y, milliseconds } });
  });
  canvas.addEventListener("pointercancel", () => { finger = null; });

  // What is typed while the picture has the focus: letters are sent together.
  const named = { Enter: "enter", Backspace: "backspace", Tab: "tab", Escape: "escape", ArrowUp: "up",
    ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };
  let typed = "", timer = 0;
  function flush() {
    clearTimeout(timer);
    const text = typed;
    typed = "";
    if (text) touch({ text });
  }
  canvas.addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (named[event.key]) {
      flush();
      touch({ key: named[event.key] });
    } else if (event.key.length === 1) {
      typed += event.key;
      clearTimeout(timer);
      timer = setTimeout(flush, 150);
    } else return;
    event.preventDefault();
  });

  form.addEventListener("submit", event => {
    event.preventDefault();
    const text = field.value;
    field.value = "";
    if (text) touch({ text });
  });
  form.querySelector(".hide").addEventListener("change", event => {
    field.type = event.target.checked ? "password" : "text";
  });
  for (const button of place.querySelectorAll("[data-key]")) {
    button.addEventListener("click", () => touch({ key: button.dataset.key }));
  }
  refresh();
  return () => {
    ended = true;
    place.replaceChildren();
  };
}

// The page of the display alone.
const alone = document.getElementById("live");
if (alone) showLive(alone, "");
