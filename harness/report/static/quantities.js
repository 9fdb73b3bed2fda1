// Quantities: whatever is a number in at least one case, as the record's own, a metric of it,
// or a stage's time. What each is called and how it is written comes with the data.

// What JSON cannot hold comes as a text.
const INFINITE = new Map([["inf", Infinity], ["-inf", -Infinity], ["Infinity", Infinity], ["-Infinity", -Infinity]]);
const asNumber = (value) => {
  if (typeof value === "number") return value;
  const text = Array.isArray(value) ? at(value[0]) : "";
  return INFINITE.get(text) ?? null;
};
const OWN = new Set(["seconds", "cpu_seconds", "peak_rss_bytes"]);
const reader = (name) => {
  if (OWN.has(name)) return (c) => c[name];
  const i = data.metrics.indexOf(name);
  if (i >= 0) return (c) => asNumber(c.metrics[i]);
  const stage = name.replace(/_seconds$/, "");
  return (c) => c.stages.find((s) => at(s[0]) === stage)?.[2] ?? null;
};

// Whether a case says of itself that one of its numbers is not to be trusted.
const doubtful = ({ doubt }, c) => {
  const i = doubt ? data.metrics.indexOf(doubt) : -1;
  return i >= 0 && c.metrics[i] !== null;
};

const quantities = new Map();
for (const known of data.quantities) {
  const value = reader(known.name);
  if (cases.some((c) => value(c) !== null)) quantities.set(known.name, { ...known, value });
}
const quantityGroups = data.groups
  .map((group) => [group, [...quantities.values()].filter((q) => q.group === group)])
  .filter(([, found]) => found.length);

const DIRECTIONS = { higher: "higher is better", lower: "lower is better", neutral: "neither end is better" };

// Writing numbers -----------------------------------------------------------------

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
const share = (value) => {
  if (value === 0 || value === 1) return `${100 * value} %`;
  if (value < 0 || value > 1) return `${three(100 * value)} %`;
  const bound = value < 0.001 ? "<" : value > 0.999 ? ">" : "";
  return `${bound}${(100 * Math.min(Math.max(value, 0.001), 0.999)).toFixed(1)} %`;
};
const ratio = (value) => (Math.abs(value) >= 0.0995 ? value.toFixed(2) : three(value));
const milliseconds = (value) => {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const digits = 2 - Number(size.toExponential(2).split("e")[1]);
  return value.toFixed(size < 0.0995 ? Math.min(digits, 12) : size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
};
// How a number is written, and the unit that a cell leaves to the legend.
const FORMATS = {
  number: [count, ""],
  share: [share, ""],
  decibel: [(value) => value.toFixed(1), " dB"],
  steps: [three, " LSB"],
  size: [(value) => scaled(value, [[1e9, " GB"], [1e6, " MB"], [1e3, " kB"]]) ?? `${Math.round(value)} B`, ""],
  ratio: [ratio, "×"],
  milliseconds: [milliseconds, " ms"],
  time: [duration, ""],
};
const inCell = (name, value) => {
  if (Math.abs(value) === Infinity) return value < 0 ? "−∞" : "∞";
  return FORMATS[quantities.get(name).format][0](value);
};
const written = (name, value) => inCell(name, value) + FORMATS[quantities.get(name).format][1];

// Of the values that are there; null of none.
const median = (values) => {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
