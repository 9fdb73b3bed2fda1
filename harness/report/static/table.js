// The table the server wrote, seen anew: filtered, folded, sorted, recoloured.

const table = document.getElementById("matrix");
const cells = [...table.querySelectorAll("td[data-i]")].map((node) => ({
  node, case: cases[Number(node.dataset.i)], text: node.querySelector("span"), words: node.querySelector("span").textContent,
}));
const columns = [...table.querySelectorAll("thead th[data-col]")].map((head) => ({
  head,
  technique: head.dataset.technique,
  variant: head.dataset.variant,
  nodes: [...table.querySelectorAll(`[data-col="${head.dataset.col}"]`)],
}));
const families = [...table.tBodies].map((body) => ({
  body, name: body.dataset.family, head: body.rows[0], button: body.querySelector("button"),
}));
const cellOf = new Map(cells.map((c) => [c.node, c]));
const cellByCase = new Map(cells.map((c) => [c.case.case, c]));
const rows = [...table.querySelectorAll("tr.app")].map((node, index) => ({
  node,
  index,
  family: families.find((f) => f.body === node.parentNode),
  name: node.cells[0].textContent,
  cells: [...node.querySelectorAll("td[data-i]")].map((td) => cellOf.get(td)),
}));
const flatBody = table.appendChild(make("tbody", { class: "flat" }));

for (const { node, case: c } of cells) {
  const said = [describe([c.status, c.stage, c.label])];
  if (c.blocker) said.push(`${c.blocker_kind || "blocker"} ${c.blocker}`);
  if (c.expectation && c.expectation !== "expected") said.push(c.expectation);
  if (c.reused) said.push("reused");
  node.setAttribute("aria-label", said.join(", "));
}

// Filter ---------------------------------------------------------------------

const variants = [...new Set(columns.map((c) => c.variant))];
const shownVariant = () => {
  if (variants.length < 2 || state.variant === "all") return null;
  return variants.includes(state.variant) ? state.variant : variants[0];
};

const closedFamilies = () => new Set(state.closed.split(",").filter(Boolean));

const applyFilter = () => {
  const { matches, problems } = parseFilter(state.q);
  const variant = shownVariant();
  const matching = new Set(cells.filter((c) => (!variant || c.case.variant === variant) && matches(c.case)));
  const keep = new Set([...matching].map((c) => c.node.dataset.col));
  // With nothing left, the headers stay: they say what the table is.
  let live = 0;
  for (const { head, variant: v, nodes } of columns) {
    const hide = (variant !== null && v !== variant) || (keep.size > 0 && !keep.has(head.dataset.col));
    for (const node of nodes) node.hidden = hide;
    live += !hide;
  }
  table.style.setProperty("--n", String(live));
  for (const cell of cells) cell.node.classList.toggle("dim", !matching.has(cell));
  const closed = closedFamilies();
  const grouped = isGrouped();
  let shown = 0;
  const alive = new Map();
  for (const row of rows) {
    const some = row.cells.some((c) => matching.has(c));
    if (some) alive.set(row.family, (alive.get(row.family) ?? 0) + 1);
    shown += some;
    row.node.hidden = !some || (grouped && closed.has(row.family.name));
  }
  for (const family of families) {
    family.head.hidden = !grouped || !alive.has(family);
    family.body.hidden = !grouped;
    family.button.setAttribute("aria-expanded", String(!closed.has(family.name)));
  }
  const all = variant ? cells.filter((c) => c.case.variant === variant).length : cells.length;
  const output = document.getElementById("count");
  output.classList.toggle("problem", problems.length > 0);
  if (problems.length) output.replaceChildren(problems.join("; "));
  else if (matching.size === all) output.replaceChildren(`${all} cases`);
  else output.replaceChildren(`${matching.size} of ${all}`, make("span", {}, ` cases, ${shown} of ${rows.length} applications`));
  document.getElementById("empty").hidden = matching.size > 0;
  return matching;
};

// Sort -----------------------------------------------------------------------

const SEVERITY = new Map([...data.statuses].map((s, i) => [s, i]));
const sortKey = () => state.sort.replace(/^-/, "");
const isGrouped = () => sortKey() === "";

const bestFirst = (c) => [SEVERITY.get(c.status) ?? 99, c.label, c.blocker];
const comparators = {
  "": (a, b) => a.index - b.index,
  name: (a, b) => natural.compare(a.name, b.name) || a.index - b.index,
};

const byColumn = (technique, variant) => {
  const find = (row) => row.cells.find((c) => c.case.technique === technique && c.case.variant === variant)?.case;
  return (a, b) => {
    const [x, y] = [find(a), find(b)];
    if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1) || a.index - b.index;
    const [p, q] = [bestFirst(x), bestFirst(y)];
    return p[0] - q[0] || natural.compare(p[1], q[1]) || natural.compare(p[2], q[2]) || a.index - b.index;
  };
};
// Times add up along a row; of anything else its largest value stands for the row.
const byQuantity = (name) => {
  const value = quantities.get(name);
  const variant = shownVariant();
  const total = new Map(rows.map((row) => {
    const found = row.cells.filter((c) => !variant || c.case.variant === variant)
      .map((c) => value(c.case)).filter((v) => v !== null);
    if (!found.length) return [row, -Infinity];
    return [row, name.endsWith("seconds") ? found.reduce((x, y) => x + y, 0) : Math.max(...found)];
  }));
  return (a, b) => {
    const [x, y] = [total.get(a), total.get(b)];
    return x === y ? a.index - b.index : y > x ? 1 : -1;
  };
};
const comparator = (key) => {
  if (Object.hasOwn(comparators, key)) return comparators[key];
  if (quantities.has(key)) return byQuantity(key);
  const [, technique, variant] = /^status:(.*):([^:]*)$/.exec(key) ?? [];
  return columns.some((c) => c.technique === technique && c.variant === variant)
    ? byColumn(technique, variant) : comparators[""];
};

const applySort = () => {
  const key = sortKey();
  const reverse = state.sort.startsWith("-");
  const compare = comparator(key);
  const sorted = [...rows].sort((a, b) => (reverse ? compare(b, a) : compare(a, b)));
  if (isGrouped()) {
    const order = reverse ? [...families].reverse() : families;
    table.append(...order.map((f) => f.body), flatBody);
    for (const row of sorted) row.family.body.append(row.node);
  } else {
    flatBody.append(...sorted.map((r) => r.node));
  }
  for (const button of table.querySelectorAll("thead button")) {
    const active = button.dataset.sort === key;
    button.closest("th").setAttribute("aria-sort", active ? (reverse ? "descending" : "ascending") : "none");
  }
};

// Colour by a quantity --------------------------------------------------------

const applyView = () => {
  const name = quantities.has(state.view) ? state.view : "";
  const value = quantities.get(name);
  const variant = shownVariant();
  const legend = document.getElementById("legend");
  table.classList.toggle("metric", name !== "");
  for (const cell of cells) {
    const found = name ? value(cell.case) : null;
    cell.value = found;
    cell.text.textContent = name ? (found === null ? "" : written(name, found)) : cell.words;
    if (!name) cell.node.style.removeProperty("--t");
  }
  legend.replaceChildren();
  if (!name) return;
  const present = cells.filter((c) => c.value !== null && (!variant || c.case.variant === variant));
  const numbers = present.map((c) => c.value);
  const low = Math.min(...numbers);
  const high = Math.max(...numbers);
  // Sizes and times span decades: on a linear scale one giant would leave the rest pale.
  const bend = low > 0 && high / low > 30 ? Math.log : (v) => v;
  for (const cell of cells) {
    if (cell.value === null || high === low) cell.node.style.setProperty("--t", "0");
    else cell.node.style.setProperty("--t", ((bend(cell.value) - bend(low)) / (bend(high) - bend(low))).toFixed(3));
    cell.node.classList.toggle("unknown", cell.value === null);
  }
  if (!numbers.length) return;
  legend.append(
    make("span", {}, written(name, low)), make("span", { class: "ramp", "aria-hidden": "true" }),
    make("span", {}, written(name, high)), bend === Math.log ? make("small", {}, "log scale") : "",
  );
};
