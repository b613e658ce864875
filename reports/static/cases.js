"use strict";
// What both pages of cases do: the report's, and that of `gptaudit view`. All text of an audit is shown by textContent.

const byId = (id) => document.getElementById(id);

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = visible(text);
  if (className) made.className = className;
  if (tag === "pre") made.tabIndex = 0; // a long one is scrolled by the keyboard
  return made;
}

// Control, format and other invisible characters are shown as their code points.
function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034F\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0]/gu, (c) =>
    c === "\n" || c === "\t" ? c : "\u27E8U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27E9");
}

function numbers(values) {
  return Object.entries(values).map(([name, value]) => name + " " + (value === null ? "–" : Number(value.toPrecision(3)))).join(" · ");
}

function choices(field, values) {
  for (const [value, words] of values) {
    const choice = element("option", words);
    choice.value = value;
    byId(field).append(choice);
  }
}

// A folded case; `texts` is called when it is opened, and returns the case with its texts.
function row(one, texts) {
  const item = element("li");
  const folded = element("details");
  folded.id = "case-" + one.number;
  const head = element("summary");
  head.append(element("span", one.title, "probe"), " ", element("code", one.case), " ");
  head.append(element("span", one.ended, "outcome " + (one.outcome === "scored" ? "" : "unscored")));
  for (const [axis, group] of Object.entries(one.groups)) head.append(" ", element("span", axis + ": " + group, "tag"));
  head.append(" ", element("span", numbers(one.values), "values"));
  folded.append(head);
  folded.addEventListener("toggle", async () => folded.append(...opened(await texts())), { once: true });
  item.append(folded);
  return item;
}

// The texts of a case; two texts without an answer stand side by side, with their difference marked.
function opened(whole) {
  const pair = whole.texts.length === 2 && whole.texts.every((text) => !text.output);
  const texts = element("div", undefined, pair ? "pair" : "texts");
  let before = null;
  for (const [place, text] of whole.texts.entries()) {
    const box = element("section");
    box.append(element("p", text.label + (numbers(text.scores) ? ": " + numbers(text.scores) : ""), "label"));
    if (text.prompt !== before) {
      box.append(pair ? marked(text.prompt, whole.texts[1 - place].prompt) : element("pre", text.prompt, "asked"));
    }
    if (text.output) box.append(element("pre", text.output, "wrote"));
    texts.append(box);
    before = text.prompt;
  }
  return whole.note ? [texts, element("p", whole.note, "small")] : [texts];
}

// Mark the words in which a text differs from another, between their common beginning and end.
function marked(text, other) {
  const [ours, theirs] = [text, other].map((t) => t.split(/(\s+)/));
  let start = 0;
  while (start < Math.min(ours.length, theirs.length) && ours[start] === theirs[start]) start++;
  let end = 0;
  while (end < Math.min(ours.length, theirs.length) - start && ours.at(-1 - end) === theirs.at(-1 - end)) end++;
  const shown = element("pre", undefined, "asked");
  shown.append(visible(ours.slice(0, start).join("")));
  shown.append(element("mark", ours.slice(start, ours.length - end).join("")));
  shown.append(visible(ours.slice(ours.length - end).join("")));
  return shown;
}

function later(call, wait) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(call, wait); };
}
