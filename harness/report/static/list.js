// The list: one row a case, the numbers that are asked for as columns, and what is shown as a file.

const listView = byId("list");
// What a cell of the list holds beside numbers.
const FIELDS = ["technique", "variant", "status", "label", "family", "stage", "blocker", "expectation"];
const USUAL = ["technique", "status", "label", "file_bytes", "latency_ratio", "latency_ms", "top1_agreement", "sqnr_float_db", "int8_macs"];
const SHOWN_ROWS = 200;

const listColumns = () => {
  const asked = state.cols ? state.cols.split(",") : USUAL;
  const known = asked.filter((name) => FIELDS.includes(name) || quantities.has(name));
  return [...new Set(known)].filter((name) => state.cols || FIELDS.includes(name) || cases.some((c) => quantities.get(name).value(c) !== null));
};
const titleOf = (name) => quantities.get(name)?.title ?? name;
const textOf = (c, name) => (name === "status" && c.weak.length ? "pass, weak" : TEXTS[name](c));

// Ranked ones first, in their order; the others behind, each with why.
const listed = () => {
  const key = sortKey();
  const turn = isReversed() ? -1 : 1;
  const quantity = quantities.get(key);
  const out = quantity ? standing(quantity, filtered.matching) : () => "";
  const value = quantity ? (c) => (out(c) ? null : quantity.value(c)) : () => 0;
  const text = FIELDS.includes(key) && key !== "status" ? (a, b) => (TEXTS[key](a) === "") - (TEXTS[key](b) === "") || natural.compare(TEXTS[key](a), TEXTS[key](b))
    : key === "status" || /^(status|value):/.test(key) ? byStatus
      : key === "name" ? (a, b) => natural.compare(a.application, b.application) : () => 0;
  const compare = quantity ? (a, b) => ofNumbers(quantity.better)(value(a), value(b)) : text;
  const found = [...filtered.matching];
  const known = found.filter((c) => value(c) !== null);
  known.sort((a, b) => turn * compare(a, b) || a.index - b.index);
  return { ranked: known, others: found.filter((c) => value(c) === null), out, quantity };
};

const sortHead = (name, title, numeric) => {
  const active = sortKey() === name;
  const up = !numeric || quantities.get(name).better === "lower";
  const sort = active ? (up === !isReversed() ? "ascending" : "descending") : "none";
  return make("th", { scope: "col", class: numeric ? "n" : null, "aria-sort": sort },
    make("button", { type: "button", "data-list-sort": name, "data-says": quantities.get(name)?.says || null }, title));
};
const numberCell = (c, name, outs) => {
  const quantity = quantities.get(name);
  const value = quantity.value(c);
  if (value === null) return make("td", { class: "n none" }, make("span", { class: "hidden" }, "no value"));
  const why = outs.get(name)(c);
  const noisy = doubtful(quantity, c);
  return make("td", { class: why ? "n apart" : "n", "data-says": why || (noisy ? "noisy" : null) },
    `${noisy ? "~" : ""}${written(name, value)}`, why ? make("span", { class: "hidden" }, `, ${why}`) : "");
};
const listRow = (c, names, outs) => make("tr", {},
  make("th", { scope: "row" }, make("a", { href: addressOf({ open: c.case, app: "" }) }, c.application)),
  names.map((name) => (quantities.has(name) ? numberCell(c, name, outs)
    : make("td", {}, name === "status"
      ? make("span", { class: `tag s-${c.status}${c.weak.length ? " weak" : ""}` }, make("b", { "aria-hidden": "true" }, c.weak.length ? data.weak_glyph : data.glyphs[c.status] ?? "?"), ` ${textOf(c, name)}`)
      : textOf(c, name)))));

// Files of what is shown ------------------------------------------------------------

const rowsOfFile = () => {
  const { ranked, others } = listed();
  const names = listColumns();
  const read = (c, name) => (quantities.has(name) ? quantities.get(name).value(c) : TEXTS[name](c));
  return [...ranked, ...others].map((c) => Object.fromEntries([["case", c.case], ["application", c.application], ...names.map((n) => [n, read(c, n)])]));
};
// A text that a spreadsheet would take for a formula is kept from it.
const csvCell = (value) => {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^\s*[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
const asCsv = () => {
  const heads = ["case", "application", ...listColumns()];
  return [heads, ...rowsOfFile().map((row) => heads.map((h) => row[h]))].map((line) => `${line.map(csvCell).join(",")}\n`).join("");
};
const asJson = () => `${JSON.stringify({ filter: state.q, sort: state.sort, columns: listColumns(),
  cases: rowsOfFile() }, (_, v) => (v === Infinity ? "inf" : v === -Infinity ? "-inf" : v), 1)}\n`;

// Choosing columns --------------------------------------------------------------------

const chooser = make("details", { class: "chooser" }, make("summary", {}, "columns"));
const fillChooser = () => {
  const choice = (name) => make("label", {}, make("input", { type: "checkbox", value: name }), ` ${titleOf(name)}`);
  const part = (title, names) => make("fieldset", {}, make("legend", {}, title), names.map(choice));
  chooser.append(part("Case", FIELDS), ...quantityGroups.map(([group, found]) => part(group, found.map((q) => q.name))));
  chooser.addEventListener("change", (event) => {
    const names = listColumns().filter((name) => name !== event.target.value);
    if (event.target.checked) names.push(event.target.value);
    setState({ cols: names.join(",") === USUAL.join(",") ? "" : names.join(",") || "technique" });
  });
};

let shownRows = SHOWN_ROWS;
const listHead = make("div", { class: "list-head" });
const listTable = make("table", { class: "plain cases" });
const drawList = () => {
  const names = listColumns();
  const { ranked, others } = listed();
  const all = ranked.length + others.length;
  const outs = new Map(names.filter((n) => quantities.has(n)).map((n) => [n, standing(quantities.get(n), filtered.matching)]));
  if (!listHead.firstChild) {
    fillChooser();
    listHead.append(make("h2", { id: "list-title" }, "Cases"), chooser,
      make("button", { type: "button", class: "plainly", id: "csv", on: { click: () => download("cases.csv", "text/csv", asCsv()) } }),
      make("button", { type: "button", class: "plainly", id: "json", on: { click: () => download("cases.json", "application/json", asJson()) } }));
    listView.append(listHead, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of cases" }, listTable),
      make("button", { type: "button", class: "plainly", id: "more", on: { click: () => { shownRows = Infinity; drawList(); } } }));
  }
  byId("csv").textContent = `CSV, ${all} ${all === 1 ? "row" : "rows"}`;
  byId("json").textContent = "JSON";
  for (const box of chooser.querySelectorAll("input")) box.checked = names.includes(box.value);
  const visible = [...ranked, ...others].slice(0, shownRows);
  const place = Math.min(ranked.length, visible.length);
  const body = visible.map((c) => listRow(c, names, outs));
  if (others.length && place < visible.length && sortKey()) {
    body.splice(place, 0, make("tr", { class: "behind" }, make("td", { colspan: String(names.length + 1) }, `${others.length} not ranked: no value, or one that cannot be compared`)));
  }
  listTable.replaceChildren(
    make("thead", {}, make("tr", {}, sortHead("name", "application", false), names.map((n) => sortHead(n, titleOf(n), quantities.has(n))))),
    make("tbody", {}, body));
  byId("more").hidden = visible.length >= all;
  byId("more").textContent = `show all ${all}`;
};
listView.addEventListener("click", (event) => {
  const name = event.target.closest("button[data-list-sort]")?.dataset.listSort;
  if (name) setState({ sort: state.sort === name ? `-${name}` : state.sort === `-${name}` ? "" : name });
});
