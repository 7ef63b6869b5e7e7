"use strict";
// The page shows what the stream of news tells of each phone's case, and sends answers. All text goes in as text: names
// come from a phone.
const $ = id => document.getElementById(id);
const PICTURES_AT_ONCE = 2, PICTURE_PAUSE = 400, KEPT_PICTURES = 12, LOST_AFTER = 3000;
let asked = 0, over = false;
// The known parts of each case by its number, and the case that is shown.
const cases = new Map();
let current = 0;

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, kind, act) {
  const made = element("button", kind, text);
  made.type = "button";
  made.onclick = act;
  return made;
}

// Sends something about a case; about the desk itself where none is named.
async function send(path, body, about = current) {
  const answer = await fetch(about ? `case/${about}/${path}` : path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  return answer;
}

// ---- what is told

// A line as the terminal has it: set in where it is indented there, and with its commands as such.
function line(text) {
  const made = element("p", /^ {2}/.test(text) ? "line inset" : "line");
  text.trimStart().split("`").forEach((part, at, all) => {
    const isCommand = at % 2 === 1 && at < all.length - 1;
    made.append(isCommand ? element("code", "", part) : document.createTextNode(at % 2 === 1 ? "`" + part : part));
  });
  return made;
}

function lines(list) {
  return list.map(line);
}

function table(caption, rows, named) {
  const made = element("table");
  if (caption) made.append(element("caption", "", caption));
  const body = element("tbody");
  for (const row of rows) {
    const line = element("tr");
    const name = element("th", "", named ? row.of : row.files);
    name.scope = "row";
    line.append(name);
    if (named) line.append(element("td", "number", row.files));
    line.append(element("td", "number", row.size));
    body.append(line);
  }
  made.append(body);
  return made;
}

function drawing(of) {
  const made = element("img", "drawing");
  made.src = "drawing/" + of.name + ".svg";
  made.alt = of.alt;
  return made;
}

function block(told) {
  const made = element("div", "block");
  switch (told.kind) {
    case "advice":
      made.classList.add("advice");
      if (told.drawing) made.append(drawing(told.drawing));
      made.append(...lines(told.lines));
      break;
    case "trouble":
      made.classList.add("bad");
      made.append(...lines(told.lines));
      break;
    case "contents":
      made.append(...lines(told.before));
      if (told.heading) made.append(element("h2", "", told.heading));
      if (told.kinds.length) made.append(table("", told.kinds, false));
      if (told.groups.length) made.append(table("By folder:", told.groups, true));
      made.append(...lines(told.after));
      break;
    case "holdings": {
      made.classList.add(told.is_safe ? "safe" : "bad");
      made.append(element("h2", "", told.verdict));
      const doubts = element("ul", "doubts");
      doubts.append(...told.doubts.map(text => element("li", "", text)));
      if (told.doubts.length) made.append(doubts);
      made.append(...lines(told.rest));
      break;
    }
    default:
      made.append(...lines(told.lines || []));
  }
  return made.childElementCount ? made : null;
}

// Lines that follow each other stand in one block.
function blocks(list) {
  const all = [];
  let open = null;
  for (const told of list) {
    if (told.kind !== "line") {
      const next = block(told);
      if (next) all.push(next);
      open = null;
      continue;
    }
    if (!open || open.tone !== told.tone || told.tone === "answer") {
      open = { tone: told.tone, at: element("div", told.tone === "answer" ? "answer" : "block") };
      if (told.tone === "bad") open.at.classList.add("bad");
      all.push(open.at);
    }
    const made = line(told.tone === "answer" ? "You: " + told.line : told.line);
    if (told.tone === "link" && /^https?:\/\//.test(told.line)) {
      const link = element("a", "", told.line);
      link.href = told.line;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      made.replaceChildren(link);
    }
    open.at.append(made);
  }
  return all;
}

// Changes only what is different: a screen reader reads that, and a selection stays.
function update(place, made) {
  made.forEach((next, at) => {
    const old = place.children[at];
    if (!old) place.append(next);
    else if (old.isEqualNode(next)) return;
    else if (old.tagName === "DIV" && old.className === next.className) update(old, [...next.children]);
    else old.replaceWith(next);
  });
  while (place.children.length > made.length) place.lastElementChild.remove();
}

// ---- progress

function showProgress(progress) {
  $("work").hidden = !progress;
  if (!progress) return;
  $("parts").replaceChildren(...progress.parts.map(part => element("span", "", part)));
  if (progress.fraction === null) $("bar").removeAttribute("value");
  else $("bar").value = progress.fraction;
  const step = progress.drawing, known = $("work").querySelector(".drawing");
  $("work").classList.toggle("advice", !!step);
  if (known?.alt !== step?.alt) {
    known?.remove();
    if (step) $("work").prepend(drawing(step));
  }
  $("item").textContent = progress.waits.length ? progress.waits.join("; ") : progress.item;
  $("pause").hidden = !progress.stop;
  $("pause").textContent = progress.stop || "";
  $("pause").disabled = false;
}

let wanted = [], shown = new Set(), busy = false;
function showProven(proven) {
  $("proven").hidden = !proven.files;
  if (!proven.files) {
    $("pictures").replaceChildren();
    shown = new Set();
  }
  $("proven-count").textContent = proven.files.toLocaleString("en") + (proven.files === 1 ? " file is" : " files are") + " here and proven.";
  wanted = proven.pictures.filter(picture => !shown.has(picture.number));
  showPictures();
}

// A few at a time: the work counts for more than its pictures.
function showPictures() {
  if (busy || !wanted.length) return;
  busy = true;
  const of = current;
  for (const picture of wanted.splice(-PICTURES_AT_ONCE)) {
    shown.add(picture.number);
    const image = element("img"), place = element("li");
    image.alt = picture.name;
    image.title = picture.name;
    image.onload = () => {
      if (of !== current) return;
      place.append(image);
      $("pictures").prepend(place);
      while ($("pictures").childElementCount > KEPT_PICTURES) $("pictures").lastChild.remove();
    };
    image.src = `case/${of}/proven/${picture.number}`;
  }
  setTimeout(() => { busy = false; showPictures(); }, PICTURE_PAUSE);
}

$("pause").onclick = async () => {
  $("pause").disabled = true;
  await send("pause", {}).catch(() => {});
};

// ---- questions

async function answer(number, body) {
  for (const control of $("ask").querySelectorAll("button, input")) control.disabled = true;
  try {
    const sent = await send("answer", { question: number, ...body });
    // Where it was answered elsewhere, the next news show what is open now.
    if (sent.ok || sent.status === 409) return;
    problem(await sent.text());
  } catch {
    problem("rescue cannot be reached.");
  }
  for (const control of $("ask").querySelectorAll("button, input")) control.disabled = false;
}

function problem(words) {
  const place = $("ask").querySelector(".problem") || element("p", "problem");
  place.setAttribute("role", "alert");
  place.textContent = words;
  $("ask").append(place);
}

function choiceButtons(question, kind) {
  const made = element("div", "choices");
  question.choices.forEach((choice, at) => {
    const look = kind === "one" && at === question.usual ? "usual" : "";
    made.append(button(choice, look, () => answer(question.number, { number: at })));
  });
  return made;
}

function checkboxes(question) {
  const form = element("form");
  question.choices.forEach((choice, at) => {
    const label = element("label", "check"), box = element("input");
    box.type = "checkbox";
    box.value = at;
    label.append(box, element("span", "", choice));
    form.append(label);
  });
  const row = element("div", "row"), go = element("button", "usual", "Continue");
  row.append(go);
  form.append(row);
  form.onsubmit = event => {
    event.preventDefault();
    const numbers = [...form.querySelectorAll("input:checked")].map(box => Number(box.value));
    answer(question.number, { numbers });
  };
  return form;
}

function textField(question) {
  const form = element("form"), input = element("input"), row = element("div", "row");
  const isSecret = question.kind === "secret";
  input.type = isSecret ? "password" : "text";
  input.autocomplete = "off";
  input.spellcheck = false;
  input.setAttribute("autocapitalize", "off");
  input.setAttribute("aria-label", question.text);
  form.append(input);
  if (isSecret) {
    const label = element("label", "check"), box = element("input");
    box.type = "checkbox";
    box.onchange = () => { input.type = box.checked ? "text" : "password"; };
    label.append(box, element("span", "", "Show what I type"));
    form.append(label);
  }
  row.append(element("button", "usual", "Continue"), button("Cancel", "quiet", () => answer(question.number, {})));
  form.append(row);
  form.onsubmit = event => {
    event.preventDefault();
    const text = input.value;
    if (isSecret) input.value = "";
    answer(question.number, { text });
  };
  return form;
}

function folderField(question) {
  const form = element("form"), input = element("input"), row = element("div", "row");
  const list = element("ul", "folders"), places = element("div", "row"), said = element("p", "problem");
  const label = element("label", "field", "Its path, or choose it below:");
  input.type = "text";
  input.id = "folder";
  input.autocomplete = "off";
  input.spellcheck = false;
  label.htmlFor = "folder";
  list.tabIndex = 0;
  list.setAttribute("aria-label", "Folders");
  const go = async path => {
    const answer = await send("folders", { path }, 0).catch(() => null);
    if (!answer || !answer.ok) return;
    const found = await answer.json();
    input.value = found.path;
    said.textContent = found.problem || "";
    places.replaceChildren(...found.places.map(place => button(place.name, "quiet", () => go(place.path))));
    const entry = (text, path) => {
      const item = element("li");
      item.append(button(text, "", () => go(path)));
      return item;
    };
    list.replaceChildren(...found.folders.map(folder => entry(folder.name, folder.path)));
    if (found.above !== null) list.prepend(entry("↑ The folder above", found.above));
    list.scrollTop = 0;
  };
  row.append(element("button", "usual", "Use this folder"), button("Back", "quiet", () => answer(question.number, {})));
  form.append(label, input, places, list, said, row);
  form.onsubmit = event => {
    event.preventDefault();
    answer(question.number, { text: input.value });
  };
  go("");
  return form;
}

function showQuestion(question) {
  const place = $("ask");
  if (question && question.number === asked && place.childElementCount) return;
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren();
  place.hidden = !question;
  asked = question ? question.number : 0;
  if (!question) return;
  const heading = element("h2", "", question.text);
  heading.tabIndex = -1;
  place.append(heading);
  switch (question.kind) {
    case "one":
    case "wait":
      place.append(choiceButtons(question, question.kind));
      break;
    case "many":
      place.append(checkboxes(question));
      break;
    case "folder":
      place.append(folderField(question));
      break;
    default:
      place.append(textField(question));
  }
  if (hadFocus) heading.focus();
}

// ---- the phone's screen

let endLive = null;
function showDisplay(isShown) {
  $("display").hidden = !isShown;
  if (endLive) endLive();
  endLive = isShown ? showLive($("display"), `case/${current}/live/`) : null;
  // It stands below what the phone holds.
  if (isShown) $("display").scrollIntoView();
}

// ---- whose phone it is

// What the fields showed last: what is being typed about this phone stays as it is.
let labelled = { customer: "", note: "", phone: null };
// What was typed and not saved, by case.
const drafts = new Map();
function showLabel(label) {
  const isAnother = labelled.phone && labelled.phone !== label.phone;
  for (const part of ["customer", "note"]) {
    if (isAnother || $(part).value === labelled[part]) $(part).value = label[part];
  }
  labelled = label;
  $("label-said").textContent = !label.customer && !label.note ? "" :
    label.is_written ? "Saved: the report shows it." : "Kept: the report will show it when this phone's files are here.";
}

$("label").onsubmit = async event => {
  event.preventDefault();
  const label = { customer: $("customer").value, note: $("note").value };
  const answer = await send("label", label).catch(() => null);
  if (answer && answer.ok) Object.assign(labelled, label);
  else $("label-said").textContent = answer ? await answer.text() : "rescue cannot be reached.";
};

// ---- the cases

// What is shown of a case, part by part.
function render(parts) {
  if ("before" in parts) {
    const made = blocks(parts.before);
    $("before").hidden = !made.length;
    update($("before-blocks"), made);
  }
  if ("now" in parts) {
    // The next step comes first.
    const isAdvice = made => made.classList.contains("advice");
    update($("now"), blocks(parts.now).sort((one, other) => isAdvice(other) - isAdvice(one)));
  }
  if ("progress" in parts) showProgress(parts.progress);
  if ("proven" in parts) showProven(parts.proven);
  if ("shelf" in parts) {
    $("shelf").hidden = !parts.shelf;
    if (parts.shelf) {
      $("album").href = parts.shelf + "index.html";
      $("report").href = parts.shelf + "report.html";
    }
  }
  if ("label" in parts) showLabel(parts.label);
  if ("screen" in parts) showDisplay(parts.screen);
  if ("question" in parts) showQuestion(parts.question);
}

// What stands there after the shown card was closed: no other phone's buttons come under the mouse.
const CLOSED = {
  before: [], now: [{ kind: "line", tone: "plain", line: "This phone's card is closed. Choose another one above." }],
  progress: null, proven: { files: 0, pictures: [] }, shelf: null, phone: null, screen: false, question: null,
  label: { customer: "", note: "", phone: null },
};
const partsOf = number => cases.get(number) || CLOSED;

function choose(number) {
  if (current) drafts.set(current, { customer: $("customer").value, note: $("note").value, labelled });
  current = number;
  $("pictures").replaceChildren();
  [wanted, shown, asked] = [[], new Set(), 0];
  const draft = drafts.get(number) || { customer: "", note: "", labelled: { customer: "", note: "", phone: null } };
  [$("customer").value, $("note").value, labelled] = [draft.customer, draft.note, draft.labelled];
  $("job").hidden = !number;
  $("job").open = false;
  render(partsOf(number));
}

// Below many cards on a small window what changes would be out of sight.
function bringUp() {
  const top = $("phone").getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) $("phone").scrollIntoView();
}

function isTurn(parts) {
  return Boolean(parts.question) && parts.question.kind !== "wait";
}

// Whether the person has to do something, on the page or with a phone that shows.
function needsPerson(parts) {
  return isTurn(parts) || Boolean(parts.question && parts.phone) || Boolean(parts.progress?.drawing);
}

function status(parts) {
  const holdings = [...parts.before, ...parts.now].findLast(told => told.kind === "holdings");
  if (isTurn(parts) && holdings) return holdings.is_safe ? "✓ Safe" : "Not all is here: your turn";
  if (isTurn(parts)) return "Your turn";
  if (parts.progress) return parts.progress.waits.length ? "Waiting for the phone" : parts.progress.parts[0] || "Working";
  if (!parts.question) return "Working";
  return parts.phone ? "Your turn: see the next step" : "Waiting for a phone";
}

function phoneOf(number) {
  return partsOf(number).phone || "A phone that does not show yet";
}

function card(number) {
  const parts = cases.get(number), made = element("li"), open = button("", "card", () => { choose(number); cards(); bringUp(); });
  open.append(element("strong", "", phoneOf(number)));
  if (parts.label.customer) open.append(element("span", "", parts.label.customer));
  const words = status(parts);
  open.append(element("span", words.startsWith("✓") ? "well" : needsPerson(parts) ? "turn" : "", words));
  if (number === current) open.setAttribute("aria-current", "true");
  made.append(open);
  return made;
}

// All phones, where there are several; and the one that is shown.
function cards() {
  const numbers = [...cases.keys()], isBench = numbers.length > 1;
  $("bench").hidden = over || !(isBench || takesMore);
  const hasCards = isBench || !current;
  $("cards").hidden = !hasCards;
  $("another").hidden = !takesMore || numbers.some(number => !cases.get(number).phone);
  const made = hasCards ? numbers.map(card) : [];
  made.forEach((next, at) => {
    const old = $("cards").children[at];
    if (!old) $("cards").append(next);
    else if (!old.isEqualNode(next)) {
      const hadFocus = old.contains(document.activeElement);
      old.replaceWith(next);
      if (hadFocus) next.firstChild.focus();
    } else old.firstChild.onclick = next.firstChild.onclick;
  });
  while ($("cards").childElementCount > made.length) $("cards").lastElementChild.remove();
  $("phone").hidden = !partsOf(current).phone && !isBench || !current;
  const { question, shelf, progress } = partsOf(current);
  $("give-up").hidden = !isBench || over || !question || Boolean(shelf && question.kind !== "wait");
  const { customer } = partsOf(current).label;
  $("phone").textContent = customer ? `${customer}: ${phoneOf(current)}` : phoneOf(current);
  const turns = numbers.filter(number => needsPerson(cases.get(number))).length;
  if (isBench) document.title = turns ? `rescue: ${turns} of ${numbers.length} need you` : "rescue";
  else document.title = progress && progress.fraction !== null ? progress.parts[0] + " rescue" : "rescue";
}

$("give-up").firstChild.onclick = () => send("give-up", {}).catch(() => {});

$("another").onclick = async () => {
  const answer = await send("another", {}, 0).catch(() => null);
  if (answer && !answer.ok) problem(await answer.text());
  else newest = true;
};

// ---- the stream

let takesMore = false, newest = false, started = false;
function show(news) {
  for (const number of cases.keys()) if (!news.cases.includes(number)) cases.delete(number);
  for (const [number, parts] of Object.entries(news.case)) {
    cases.set(Number(number), Object.assign(cases.get(Number(number)) || {}, parts));
  }
  [takesMore, over] = [news.takes_more, news.is_over];
  const last = news.cases.at(-1);
  if (current && !cases.has(current)) choose(0);
  else if (!current && !started) choose(news.cases[0]);
  else if (newest && last !== current && !cases.get(last).phone) {
    newest = false;
    choose(last);
  }
  else if (news.case[current]) render(news.case[current]);
  started = true;
  cards();
  connection();
}

function connection(isLost) {
  const place = $("connection");
  place.className = isLost && !over ? "lost" : "";
  const words = over ? "rescue has ended. You can close this page." :
    isLost ? "rescue is not running any more. Run `rescue desk` again: it continues where it stopped." : "rescue is running";
  if (place.textContent !== words) place.textContent = words;
  if (over || isLost) showQuestion(null);
  if (over || isLost) showDisplay(false);
  if (over) {
    stream.close();
    $("shelf").hidden = true;
  }
}

const stream = new EventSource("news");
let lost = 0;
stream.onmessage = message => {
  clearTimeout(lost);
  lost = 0;
  show(JSON.parse(message.data));
};
stream.onopen = () => { clearTimeout(lost); lost = 0; };
stream.onerror = () => {
  lost = lost || setTimeout(() => connection(true), LOST_AFTER);
};
