// The table the server wrote, seen anew: filtered, folded, sorted, recoloured.

const table = document.getElementById("matrix");
const cells = [...table.querySelectorAll("td[data-i]")].map((node) => ({
  node, case: cases[Number(node.dataset.i)], text: node.querySelector("span"), words: node.querySelector("span").textContent,
}));
// How the table looks with more columns than so many.
const looks = Object.entries(JSON.parse(table.dataset.looks));
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

for (const cell of cells) {
  const { node, case: c } = cell;
  const said = [describe([c.status, c.stage, c.label])];
  if (c.blocker) said.push(`${c.blocker_kind || "blocker"} ${c.blocker}`);
  if (c.expectation && c.expectation !== "expected") said.push(c.expectation);
  if (c.reused) said.push("reused");
  else if (table.dataset.sampled) said.push("run here");
  cell.said = said.join(", ");
  node.setAttribute("aria-label", cell.said);
}

// Filter ---------------------------------------------------------------------

const variants = [...new Set(columns.map((c) => c.variant))];
// A filter that names variants has the say, not the switch.
const namesVariants = (word) => /^-?variant:./i.test(word);
const shownVariant = () => {
  if (variants.length < 2 || state.variant === "all" || words(state.q).some(namesVariants)) return null;
  return variants.includes(state.variant) ? state.variant : variants[0];
};

const closedFamilies = () => new Set(state.closed.split(",").filter(Boolean));

const applyFilter = () => {
  const { matches, problems } = parseFilter(state.q);
  const variant = shownVariant();
  const matching = new Set(cells.filter((c) => (!variant || c.case.variant === variant) && matches(c.case)));
  const keep = new Set([...matching].map((c) => c.node.dataset.col));
  // With nothing left, the headers stay: they say what the table is.
  let [live, failing] = [0, 0];
  for (const { head, variant: v, nodes } of columns) {
    const hide = (variant !== null && v !== variant) || (keep.size > 0 && !keep.has(head.dataset.col));
    for (const node of nodes) node.hidden = hide;
    live += !hide;
    failing += !hide && head.classList.contains("failing");
  }
  table.style.setProperty("--n", String(live));
  table.style.setProperty("--failing", String(failing));
  for (const [look, most] of looks) table.classList.toggle(look, live > most);
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

// A sort compares two rows; those it knows nothing of stay behind, whichever way it goes.
const inOrder = { compare: (a, b) => a.index - b.index };
const byName = { compare: (a, b) => natural.compare(a.name, b.name) || a.index - b.index };

const bestFirst = (c) => [SEVERITY.get(c.status) ?? 99, c.label, c.blocker];
const byStatus = (find) => ({
  absent: (row) => !find(row),
  compare: (a, b) => {
    const [p, q] = [bestFirst(find(a).case), bestFirst(find(b).case)];
    return p[0] - q[0] || natural.compare(p[1], q[1]) || natural.compare(p[2], q[2]) || a.index - b.index;
  },
});
const byNumber = (value, down) => ({
  absent: (row) => value(row) === null,
  compare: (a, b) => {
    const [x, y] = [value(a), value(b)];
    return x === y ? a.index - b.index : (x < y) === down ? 1 : -1;
  },
  down,
});
// Times add up along a row; of anything else its largest value stands for the row.
const byQuantity = ({ name, value }) => {
  const variant = shownVariant();
  const total = new Map(rows.map((row) => {
    const found = row.cells.filter((c) => !variant || c.case.variant === variant)
      .map((c) => value(c.case)).filter((v) => v !== null);
    if (!found.length) return [row, null];
    return [row, name.endsWith("seconds") ? found.reduce((x, y) => x + y, 0) : Math.max(...found)];
  }));
  return byNumber((row) => total.get(row), true);
};

// A column is sorted by what its cells show: their status, or the number they are coloured by.
const sortedColumn = (key) => {
  const [, kind, technique, variant] = /^(status|value):(.*):([^:]*)$/.exec(key) ?? [];
  const column = columns.find((c) => c.technique === technique && c.variant === variant);
  return column ? { kind, column } : null;
};
const byColumn = ({ kind, column }) => {
  const find = (row) => row.cells.find((c) => c.node.dataset.col === column.head.dataset.col);
  const quantity = shownQuantity();
  if (kind === "status" || !quantity) return byStatus(find);
  const of = new Map(rows.map((row) => {
    const cell = find(row);
    return [row, cell ? quantity.value(cell.case) : null];
  }));
  return byNumber((row) => of.get(row), quantity.better !== "lower");
};

const sortBy = (key) => {
  if (key === "") return inOrder;
  if (key === "name") return byName;
  if (quantities.has(key)) return byQuantity(quantities.get(key));
  const found = sortedColumn(key);
  return found ? byColumn(found) : inOrder;
};

const applySort = () => {
  const key = sortKey();
  const reverse = state.sort.startsWith("-");
  const { compare, absent = () => false, down = false } = sortBy(key);
  const [known, unknown] = [rows.filter((r) => !absent(r)), rows.filter(absent)];
  const sorted = [...known.sort((a, b) => (reverse ? compare(b, a) : compare(a, b))), ...unknown];
  if (isGrouped()) {
    const order = reverse ? [...families].reverse() : families;
    table.append(...order.map((f) => f.body), flatBody);
    for (const row of sorted) row.family.body.append(row.node);
  } else {
    flatBody.append(...sorted.map((r) => r.node));
  }
  const active = sortedColumn(key)?.column.head ?? (key === "name" ? table.querySelector(".corner") : null);
  for (const head of table.querySelectorAll("thead th")) {
    head.setAttribute("aria-sort", head !== active ? "none" : reverse !== down ? "descending" : "ascending");
  }
};
