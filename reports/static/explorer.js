// The explorer of the report: it reads the sample that stands in the page, and asks nobody.

const FIRST = 10, MORE = 50;
let sample = { cases: [], words: {} };
let found = [];
let listed = 0;

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function matching() {
  const chosen = (field) => byId("find-" + field).value;
  const [axis, group] = chosen("group").split(/=(.*)/s);
  const score = chosen("score"), text = chosen("text").toLowerCase();
  const least = parseFloat(chosen("least")), most = parseFloat(chosen("most"));
  return sample.cases.filter((one) =>
    (!chosen("probe") || one.probe === chosen("probe")) &&
    (!chosen("outcome") || (chosen("outcome") === "unscored" ? one.outcome !== "scored" : one.outcome === chosen("outcome"))) &&
    (!axis || one.groups[axis] === group) &&
    (!score || (score in one.values && !(one.values[score] < least) && !(one.values[score] > most))) &&
    (!text || one.searched.includes(text)));
}

function show(many) {
  for (const one of found.slice(listed, listed + many)) {
    byId("found").append(row(one, async () => {
      const link = element("a", sample.words.link);
      link.href = "#case-" + one.number;
      byId("case-" + one.number).append(link);
      return one;
    }));
  }
  listed = Math.min(found.length, listed + many);
  byId("find-count").textContent = found.length === 1 ? sample.words.one : sample.words.more.replace("{n}", found.length);
  byId("find-more").hidden = listed >= found.length;
}

function list() {
  byId("find-least").disabled = byId("find-most").disabled = !byId("find-score").value;
  found = matching();
  listed = 0;
  byId("found").replaceChildren();
  show(FIRST);
}

// A link to a case shows it alone, opened.
function linked() {
  const number = /^#case-(\d+)$/.exec(location.hash)?.[1];
  if (number === undefined || !sample.cases[number]) return;
  found = [sample.cases[number]];
  listed = 0;
  byId("found").replaceChildren();
  show(1);
  byId("explorer").open = true;
  byId("case-" + number).open = true;
  byId("case-" + number).scrollIntoView();
}

async function explore() {
  sample = await unpacked(byId("sample").content.textContent);
  for (const [number, one] of sample.cases.entries()) {
    one.number = number;
    one.searched = [one.case, ...one.texts.flatMap((text) => [text.prompt, text.output])].join("\n").toLowerCase();
  }
  for (const field of ["probe", "outcome", "group", "score"]) choices("find-" + field, sample.words[field]);
  for (const field of byId("find").elements) field.addEventListener("input", later(list, 60));
  byId("find").addEventListener("submit", (event) => event.preventDefault());
  byId("find-more").addEventListener("click", () => show(MORE));
  addEventListener("hashchange", linked);
  byId("explorer").hidden = false;
  byId("unexplored").hidden = true;
  list();
  linked();
}

explore();
