// Order: only what matches is ranked, best first by the number's own direction; "-" turns it
// round. What is not ranked stands behind, whichever way it goes, and says so.

const sortKey = () => state.sort.replace(/^-/, "");
const isReversed = () => state.sort.startsWith("-");
const isGrouped = () => sortKey() === "";

const SEVERITY = new Map(data.statuses.map((s, i) => [s, i]));
const inOrder = (a, b) => a.index - b.index;
const byStatus = (a, b) => (SEVERITY.get(a.status) ?? 99) - (SEVERITY.get(b.status) ?? 99)
  || a.weak.length - b.weak.length || natural.compare(a.label, b.label) || natural.compare(a.blocker, b.blocker);
const ofNumbers = (better) => (x, y) => (x === y ? 0 : (x < y) === (better === "lower") ? -1 : 1);

// A column is sorted by what its cells show: their status, or the number they are coloured by.
const sortedColumn = (key) => {
  const [, technique, variant] = /^(?:status|value):(.*):([^:]*)$/.exec(key) ?? [];
  return columns.find((c) => c.technique === technique && c.variant === variant) ?? null;
};

// -> { key(row), compare(key, key), said(key), head, better }: a key is null where the row has no
// place.
const ranking = () => {
  const key = sortKey();
  const { matching } = filtered;
  if (quantities.has(key)) {
    const quantity = quantities.get(key);
    const out = standing(quantity, matching);
    // The end that is asked for stands for the row: its best value, or its worst.
    const pick = isReversed() ? worst : best;
    return {
      key: (row) => {
        const found = row.cells.filter((c) => !c.dim && !out(c.case)).map((c) => quantity.value(c.case)).filter((v) => v !== null);
        return found.length ? pick(quantity, found) : null;
      },
      compare: ofNumbers(quantity.better),
      said: (value) => written(key, value),
      head: table.querySelector("th.corner"),
      better: quantity.better,
    };
  }
  const column = sortedColumn(key);
  if (!column) return null;
  const find = (row) => row.cells.find((c) => c.column === column && !c.dim)?.case ?? null;
  const quantity = /^value:/.test(key) || shownQuantity() ? shownQuantity() : null;
  if (!quantity) return { key: find, compare: byStatus, said: () => "", head: column.head, better: "lower" };
  // A column of one run is an order of its own, whatever the others are of.
  const out = standing(quantity, rows.map(find).filter(Boolean));
  return {
    key: (row) => {
      const c = find(row);
      return c && !out(c) ? quantity.value(c) : null;
    },
    compare: ofNumbers(quantity.better),
    said: () => "",
    head: column.head,
    better: quantity.better,
  };
};

let unranked = 0;
const applySort = () => {
  const ranked = ranking();
  const turn = isReversed() ? -1 : 1;
  const byName = sortKey() === "name";
  const keys = new Map(rows.map((row) => [row, ranked ? ranked.key(row) : row.index]));
  const known = rows.filter((row) => keys.get(row) !== null);
  const others = rows.filter((row) => keys.get(row) === null);
  known.sort((a, b) => {
    if (byName) return turn * natural.compare(a.name, b.name) || inOrder(a, b);
    if (ranked) return turn * ranked.compare(keys.get(a), keys.get(b)) || inOrder(a, b);
    return turn * inOrder(a, b);
  });
  const sorted = [...known, ...others];
  for (const row of rows) {
    const text = !ranked ? "" : keys.get(row) === null ? "not ranked" : ranked.said(keys.get(row));
    if (row.key.textContent !== text) row.key.textContent = text;
  }
  unranked = others.filter((row) => !row.hidden).length;
  const head = ranked?.head ?? (byName ? table.querySelector("th.corner") : null);
  place(sorted);
  for (const one of table.querySelectorAll("thead th[aria-sort]")) {
    const up = !ranked || ranked.better === "lower";
    one.setAttribute("aria-sort", one !== head ? "none" : up === (turn > 0) ? "ascending" : "descending");
  }
};

// Nodes move only where the order differs from what is there.
const place = (sorted) => {
  if (isGrouped()) {
    table.append(...(isReversed() ? [...families].reverse() : families).map((f) => f.body), flatBody);
    const of = new Map(families.map((f) => [f, []]));
    for (const row of sorted) of.get(row.family).push(row.node);
    for (const [family, nodes] of of) put(family.body, nodes, 1);
  } else {
    put(flatBody, sorted.map((r) => r.node), 0);
  }
};
const put = (body, nodes, from) => {
  const there = [...body.rows].slice(from);
  if (there.length !== nodes.length || there.some((node, i) => node !== nodes[i])) body.append(...nodes);
};
