"use strict";
// All text of an audit reaches the page through textContent.

const byId = (id) => document.getElementById(id);
const FIELDS = ["probe", "outcome", "group", "text"];
let listed = 0;
let latest = 0;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = visible(text);
  if (className) made.className = className;
  return made;
}

// Control, format and other invisible characters are shown as their code points.
function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u034F\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0]/gu, (c) =>
    c === "\n" || c === "\t" ? c : "\u27E8U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27E9");
}

async function fetched(path, query) {
  const answer = await fetch(path + "?" + query);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function query() {
  const chosen = new URLSearchParams();
  for (const field of FIELDS) if (byId(field).value) chosen.set(field, byId(field).value);
  return chosen;
}

async function list(start) {
  const turn = ++latest;
  const asked = query();
  history.replaceState(null, "", asked.size ? "?" + asked : location.pathname);
  byId("table").href = "/cases.csv?" + asked;
  asked.set("start", start);
  const found = await fetched("/cases", asked);
  if (turn !== latest) return; // a later filter was answered first
  if (start === 0) byId("cases").replaceChildren();
  for (const one of found.cases) byId("cases").append(row(one));
  listed = start + found.cases.length;
  byId("count").textContent = found.total.toLocaleString("en") + (found.total === 1 ? " case" : " cases");
  byId("more").hidden = listed >= found.total;
}

function row(one) {
  const item = element("li");
  const folded = element("details");
  folded.id = "case-" + one.number;
  const head = element("summary");
  head.append(element("span", one.probe, "probe"), " ", element("code", one.case), " ");
  head.append(element("span", one.outcome, "outcome " + (one.outcome === "scored" ? "" : "unscored")));
  for (const [axis, group] of Object.entries(one.groups)) head.append(" ", element("span", axis + ": " + group, "tag"));
  head.append(" ", element("span", numbers(one.values), "values"));
  folded.append(head);
  folded.addEventListener("toggle", () => open(folded, one), { once: true });
  item.append(folded);
  return item;
}

function numbers(values) {
  return Object.entries(values).map(([name, value]) => name + " " + (value === null ? "no number" : Number(value.toPrecision(3)))).join(" · ");
}

async function open(folded, one) {
  const whole = await fetched("/case", new URLSearchParams({ number: one.number }));
  const link = element("a", "link to this case");
  link.href = "?" + new URLSearchParams({ probe: one.probe, text: one.case });
  folded.append(link);
  const pair = whole.texts.length === 2 && whole.texts.every((text) => !text.output);
  const texts = element("div", undefined, pair ? "pair" : "texts");
  let before = null;
  for (const [place, text] of whole.texts.entries()) {
    const box = element("section");
    box.append(element("p", text.label + (numbers(text.scores) ? ": " + numbers(text.scores) : ""), "label"));
    if (text.prompt !== before) {
      box.append(pair ? marked(text.prompt, whole.texts[1 - place].prompt) : element("pre", text.prompt, "prompt"));
    }
    if (text.output) box.append(element("pre", text.output, "output"));
    texts.append(box);
    before = text.prompt;
  }
  folded.append(texts);
  if (whole.note) folded.append(element("p", whole.note, "small"));
}

// Mark the words in which a text differs from another, between their common beginning and end.
function marked(text, other) {
  const [ours, theirs] = [text, other].map((t) => t.split(/(\s+)/));
  let start = 0;
  while (start < Math.min(ours.length, theirs.length) && ours[start] === theirs[start]) start++;
  let end = 0;
  while (end < Math.min(ours.length, theirs.length) - start && ours.at(-1 - end) === theirs.at(-1 - end)) end++;
  const shown = element("pre", undefined, "prompt");
  shown.append(visible(ours.slice(0, start).join("")));
  shown.append(element("mark", ours.slice(start, ours.length - end).join("")));
  shown.append(visible(ours.slice(ours.length - end).join("")));
  return shown;
}

function told(error) {
  byId("count").textContent = "The audit could not be read: " + visible(error.message);
}

function later(call, wait) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(call, wait); };
}

async function begin() {
  const filters = await fetched("/filters", "");
  byId("title").textContent = visible(filters.title);
  for (const [field, values] of [["probe", filters.probes], ["outcome", filters.outcomes], ["group", filters.groups]]) {
    for (const [value, many] of values) {
      const choice = element("option", value + " (" + many + ")");
      choice.value = value;
      byId(field).append(choice);
    }
  }
  const unscored = element("option", "unscored");
  unscored.value = "unscored";
  byId("outcome").append(unscored);
  const given = new URLSearchParams(location.search);
  for (const field of FIELDS) byId(field).value = given.get(field) ?? "";
  const again = () => list(0).catch(told);
  for (const field of FIELDS.slice(0, 3)) byId(field).addEventListener("change", again);
  byId("text").addEventListener("input", later(again, 150));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => list(listed).catch(told));
  await list(0);
}

begin().catch(told);
