// The data: every text is kept once, and a case holds the numbers of its texts.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (number) => (number === null || number === undefined ? "" : data.strings[number]);

const NUMBERS = new Set(["seconds", "cpu_seconds", "peak_rss_bytes", "attempt", "environment", "origin"]);
const KEPT = new Set(["stages", "metrics", "failure", "expected", "disagrees", "reused", "weak", "lapsed", "changed"]);

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
