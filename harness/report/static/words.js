// The data: every text is kept once, and a case holds the numbers of its texts.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (number) => (number === null || number === undefined ? "" : data.strings[number]);

const NUMBERS = new Set(["seconds", "cpu_seconds", "peak_rss_bytes", "attempt", "environment"]);
const KEPT = new Set(["stages", "metrics", "failure", "expected", "disagrees", "reused"]);

const cases = data.cases.map((row, index) => {
  const found = { index };
  data.fields.forEach((name, i) => {
    found[name] = NUMBERS.has(name) || KEPT.has(name) ? row[i] : at(row[i]);
  });
  found.repro = found.repro.replace("{case}", () => found.case);
  return found;
});
const caseByName = new Map(cases.map((c) => [c.case, c]));

const moment = (iso) => iso.replace(/^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d).*?(Z|\+00:00)?$/, (_, day, time, utc) => `${day} ${time}${utc ? " UTC" : ""}`);

const natural = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const describe = ([status, stage, label]) => {
  if (status === "pass" || !status) return status || "absent";
  return `${status}${stage ? ` in ${stage}` : ""}${label ? `: ${label}` : ""}`;
};

const make = (name, options = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    else if (key === "style") for (const [p, v] of Object.entries(value)) made.style.setProperty(p, v);
    else made.setAttribute(key, value === true ? "" : value);
  }
  // Strings become text nodes: nothing that comes from a record is ever parsed as HTML.
  made.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ""));
  return made;
};

// Between backticks is code.
const prose = (text) => {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, i) => (i % 2 ? make("code", {}, part) : part)) : text;
};
