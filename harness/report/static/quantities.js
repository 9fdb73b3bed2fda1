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

const inCell = (name, value) => {
  if (Math.abs(value) === Infinity) return value < 0 ? "−∞" : "∞";
  return FORMATS[quantities.get(name).format][0](value);
};
const written = (name, value) => inCell(name, value) + (FORMATS[quantities.get(name).format][1]);

// What may stand on one scale -----------------------------------------------------

// Times of other runs and machines do not, nor a ratio whose parts were not timed in turns.
const ELSEWHERE = "of another run or machine";
const ALONE = "not timed in turns with the float file";
const measuredSo = ({ needs }, c) => {
  if (!needs) return true;
  const i = data.metrics.indexOf(needs);
  return i >= 0 && c.metrics[i] !== null;
};

// -> (case) => why its value does not stand with the others, or "". Of several origins that one
// counts which most of the cases have; of equals the one that comes first.
const standing = (quantity, among) => {
  const counts = new Map();
  if (quantity.within === "run") {
    for (const c of among) {
      if (quantity.value(c) !== null) counts.set(c.origin, (counts.get(c.origin) ?? 0) + 1);
    }
  }
  const most = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]?.[0];
  return (c) => {
    if (!measuredSo(quantity, c)) return ALONE;
    return most !== undefined && c.origin !== most ? ELSEWHERE : "";
  };
};

// Best first: of two values, whether the first one comes first. Where neither end is better, the
// larger one does.
const best = ({ better }, values) => (better === "lower" ? Math.min(...values) : Math.max(...values));
const worst = ({ better }, values) => (better === "lower" ? Math.max(...values) : Math.min(...values));
