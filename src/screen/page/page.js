"use strict";
// A canvas: an image that changes its source has no size for some milliseconds, and loses what is
// tapped in them.
const screen_ = document.getElementById("screen");
const brush = screen_.getContext("2d");
const state = document.getElementById("state");
const black = document.getElementById("black");
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function say(words, wrong) {
  state.textContent = words;
  state.className = wrong ? "wrong" : "";
}

// Whether nothing but black is to be seen: looked at on a small copy.
const small = Object.assign(document.createElement("canvas"), { width: 24, height: 48 });
const pencil = small.getContext("2d", { willReadFrequently: true });
function isBlack() {
  pencil.drawImage(screen_, 0, 0, small.width, small.height);
  const pixels = pencil.getImageData(0, 0, small.width, small.height).data;
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at] > 8 || pixels[at + 1] > 8 || pixels[at + 2] > 8) return false;
  }
  return true;
}

function show(picture) {
  if (screen_.width !== picture.width || screen_.height !== picture.height) {
    screen_.width = picture.width;
    screen_.height = picture.height;
  }
  brush.globalCompositeOperation = "copy";
  brush.drawImage(picture, 0, 0);
  picture.close();
}

let fresh = null;  // Ends the pause between two pictures.
async function refresh() {
  for (;;) {
    if (document.hidden) { await wait(300); continue; }
    const begin = performance.now();
    try {
      const answer = await fetch("screen.png");
      if (!answer.ok) throw new Error(await answer.text());
      show(await createImageBitmap(await answer.blob()));
      black.hidden = !isBlack();
      say("Connected. A picture takes " + Math.round(performance.now() - begin) + " ms.");
    } catch (error) {
      say(error instanceof TypeError ? "`rescue screen --live` does not run any more." : String(error.message), true);
      await wait(1000);
    }
    await Promise.race([wait(250), new Promise((done) => { fresh = done; })]);
  }
}

// One after the other, in the order in which they were done.
let touches = Promise.resolve();
function touch(what) {
  touches = touches.then(() => send(what));
}

async function send(what) {
  try {
    const answer = await fetch("touch", { method: "POST", body: JSON.stringify(what) });
    if (!answer.ok) throw new Error(await answer.text());
  } catch (error) {
    say(String(error.message), true);
    await wait(1500);
  }
  if (fresh) fresh();
}

// A point of the picture, in the phone's own pixels.
function point(event) {
  const box = screen_.getBoundingClientRect();
  const inside = (value, size) => Math.min(Math.max(Math.round(value), 0), Math.max(size - 1, 0));
  const border = screen_.clientLeft;
  const scale = screen_.width / screen_.clientWidth;
  return {
    x: inside((event.clientX - box.left - border) * scale, screen_.width),
    y: inside((event.clientY - box.top - border) * scale, screen_.height),
  };
}

let finger = null;
screen_.addEventListener("pointerdown", (event) => {
  if (!screen_.width || event.button !== 0) return;
  screen_.setPointerCapture(event.pointerId);
  finger = { at: point(event), page: [event.clientX, event.clientY], time: performance.now() };
});
screen_.addEventListener("pointerup", (event) => {
  if (!finger) return;
  const { at, page, time } = finger;
  finger = null;
  const milliseconds = Math.min(Math.max(Math.round(performance.now() - time), 50), 10000);
  const moved = Math.hypot(event.clientX - page[0], event.clientY - page[1]) > 8;
  const to = moved ? point(event) : at;
  if (!moved && milliseconds < 500) touch({ tap: at });
  else touch({ swipe: { x: at.x, y: at.y, to_x: to.x, to_y: to.y, milliseconds } });
});
screen_.addEventListener("pointercancel", () => { finger = null; });

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
screen_.addEventListener("keydown", (event) => {
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

document.getElementById("typing").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("text");
  const text = field.value;
  field.value = "";
  if (text) touch({ text });
});
document.getElementById("hide").addEventListener("change", (event) => {
  document.getElementById("text").type = event.target.checked ? "password" : "text";
});
for (const button of document.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => touch({ key: button.dataset.key }));
}
refresh();
