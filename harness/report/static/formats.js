// Writing numbers for a reader, and reading what a reader writes. What a format is called comes
// with the data; `harness/report/text.py` writes the same.

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
// Units that a reader may write behind a number, by format: what each is worth.
const MANY = { k: 1e3, m: 1e6, g: 1e9 };
const UNITS = {
  number: { ...MANY, "%": 0.01 },
  share: { "%": 0.01 },
  decibel: { db: 1 },
  steps: { lsb: 1 },
  size: { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, ...MANY },
  ratio: { x: 1, "×": 1, "%": 0.01 },
  milliseconds: { ms: 1, s: 1e3, us: 1e-3, "µs": 1e-3 },
  time: { s: 1, ms: 1e-3, min: 60, h: 3600 },
};
const UNIT_WORDS = new Set(Object.values(UNITS).flatMap((units) => Object.keys(units)));

// Of the values that are there; null of none.
const median = (values) => {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
