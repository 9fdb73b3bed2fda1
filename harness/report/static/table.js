// The table the server wrote, seen anew: filtered and folded.

const table = byId("matrix");
const cells = [...table.querySelectorAll("td[data-i]")].map((node) => ({
  node, case: cases[Number(node.dataset.i)], text: node.querySelector("span"), words: node.querySelector("span").textContent,
}));
// How the table looks with more columns than so many.
const looks = Object.entries(JSON.parse(table.dataset.looks));
const columns = [...table.querySelectorAll("thead th[data-col]")].map((head) => ({
  head,
  technique: head.dataset.technique,
  variant: head.dataset.variant,
  group: head.dataset.group,
  nodes: [...table.querySelectorAll(`[data-col="${head.dataset.col}"]`)],
  count: head.querySelector(".of"),
  meter: head.querySelector(".meter"),
  hidden: false,
}));
const columnAt = new Map(columns.map((c) => [c.head.dataset.col, c]));
const groupHeads = [...table.querySelectorAll("thead th[data-group]:not([data-col])")];
const families = [...table.tBodies].map((body) => ({
  body, name: body.dataset.family, head: body.rows[0], button: body.querySelector("button"), size: body.querySelector("small"),
  sums: new Map([...body.rows[0].querySelectorAll("td")].map((td) => [columnAt.get(td.dataset.col), td])),
}));
const cellOf = new Map(cells.map((c) => [c.node, c]));
const cellByCase = new Map(cells.map((c) => [c.case.case, c]));
const rows = [...table.querySelectorAll("tr.app")].map((node, index) => ({
  node,
  index,
  head: node.cells[0],
  key: node.cells[0].appendChild(make("small", { class: "key" })),
  family: families.find((f) => f.body === node.parentNode),
  name: node.cells[0].firstChild.data,
  cells: [...node.querySelectorAll("td[data-i]")].map((td) => cellOf.get(td)),
  hidden: false,
}));
for (const row of rows) {
  for (const cell of row.cells) Object.assign(cell, { row, column: columnAt.get(cell.node.dataset.col), dim: false });
}
const rowByName = new Map(rows.map((row) => [row.name, row]));
const flatBody = table.appendChild(make("tbody", { class: "flat" }));
// A row's name opens its application.
for (const row of rows) {
  row.button = make("button", { type: "button", class: "name", tabindex: "-1", "data-app": row.name }, row.name);
  row.head.firstChild.replaceWith(row.button);
}

for (const cell of cells) {
  const { node, case: c } = cell;
  const said = [describe([c.status, c.stage, c.label])];
  if (c.weak.length) said[0] += ", weak";
  if (c.blocker) said.push(`${c.blocker_kind || "blocker"} ${c.blocker}`);
  if (c.expectation && c.expectation !== "expected") said.push(c.expectation);
  if (node.querySelector("i")) said.push({ "●": "run here", "≠": "lapsed" }[node.querySelector("i").textContent] ?? "reused");
  cell.said = said.join(", ");
  node.setAttribute("aria-label", cell.said);
  if (node.title) [node.dataset.says] = [node.title, node.removeAttribute("title")];
}

// Filter ---------------------------------------------------------------------

const variants = data.variants;
const closedFamilies = () => new Set(state.closed.split(",").filter(Boolean));

// What the reader sees: the cases that match, and what the filter says of itself.
let filtered = { tokens: [], problems: [], all: [], matching: new Set(), text: null };
const readFilter = () => {
  const { tokens, problems, matches, all } = parseFilter(state.q);
  filtered = { tokens, problems, all, matching: new Set(cases.filter(matches)), text: state.q, variant: variantOf(tokens) };
};
// Whether a reader has asked for anything but a variant.
const isFiltered = () => filtered.tokens.some((token) => token.test && !namesVariant(token));

const hideColumns = () => {
  const keep = new Set(cells.filter((c) => filtered.matching.has(c.case)).map((c) => c.column));
  const shown = filtered.variant;
  let [live, failing] = [0, 0];
  const groups = new Map();
  for (const column of columns) {
    // With nothing left, the headers stay: they say what the table is.
    const hide = keep.size > 0 ? !keep.has(column) : shown !== "*" && column.variant !== shown;
    if (hide !== column.hidden) for (const node of column.nodes) node.hidden = hide;
    column.hidden = hide;
    if (hide) continue;
    live += 1;
    failing += column.head.classList.contains("failing");
    groups.set(column.group, (groups.get(column.group) ?? 0) + 1);
  }
  for (const head of groupHeads) {
    const count = groups.get(head.dataset.group) ?? 0;
    head.hidden = count === 0;
    head.colSpan = Math.max(1, count);
  }
  table.style.setProperty("--n", String(live));
  table.style.setProperty("--failing", String(failing));
  for (const [look, most] of looks) table.classList.toggle(look, live > most);
};

// Passes and cases of what matches, in heads and families.
const countCells = () => {
  const tally = new Map();
  const add = (key, inner, passed) => {
    if (!tally.has(key)) tally.set(key, new Map());
    const found = tally.get(key);
    const [p, n] = found.get(inner) ?? [0, 0];
    found.set(inner, [p + passed, n + 1]);
  };
  for (const cell of cells) {
    if (cell.dim) continue;
    const passed = Number(cell.case.status === "pass");
    add(null, cell.column, passed);
    add(cell.row.family, cell.column, passed);
  }
  for (const column of columns) {
    if (column.hidden) continue;
    const [p, n] = tally.get(null)?.get(column) ?? [0, 0];
    column.count.firstChild.textContent = String(p);
    column.count.lastChild.textContent = `/${n}`;
    column.meter.style.setProperty("--w", String(n ? p / n : 0));
  }
  for (const family of families) {
    for (const [column, td] of family.sums) {
      if (column.hidden) continue;
      const [p, n] = tally.get(family)?.get(column) ?? [0, 0];
      const span = td.querySelector("span:not(.median)") ?? td.appendChild(make("span"));
      const text = n ? `${p}/${n}` : "";
      if (span.textContent !== text) span.textContent = text;
      span.classList.toggle("full", n > 0 && p === n);
    }
  }
};

const applyFilter = () => {
  const { matching } = filtered;
  hideColumns();
  const closed = closedFamilies();
  const grouped = isGrouped();
  // A fold does not hide what the reader asks for.
  const folds = grouped && !isFiltered();
  const alive = new Map();
  for (const row of rows) {
    let some = false;
    for (const cell of row.cells) {
      const dim = !matching.has(cell.case);
      if (dim !== cell.dim) cell.node.classList.toggle("dim", dim);
      cell.dim = dim;
      some ||= !dim;
    }
    if (some) alive.set(row.family, (alive.get(row.family) ?? 0) + 1);
    const hide = !some || (folds && closed.has(row.family.name));
    if (hide !== row.hidden) row.node.hidden = hide;
    row.hidden = hide;
  }
  for (const family of families) {
    const count = alive.get(family) ?? 0;
    family.head.hidden = !grouped || !count;
    family.body.hidden = !grouped || !count;
    family.size.textContent = String(count);
    family.button.setAttribute("aria-expanded", String(!(folds && closed.has(family.name))));
  }
  countCells();
};
