"use strict";
// The page of `gptaudit view`: it asks the server of this machine for the cases that match.

const FIELDS = ["probe", "outcome", "group", "score", "least", "most", "text"];
let listed = 0;
let words = {};
let latest = 0;

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
  byId("least").disabled = byId("most").disabled = !byId("score").value;
  const asked = query();
  history.replaceState(null, "", asked.size ? "?" + asked : location.pathname);
  byId("table").href = "/cases.csv?" + asked;
  asked.set("start", start);
  const found = await fetched("/cases", asked);
  if (turn !== latest) return; // a later filter was answered first
  if (start === 0) byId("cases").replaceChildren();
  for (const one of found.cases) byId("cases").append(row(one, () => whole(one)));
  listed = start + found.cases.length;
  const many = found.total.toLocaleString(document.documentElement.lang);
  byId("count").textContent = found.total === 1 ? words.one : words.more.replace("{n}", many);
  byId("more").hidden = listed >= found.total;
}

async function whole(one) {
  const link = element("a", words.link);
  link.href = "?" + new URLSearchParams({ probe: one.probe, text: one.case });
  byId("case-" + one.number).append(link);
  return fetched("/case", new URLSearchParams({ number: one.number }));
}

function told(error) {
  byId("count").textContent = (words.failed ?? "{why}").replace("{why}", () => visible(error.message));
}

async function begin() {
  const filters = await fetched("/filters", "");
  words = filters.words;
  for (const field of ["probe", "outcome", "group", "score"]) choices(field, filters[field]);
  const given = new URLSearchParams(location.search);
  for (const field of FIELDS) byId(field).value = given.get(field) ?? "";
  const again = () => list(0).catch(told);
  for (const field of FIELDS.slice(0, 4)) byId(field).addEventListener("change", again);
  for (const field of FIELDS.slice(4)) byId(field).addEventListener("input", later(again, 150));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("more").addEventListener("click", () => list(listed).catch(told));
  await list(0);
}

begin().catch(told);
