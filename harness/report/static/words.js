// The data: every text is kept once, and a case holds the numbers of its texts.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (number) => (number === null || number === undefined ? "" : data.strings[number]);

const NUMBERS = new Set(["seconds", "cpu_seconds", "peak_rss_bytes", "attempt", "environment"]);
const KEPT = new Set(["stages", "metrics", "failure", "expected", "reused"]);

const cases = data.cases.map((row, index) => {
  const found = { index };
  data.fields.forEach((name, i) => {
    found[name] = NUMBERS.has(name) || KEPT.has(name) ? row[i] : at(row[i]);
  });
  found.repro = found.repro.replace("{case}", () => found.case);
  return found;
});
const caseByName = new Map(cases.map((c) => [c.case, c]));

const stageNames = [...new Set(cases.flatMap((c) => c.stages.map((s) => at(s[0]))))];

// Quantities: whatever is a number in at least one case. Later metrics join by themselves.
const quantities = new Map();
for (const name of ["seconds", "cpu_seconds", "peak_rss_bytes"]) {
  quantities.set(name, (c) => c[name]);
}
data.metrics.forEach((name, i) => {
  if (cases.some((c) => typeof c.metrics[i] === "number")) {
    quantities.set(name, (c) => (typeof c.metrics[i] === "number" ? c.metrics[i] : null));
  }
});
for (const stage of stageNames) {
  const name = `${stage}_seconds`;
  if (quantities.has(name)) continue;
  quantities.set(name, (c) => {
    const found = c.stages.find((s) => at(s[0]) === stage);
    return found ? found[2] : null;
  });
}
for (const [name, value] of [...quantities]) {
  if (!cases.some((c) => value(c) !== null)) quantities.delete(name);
}

const spoken = (name) => name.replace(/^peak_rss_bytes$/, "peak memory").replace(/_bytes$/, " size")
  .replace(/^cpu_seconds$/, "CPU time").replace(/^seconds$/, "time").replace(/_seconds$/, " time")
  .replaceAll("_", " ");

const three = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 12, useGrouping: false });
const scaled = (value, steps) => {
  for (const [bound, suffix] of steps) {
    if (Math.abs(value) >= bound) return `${three(value / bound)}${suffix}`;
  }
  return null;
};
const count = (value) => (Math.abs(value) < 1e4 ? null : scaled(value, [[1e9, " G"], [1e6, " M"], [1e3, " k"]]))
  ?? (value && Math.abs(value) < 1e-3 ? value.toExponential(1) : `${Number(value.toPrecision(4))}`);
const duration = (value) => {
  if (value < 9.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
};
const WRITERS = {
  time: duration,
  size: (value) => scaled(value, [[1e9, " GB"], [1e6, " MB"], [1e3, " kB"]]) ?? `${value} B`,
  share: (value) => `${three(100 * value)} %`,
  decibel: (value) => `${value.toFixed(1)} dB`,
  number: count,
};
const written = (name, value) => {
  if (typeof value !== "number") return String(value);
  return WRITERS[data.units[name] ?? (name.endsWith("_seconds") ? "time" : "number")](value);
};

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
