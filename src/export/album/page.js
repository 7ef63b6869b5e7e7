"use strict";
// One line of the list: [folder, name, bytes, time, kind, turn, seconds, part, place in the part, SHA-256].
// Small pictures and facts come in parts, album/p0.js, p1.js..., each loaded when a picture of it is near the screen.
const FOLDER = 0, NAME = 1, BYTES = 2, TIME = 3, KIND = 4, TURNED = 5, SECONDS = 6, PART = 7, PLACE = 8, SUM = 9;
const PICTURE = 0, VIDEO = 1, SOUND = 2;
// Pictures up to this size are shown themselves at once; larger ones when nothing else is to be done.
const QUICK_BYTES = 400000, MAX_SHARP_BYTES = 30000000;
const KEPT_PARTS = 60, KEPT_POSTERS = 300, SHARP_AT_ONCE = 3, POSTERS_AT_ONCE = 2;
const NEAR = 900, HEAD = 42, BETWEEN = 28, ROWS_IN_BAND = 5;
const SHOWN_BY_BROWSERS = /\.(jpe?g|jfif|jpe|png|apng|gif|webp|avif|bmp|svg|ico)$/i;
const TURN = ["", "", "scaleX(-1)", "rotate(180deg)", "scaleY(-1)", "rotate(90deg) scaleX(-1)", "rotate(90deg)", "rotate(-90deg) scaleX(-1)", "rotate(-90deg)"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const $ = id => document.getElementById(id);

let head = null, items = [], shown = [], bands = [], years = [];
let columns = 4, side = 200, gap = 4, between = BETWEEN, filter = "all", current = 0, open = -1;

function albumList(given, lines) {
  head = given;
  items = lines;
  $("unpack").remove();
  const phone = plain(head.phone);
  $("title").textContent = phone || "Rescued pictures";
  document.title = phone ? "Pictures from " + phone : "Rescued pictures";
  $("report").hidden = !head.report;
  $("older").hidden = !head.older;
  $("older").textContent = count(head.older, "older file is", "older files are") + " not shown here, but in the folder “data” beside this page.";
  showMissing();
  showFilters();
  show();
}

// ---- words

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Characters that would turn or hide the text around them are shown as what they are.
function plain(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    c => "\\u{" + c.charCodeAt(0).toString(16) + "}");
}

function count(number, one, many) {
  return number.toLocaleString("en") + " " + (number === 1 ? one : many || one + "s");
}

function size(bytes) {
  if (bytes < 1000) return count(bytes, "byte");
  let unit = -1;
  do { bytes /= 1000; unit++; } while (bytes >= 999.95 && unit < 5);
  return bytes.toFixed(1) + " " + ["kB", "MB", "GB", "TB", "PB", "EB"][unit];
}

function clock(seconds) {
  const two = n => String(n).padStart(2, "0"), hours = Math.floor(seconds / 3600);
  const rest = Math.floor(seconds / 60) % 60 + ":" + two(seconds % 60);
  return hours ? hours + ":" + two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60) : rest;
}

function month(time) {
  return time ? MONTHS[time.slice(4, 6) - 1] + " " + time.slice(0, 4) : "No date";
}

function day(time) {
  return time ? Number(time.slice(6, 8)) + " " + month(time) : "No date";
}

function moment(time) {
  return time ? day(time) + ", " + time.slice(8, 10) + ":" + time.slice(10, 12) : "No date";
}

function path(item) {
  return "data/" + head.folders[item[FOLDER]] + item[NAME];
}

function address(item) {
  return path(item).split("/").map(encodeURIComponent).join("/");
}

function ending(name) {
  return name.includes(".") ? plain(name.split(".").pop().slice(0, 5).toUpperCase()) : "FILE";
}

function what(item) {
  return ["Picture", "Video", "Sound", "File"][item[KIND]];
}

// ---- which files

const GROUPS = {
  all: ["All", item => item[KIND] <= VIDEO],
  photos: ["Photos", item => item[KIND] === PICTURE],
  videos: ["Videos", item => item[KIND] === VIDEO],
  whatsapp: ["WhatsApp", (item, folder) => item[KIND] <= VIDEO && /whatsapp/i.test(folder)],
  screenshots: ["Screenshots", (item, folder) => item[KIND] <= VIDEO && (/screenshots?\//i.test(folder) || /^screenshot/i.test(item[NAME]))],
  card: ["Memory card", (item, folder) => item[KIND] <= VIDEO && /^(sd|usb)-/.test(folder)],
  bin: ["Recycle bin", (item, folder) => item[KIND] <= VIDEO && /^trash\//.test(folder)],
  other: ["Sound and documents", item => item[KIND] > VIDEO],
};

function inGroup(name) {
  const test = GROUPS[name][1];
  return items.filter(item => test(item, head.folders[item[FOLDER]]));
}

function showFilters() {
  const strip = $("filters"), counts = {};
  for (const name in GROUPS) counts[name] = inGroup(name).length;
  if (!counts.all && counts.other) filter = "other";
  for (const name in GROUPS) {
    // A choice that changes nothing is none.
    const isSame = (name === "photos" || name === "videos") && counts[name] === counts.all;
    if (!counts[name] || isSame) continue;
    const button = element("button", "", GROUPS[name][0]);
    button.type = "button";
    button.append(element("span", "", counts[name].toLocaleString("en")));
    button.setAttribute("aria-pressed", name === filter);
    button.onclick = () => {
      filter = name;
      for (const other of strip.children) other.setAttribute("aria-pressed", other === button);
      show();
      scrollTo(0, 0);
    };
    strip.append(button);
  }
}

let texts = null;
function found(words) {
  // Made at the first search.
  texts = texts || new Map(items.map(item =>
    [item, (path(item) + " " + day(item[TIME]) + " " + item[TIME]).toLowerCase()]));
  const sum = words.length === 1 && /^[0-9a-f]{8,64}$/.test(words[0]);
  const pool = filter === "all" ? items : inGroup(filter);
  return pool.filter(item => {
    const text = texts.get(item);
    return words.every(word => text.includes(word)) || sum && item[SUM].startsWith(words[0]);
  });
}

function show() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = words.length ? found(words) : inGroup(filter);
  current = 0;
  const videos = shown.reduce((sum, item) => sum + (item[KIND] === VIDEO), 0);
  const pictures = shown.reduce((sum, item) => sum + (item[KIND] === PICTURE), 0);
  const parts = [];
  if (pictures) parts.push(count(pictures, "picture"));
  if (videos) parts.push(count(videos, "video"));
  const others = shown.length - pictures - videos;
  if (others) parts.push(count(others, "other file"));
  $("count").textContent = parts.join(", ") || "Nothing found";
  $("none").hidden = shown.length > 0;
  layOut();
}

// ---- where they are on the page

function layOut() {
  const narrow = innerWidth <= 700, grid = $("grid");
  const style = getComputedStyle(document.documentElement);
  gap = parseFloat(style.getPropertyValue("--gap"));
  between = narrow ? 14 : BETWEEN;
  $("years").hidden = !showYears();
  document.body.classList.toggle("has-years", !$("years").hidden);
  document.documentElement.style.setProperty("--top", document.querySelector("header").offsetHeight + "px");
  const width = grid.clientWidth;
  columns = narrow ? Math.max(3, Math.round(width / 150)) : Math.max(3, Math.round(width / 216));
  side = (width - gap * (columns - 1)) / columns;
  grid.style.setProperty("--side", side + "px");
  bands = [];
  let top = 0, begin = 0, shared = null;
  const end = () => { if (shared) { top += HEAD + side + gap + 4; shared = null; } };
  while (begin < shown.length) {
    const key = shown[begin][TIME].slice(0, 6);
    let stop = begin;
    while (stop < shown.length && shown[stop][TIME].slice(0, 6) === key) stop++;
    const number = stop - begin, width_of = number * (side + gap) + between;
    if (number < columns) {
      // Small months of a year stand side by side.
      if (!shared || shared.year !== key.slice(0, 4) || shared.used + width_of - gap - between > width) {
        end();
        shared = { top, height: HEAD + side, months: [], used: 0, year: key.slice(0, 4) };
        bands.push(shared);
      }
      shared.months.push({ key, total: number, begin, end: stop, headed: true });
      shared.used += width_of;
    } else {
      end();
      // Large months are cut, so that only what is near the screen is made.
      for (let from = begin; from < stop; from += columns * ROWS_IN_BAND) {
        const to = Math.min(stop, from + columns * ROWS_IN_BAND), headed = from === begin;
        const height = (headed ? HEAD : 0) + Math.ceil((to - from) / columns) * (side + gap);
        bands.push({ top, height, months: [{ key, total: number, begin: from, end: to, headed }] });
        top += height;
      }
      top += 4;
    }
    begin = stop;
  }
  end();
  grid.style.height = top + "px";
  grid.replaceChildren();
  made.clear();
  draw();
}

const made = new Map();

function bandAt(y) {
  let low = 0, high = bands.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bands[middle].top <= y) low = middle; else high = middle - 1;
  }
  return low;
}

function draw() {
  if (!head) return;
  const grid = $("grid"), above = -grid.getBoundingClientRect().top;
  const first = bandAt(above - NEAR), last = bands.length ? bandAt(above + innerHeight + NEAR) : -1;
  const focused = document.activeElement;
  for (const [number, band] of made) {
    // What has the focus stays, so that the keyboard is not lost.
    if ((number < first || number > last) && !band.contains(focused)) {
      band.remove();
      made.delete(number);
    }
  }
  for (let number = first; number <= last; number++) {
    if (made.has(number)) continue;
    const band = makeBand(bands[number]);
    made.set(number, band);
    // In the order of the page, for those who read it by ear.
    let after = null;
    for (const [other, there] of made) {
      if (other > number && (!after || other < after[0])) after = [other, there];
    }
    grid.insertBefore(band, after && after[1]);
  }
  markYear(above);
  markCurrent();
  later();
}

function makeBand(band) {
  const box = element("div", "band");
  box.style.transform = "translateY(" + band.top + "px)";
  for (const part of band.months) {
    const section = element("div", "month"), list = element("ul");
    const tiles = part.end - part.begin, name = month(part.key);
    section.style.width = (band.months.length > 1 || tiles < columns ? tiles * (side + gap) - gap + "px" : "100%");
    list.setAttribute("aria-label", name);
    if (part.headed) {
      const heading = element("h2", "", side < 150 && part.key ? name.slice(0, 3) + " " + name.slice(-4) : name);
      heading.append(element("span", "", part.total.toLocaleString("en")));
      section.append(heading);
    }
    list.setAttribute("role", "list");
    for (let index = part.begin; index < part.end; index++) list.append(tile(index));
    section.append(list);
    box.append(section);
  }
  return box;
}

// ---- tiles

function tile(index) {
  const item = shown[index], place = element("li"), link = element("a", "tile");
  link.href = address(item);
  link.tabIndex = -1;
  link.index = index;
  link.setAttribute("aria-label", what(item) + ", " + moment(item[TIME]) + ", " + plain(item[NAME]));
  if (item[KIND] > VIDEO || !SHOWN_BY_BROWSERS.test(item[NAME])) {
    const kind = element("span", "kind", ending(item[NAME]));
    if (item[KIND] > VIDEO) kind.append(element("small", "", plain(item[NAME])));
    link.append(kind);
  }
  if (item[KIND] === VIDEO) {
    link.append(element("span", "badge", "▶" + (item[SECONDS] ? " " + clock(item[SECONDS]) : "")));
  }
  if (item[KIND] <= VIDEO) {
    if (item[PART] >= 0) withPart(item, entry => { if (entry[0]) small(link, item, entry[0]); else itself(link, item); });
    else itself(link, item);
  }
  place.append(link);
  return place;
}

function put(link, picture) {
  link.insertBefore(picture, link.querySelector(".badge"));
}

function small(link, item, base64) {
  const image = new Image();
  image.alt = "";
  image.decoding = "async";
  if (TURN[item[TURNED]]) image.style.transform = TURN[item[TURNED]];
  image.onerror = () => { image.remove(); itself(link, item); };
  image.src = "data:image/jpeg;base64," + base64;
  put(link, image);
  if (item[KIND] === PICTURE && SHOWN_BY_BROWSERS.test(item[NAME]) && item[BYTES] < MAX_SHARP_BYTES) link.wants = "sharp";
}

// Where no small picture is at hand: the file itself.
function itself(link, item) {
  if (item[KIND] === VIDEO) {
    link.wants = "poster";
  } else if (SHOWN_BY_BROWSERS.test(item[NAME]) && item[BYTES] < QUICK_BYTES) {
    const image = new Image();
    image.alt = "";
    image.decoding = "async";
    image.onerror = () => unknown(link, item, image);
    image.src = address(item);
    put(link, image);
  } else if (item[BYTES] < MAX_SHARP_BYTES) {
    link.wants = "sharp";
  }
  later();
}

function unknown(link, item, image) {
  image.remove();
  if (!link.querySelector(".kind")) link.prepend(element("span", "kind", ending(item[NAME])));
}

// What takes a while is done for tiles on the screen only, a few at once, and when the page stands still.
let timer = 0, sharpening = 0, drawing = 0;
const posters = new Map();
function later() {
  clearTimeout(timer);
  timer = setTimeout(work, 140);
}

function work() {
  if (open >= 0) return;
  for (const link of document.querySelectorAll(".tile")) {
    if (!link.wants) continue;
    const box = link.getBoundingClientRect();
    if (box.bottom < 0 || box.top > innerHeight) continue;
    if (link.wants === "sharp" && sharpening < SHARP_AT_ONCE) sharpen(link);
    else if (link.wants === "poster") poster(link);
  }
}

function sharpen(link) {
  const image = new Image(), item = shown[link.index];
  link.wants = "";
  sharpening++;
  image.alt = "";
  image.className = "sharp";
  const end = () => { sharpening--; work(); };
  image.src = address(item);
  image.decode().then(() => { if (link.isConnected) put(link, image); end(); },
    () => { if (!link.querySelector("img")) unknown(link, item, image); end(); });
}

function poster(link) {
  const item = shown[link.index], known = posters.get(item);
  if (known) {
    link.wants = "";
    if (known !== "none") put(link, copied(known));
    return;
  }
  if (drawing >= POSTERS_AT_ONCE) return;
  link.wants = "";
  drawing++;
  const video = document.createElement("video");
  let isOver = false;
  const end = found => {
    if (isOver) return;
    isOver = true;
    drawing--;
    clearTimeout(limit);
    let still = "none";
    if (found && video.videoWidth) {
      still = document.createElement("canvas");
      const scale = 360 / Math.min(video.videoWidth, video.videoHeight);
      still.width = Math.max(1, Math.round(video.videoWidth * Math.min(1, scale)));
      still.height = Math.max(1, Math.round(video.videoHeight * Math.min(1, scale)));
      still.getContext("2d").drawImage(video, 0, 0, still.width, still.height);
      if (link.isConnected) put(link, copied(still));
    }
    video.removeAttribute("src");
    video.load();
    posters.set(item, still);
    for (const old of posters.keys()) {
      if (posters.size <= KEPT_POSTERS) break;
      posters.delete(old);
    }
    work();
  };
  const limit = setTimeout(() => end(false), 8000);
  video.muted = true;
  video.preload = "auto";
  video.onseeked = () => end(true);
  video.onloadeddata = () => { video.currentTime = Math.min(1, (video.duration || 0) / 3); };
  video.onerror = () => end(false);
  video.src = address(item);
}

function copied(canvas) {
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}

// ---- small pictures and facts

const parts = new Map(), waiting = new Map();

function albumPart(number, entries) {
  parts.set(number, entries);
  for (const use of waiting.get(number) || []) use();
  waiting.delete(number);
  for (const old of parts.keys()) {
    if (parts.size <= KEPT_PARTS) break;
    parts.delete(old);
  }
}

function withPart(item, use) {
  const number = item[PART], give = () => {
    const entry = (parts.get(number) || [])[item[PLACE]];
    use(Array.isArray(entry) ? entry : ["", {}]);
  };
  if (parts.has(number)) return give();
  if (waiting.has(number)) return waiting.get(number).push(give);
  waiting.set(number, [give]);
  const script = document.createElement("script");
  script.src = "album/p" + number + ".js";
  // One that is lost has nothing in it.
  script.onload = script.onerror = () => { script.remove(); if (waiting.has(number)) albumPart(number, []); };
  document.head.append(script);
}

// ---- years

function showYears() {
  const nav = $("years");
  years = [];
  shown.forEach((item, index) => {
    const year = item[TIME].slice(0, 4);
    if (!years.length || years[years.length - 1].year !== year) years.push({ year, index });
  });
  nav.replaceChildren();
  if (years.length < 2 || shown.length < 40) return years.length = 0;
  for (const one of years) {
    const button = element("button", "", one.year || "No date");
    button.type = "button";
    button.onclick = () => {
      const band = bands.find(band => band.months.some(part => part.begin <= one.index && one.index < part.end));
      scrollTo(0, band.top + $("grid").getBoundingClientRect().top + scrollY - covered());
    };
    one.button = button;
    nav.append(button);
  }
  return true;
}

// The part of the window that header and years cover.
function covered() {
  const strip = $("years"), isStrip = !strip.hidden && getComputedStyle(strip).position === "sticky";
  return document.querySelector("header").offsetHeight + (isStrip ? strip.offsetHeight : 0);
}

function markYear(above) {
  if (years.length < 2 || !bands.length) return;
  const begin = bands[bandAt(above + covered() + 60)].months[0].begin;
  const now = years.filter(one => one.index <= begin).pop();
  for (const one of years) {
    const is = one === now;
    if (is && !one.button.hasAttribute("aria-current")) {
      const nav = $("years"), box = one.button;
      nav.scrollLeft = box.offsetLeft - nav.clientWidth / 2;
      nav.scrollTop = box.offsetTop - nav.clientHeight / 2;
    }
    if (is) one.button.setAttribute("aria-current", "true"); else one.button.removeAttribute("aria-current");
  }
}

// ---- what is missing

function showMissing() {
  const box = $("missing"), body = box.querySelector("tbody");
  if (!head.missingCount) return;
  box.hidden = false;
  box.querySelector("summary").textContent = count(head.missingCount, "file is", "files are") + " not here. Which, and why?";
  // Filled when it is opened.
  box.addEventListener("toggle", () => {
    if (!body.firstChild) {
      for (const [name, why] of head.missing) {
        const row = element("tr");
        row.append(element("td", "", plain(name)), element("td", "", plain(why)));
        body.append(row);
      }
      if (head.missing.length < head.missingCount) {
        const row = element("tr");
        row.append(element("td", "", "and " + count(head.missingCount - head.missing.length, "other")), element("td"));
        body.append(row);
      }
    }
    draw();
  });
}

// ---- the viewer

const viewer = $("viewer"), stage = $("stage");
let scale = 1, x = 0, y = 0;

function look(index) {
  const item = shown[index];
  if (!item) return;
  open = current = index;
  if (!viewer.open) viewer.showModal();
  $("when").textContent = moment(item[TIME]);
  $("file").href = address(item);
  $("previous").disabled = index === 0;
  $("next").disabled = index === shown.length - 1;
  $("said").textContent = what(item) + " " + (index + 1) + " of " + shown.length + ", " + moment(item[TIME]) + ", " + plain(item[NAME]);
  zoom(1);
  const isPicture = item[KIND] === PICTURE;
  $("larger").hidden = $("smaller").hidden = !isPicture;
  // What is shown by now is not to play on.
  for (const old of stage.querySelectorAll("video, audio")) old.pause();
  if (isPicture) showPicture(item);
  else if (item[KIND] === VIDEO) showVideo(item);
  else showFile(item);
  if (!$("details").hidden) showDetails(item);
  for (const near of [shown[index + 1], shown[index - 1]]) {
    if (near && near[KIND] === PICTURE && SHOWN_BY_BROWSERS.test(near[NAME]) && near[BYTES] < MAX_SHARP_BYTES) new Image().src = address(near);
  }
}

function isOpen(item) {
  return open >= 0 && shown[open] === item;
}

function showPicture(item) {
  const image = new Image();
  image.alt = plain(item[NAME]);
  image.draggable = false;
  image.onerror = () => { if (isOpen(item)) cannotShow(item, "This browser cannot show this kind of picture."); };
  image.onload = () => { if (isOpen(item) && !$("details").hidden) showDetails(item); };
  image.src = address(item);
  stage.replaceChildren(image);
}

function showVideo(item) {
  const video = element("video");
  video.controls = video.autoplay = video.playsInline = true;
  video.setAttribute("aria-label", plain(item[NAME]));
  video.onerror = () => { if (isOpen(item)) cannotShow(item, "This browser cannot play this kind of video."); };
  video.src = address(item);
  stage.replaceChildren(video);
}

function showFile(item) {
  const box = told(item, plain(item[NAME]));
  if (item[KIND] === SOUND) {
    const audio = element("audio");
    audio.controls = true;
    audio.setAttribute("aria-label", plain(item[NAME]));
    audio.src = address(item);
    box.append(audio);
  }
  stage.replaceChildren(box);
}

function told(item, words) {
  const box = element("div", "told"), link = element("a", "", "Open it with another program");
  link.href = address(item);
  link.target = "_blank";
  link.rel = "noopener";
  box.append(element("div", "kind", ending(item[NAME])), element("p", "", words), link);
  return box;
}

// The small picture in the file, where there is one, and what to do.
function cannotShow(item, words) {
  const box = told(item, words + " The file is here, whole.");
  stage.replaceChildren(box);
  if (item[PART] < 0) return;
  withPart(item, entry => {
    if (!entry[0] || !isOpen(item)) return;
    const image = new Image();
    image.className = "small";
    image.alt = "A small preview of " + plain(item[NAME]);
    if (TURN[item[TURNED]]) image.style.transform = TURN[item[TURNED]];
    image.src = "data:image/jpeg;base64," + entry[0];
    box.replaceChild(image, box.firstChild);
  });
}

function zoom(to, atX, atY) {
  const image = stage.querySelector(":scope > img"), box = stage.getBoundingClientRect();
  to = Math.min(12, Math.max(1, to));
  if (!image || to === 1) { scale = 1; x = y = 0; }
  else {
    // The point under the fingers stays where it is.
    const fromX = (atX === undefined ? box.left + box.width / 2 : atX) - box.left - box.width / 2;
    const fromY = (atY === undefined ? box.top + box.height / 2 : atY) - box.top - box.height / 2;
    x = fromX - (fromX - x) * to / scale;
    y = fromY - (fromY - y) * to / scale;
    scale = to;
  }
  move();
}

function move() {
  const image = stage.querySelector(":scope > img"), box = stage.getBoundingClientRect();
  stage.classList.toggle("near", scale > 1);
  $("smaller").disabled = scale === 1;
  if (!image) return;
  const mostX = box.width * (scale - 1) / 2, mostY = box.height * (scale - 1) / 2;
  x = Math.max(-mostX, Math.min(mostX, x));
  y = Math.max(-mostY, Math.min(mostY, y));
  image.style.transform = scale === 1 ? "" : "translate(" + x + "px, " + y + "px) scale(" + scale + ")";
}

const fingers = new Map();
let spread = 0, start = null;
stage.addEventListener("pointerdown", event => {
  if (!event.target.closest("img")) return;
  fingers.set(event.pointerId, event);
  stage.setPointerCapture(event.pointerId);
  start = fingers.size === 1 ? { x: event.clientX, y: event.clientY } : null;
  spread = 0;
});
stage.addEventListener("pointermove", event => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  fingers.set(event.pointerId, event);
  if (fingers.size === 2) {
    const [one, two] = [...fingers.values()];
    const now = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
    if (spread) zoom(scale * now / spread, (one.clientX + two.clientX) / 2, (one.clientY + two.clientY) / 2);
    spread = now;
  } else if (scale > 1) {
    x += event.clientX - before.clientX;
    y += event.clientY - before.clientY;
    move();
  }
});
for (const kind of ["pointerup", "pointercancel"]) {
  stage.addEventListener(kind, event => {
    if (!fingers.delete(event.pointerId) || !start || scale > 1 || event.pointerType === "mouse") return;
    const far = event.clientX - start.x;
    if (Math.abs(far) > 50 && Math.abs(far) > 2 * Math.abs(event.clientY - start.y)) step(far < 0 ? 1 : -1);
    start = null;
  });
}
stage.addEventListener("wheel", event => {
  event.preventDefault();
  zoom(scale * Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
}, { passive: false });
stage.addEventListener("dblclick", event => {
  if (event.target.closest("img")) zoom(scale > 1 ? 1 : 3, event.clientX, event.clientY);
});

function step(by) {
  if (shown[open + by]) look(open + by);
}

const FACTS = [["camera", "Camera"], ["lens", "Lens"], ["exposure", "Exposure"], ["aperture", "Aperture"], ["iso", "ISO"], ["focal", "Focal length"], ["place", "Latitude, longitude"]];

function showDetails(item) {
  const box = $("details"), list = element("dl");
  const add = (name, text, kind) => {
    if (text) list.append(element("dt", "", name), element("dd", kind || "", plain(String(text))));
  };
  const fill = facts => {
    if (!isOpen(item)) return;
    const image = stage.querySelector(":scope > img, :scope > video"), pixels = Array.isArray(facts.pixels) ? facts.pixels : [];
    const width = image && (image.naturalWidth || image.videoWidth) || pixels[0], height = image && (image.naturalHeight || image.videoHeight) || pixels[1];
    list.replaceChildren();
    add("Taken", moment(item[TIME]));
    add("Size", size(item[BYTES]) + (width && height ? ", " + width + " × " + height : ""));
    if (item[SECONDS]) add("Length", clock(item[SECONDS]));
    for (const [key, name] of FACTS) add(name, facts[key]);
    add("Folder", path(item).slice(0, -item[NAME].length));
    add("SHA-256 checksum", item[SUM], "sum");
  };
  const copy = element("button", "", "Copy the checksum");
  copy.type = "button";
  copy.onclick = () => copyText(item[SUM], copy);
  box.replaceChildren(element("h2", "", plain(item[NAME])), list, copy);
  fill({});
  if (item[PART] >= 0) withPart(item, entry => fill(entry[1] || {}));
}

function copyText(text, button) {
  const tell = words => { button.textContent = words; $("said").textContent = words; };
  // Browsers without a clipboard for pages from a disk have the old way.
  const oldWay = () => {
    const area = element("textarea", "unseen");
    area.value = text;
    $("details").append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    button.focus();
    tell(isCopied ? "Copied" : "Not copied: select it by hand");
  };
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => tell("Copied"), oldWay);
  else oldWay();
}

$("close").onclick = () => viewer.close();
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("larger").onclick = () => zoom(scale * 1.6);
$("smaller").onclick = () => zoom(scale / 1.6 < 1.1 ? 1 : scale / 1.6);
$("about").onclick = () => {
  const box = $("details");
  box.hidden = !box.hidden;
  $("about").setAttribute("aria-pressed", !box.hidden);
  if (!box.hidden) showDetails(shown[open]);
  zoom(1);
};
viewer.addEventListener("close", () => {
  stage.replaceChildren();
  open = -1;
  focusTile(current);
});
viewer.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inMedia = event.target.closest("video, audio");
  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => look(0), End: () => look(shown.length - 1),
    "+": () => zoom(scale * 1.6), "=": () => zoom(scale * 1.6), "-": () => $("smaller").onclick(), "0": () => zoom(1),
    i: () => $("about").onclick(),
  };
  if (!keys[event.key] || inMedia && event.key.startsWith("Arrow")) return;
  event.preventDefault();
  keys[event.key]();
});

// ---- keyboard and mouse on the page

function tileOf(index) {
  return [...document.querySelectorAll(".tile")].find(link => link.index === index);
}

// One tile is in the order of the Tab key; arrows lead to the others.
function markCurrent() {
  const tiles = [...document.querySelectorAll(".tile")];
  const known = tiles.find(link => link.index === current);
  const first = known || tiles.find(link => link.getBoundingClientRect().bottom > covered());
  for (const link of tiles) link.tabIndex = link === first ? 0 : -1;
}

function focusTile(index) {
  current = index;
  if (!tileOf(index)) {
    const band = bands.find(band => band.months.some(part => part.begin <= index && index < part.end));
    if (!band) return;
    scrollTo(0, band.top + $("grid").getBoundingClientRect().top + scrollY - covered() - 40);
    draw();
  }
  const link = tileOf(index);
  if (!link) return;
  link.focus({ preventScroll: true });
  const box = link.getBoundingClientRect(), top = covered() + 8;
  if (box.top < top) scrollBy(0, box.top - top);
  else if (box.bottom > innerHeight - 8) scrollBy(0, box.bottom - innerHeight + 8);
  markCurrent();
}

// The tile above or below: the nearest one in the next row.
function beyond(link, down) {
  const from = link.getBoundingClientRect(), middle = from.left + from.width / 2;
  let best = null;
  for (const other of document.querySelectorAll(".tile")) {
    const box = other.getBoundingClientRect(), far = down ? box.top - from.top : from.top - box.top;
    if (far < from.height / 2) continue;
    const cost = far * 10000 + Math.abs(box.left + box.width / 2 - middle);
    if (!best || cost < best.cost) best = { cost, index: other.index };
  }
  return best ? best.index : link.index;
}

$("grid").addEventListener("keydown", event => {
  const link = event.target.closest(".tile");
  if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    ArrowRight: () => link.index + 1, ArrowLeft: () => link.index - 1, Home: () => 0, End: () => shown.length - 1,
    ArrowDown: () => beyond(link, true), ArrowUp: () => beyond(link, false),
  };
  if (event.key === " ") { event.preventDefault(); return look(link.index); }
  if (!keys[event.key]) return;
  event.preventDefault();
  focusTile(Math.min(shown.length - 1, Math.max(0, keys[event.key]())));
});
$("grid").addEventListener("focusin", event => {
  const link = event.target.closest(".tile");
  if (link && link.index !== current) { current = link.index; markCurrent(); }
});
$("grid").addEventListener("click", event => {
  const link = event.target.closest(".tile");
  // With a key held, the browser opens the file by itself.
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  look(link.index);
});

let searching = 0;
$("search").addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(() => { if (head) { show(); scrollTo(0, 0); } }, 90);
});
addEventListener("keydown", event => {
  if (event.key === "/" && !viewer.open && document.activeElement !== $("search")) { event.preventDefault(); $("search").focus(); }
});

let frame = 0;
addEventListener("scroll", () => { if (!frame) frame = requestAnimationFrame(() => { frame = 0; draw(); }); }, { passive: true });
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return draw();
  width = innerWidth;
  if (!head) return;
  const begin = bands.length ? bands[bandAt(-$("grid").getBoundingClientRect().top + covered())].months[0].begin : 0;
  layOut();
  const band = bands.find(band => band.months.some(part => part.begin <= begin && begin < part.end));
  if (band && scrollY > 200) scrollTo(0, band.top + $("grid").getBoundingClientRect().top + scrollY - covered());
});
