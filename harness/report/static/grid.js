// One stop of the Tab key for the whole grid; the arrow keys move within it.

const reveal = (node) => node.scrollIntoView({ block: "nearest", inline: "nearest" });

let current = null;
let wantedColumn = 0;

// What can be stood on: sort buttons, family buttons, cells with a case.
const stops = (row) => (row.classList.contains("family")
  ? [row.querySelector("button")]
  : [...row.querySelectorAll("td[data-i], thead button, th button")].filter((n) => !(n.closest("td, th")).hidden));
const liveRows = () => [...table.rows].filter((r) => !r.hidden && !r.parentNode.hidden && !r.classList.contains("groups"));
const columnOf = (node) => {
  const box = node.closest("td, th");
  return box.dataset.col === undefined ? 0 : Number(box.dataset.col) + 1;
};

const moveTo = (node, { focus = true } = {}) => {
  if (table.contains(node)) {
    if (current) current.tabIndex = -1;
    current = node;
    current.tabIndex = 0;
  }
  const cell = cellOf.get(node);
  if (cell) node.setAttribute("aria-label", `${cell.label ?? cell.said}${cell.dim ? ", outside the filter" : ""}`);
  if (focus) {
    node.focus({ preventScroll: true });
    reveal(node.closest("td, th") ?? node);
  }
};
const nearest = (row, column) => stops(row).reduce((best, node) =>
  (Math.abs(columnOf(node) - column) < Math.abs(columnOf(best) - column) ? node : best));

const keepStop = () => {
  const live = liveRows();
  const row = current?.closest("tr");
  // A header is only where the reader went; a filter that matched nothing leads there too.
  const chosen = row && (row.parentNode.nodeName !== "THEAD" || current === document.activeElement);
  if (chosen && live.includes(row) && stops(row).includes(current)) return;
  const first = live.find((r) => r.classList.contains("app")) ?? live[0];
  if (first) moveTo(stops(first).find((n) => cellOf.has(n)) ?? stops(first)[0], { focus: false });
};

const PAGE = 10;
const step = (event) => {
  const live = liveRows();
  const row = live.indexOf(current.closest("tr"));
  const here = stops(live[row]);
  const i = here.indexOf(current);
  const down = (n) => nearest(live[Math.max(0, Math.min(live.length - 1, row + n))], wantedColumn);
  const moves = {
    ArrowRight: () => here[i + 1],
    ArrowLeft: () => here[i - 1],
    ArrowDown: () => down(1),
    ArrowUp: () => down(-1),
    PageDown: () => down(PAGE),
    PageUp: () => down(-PAGE),
    Home: () => (event.ctrlKey ? stops(live[0])[0] : here[0]),
    End: () => (event.ctrlKey ? stops(live.at(-1)).at(-1) : here.at(-1)),
  };
  if (!Object.hasOwn(moves, event.key) || event.altKey || event.metaKey) return false;
  const to = moves[event.key]();
  if (!to) return true;
  moveTo(to);
  const vertical = /Arrow(Up|Down)|Page/.test(event.key);
  if (!vertical) wantedColumn = columnOf(to);
  return true;
};

const open = (node) => {
  openedFrom = node;
  moveTo(node, { focus: false });
  wantedColumn = columnOf(node);
  setState({ open: cellOf.get(node).case.case, app: "", compare: "" });
};

table.addEventListener("keydown", (event) => {
  if (!current || !table.contains(event.target)) return;
  if (step(event)) event.preventDefault();
  else if ((event.key === "Enter" || event.key === " ") && cellOf.has(event.target)) {
    event.preventDefault();
    open(event.target);
  }
});
table.addEventListener("focusin", (event) => {
  const node = event.target.closest("td[data-i], button");
  if (node && node !== current) {
    moveTo(node, { focus: false });
    wantedColumn = columnOf(node);
  }
});
table.addEventListener("click", (event) => {
  const cell = event.target.closest("td[data-i]");
  if (cell && !String(getSelection())) open(cell);
  const sort = event.target.closest("button[data-sort]");
  if (sort) {
    const key = sort.dataset.sort;
    setState({ sort: state.sort === key ? `-${key}` : state.sort === `-${key}` ? "" : key });
  }
  const name = event.target.closest("button.name");
  if (name) {
    openedFrom = name;
    setState({ app: name.dataset.app, open: "", compare: "" });
  }
  const family = event.target.closest("tr.family");
  if (family && !isFiltered()) {
    const folded = families.find((f) => f.head === family).name;
    const closed = closedFamilies();
    if (!closed.delete(folded)) closed.add(folded);
    setState({ closed: [...closed].join(",") });
  }
});
