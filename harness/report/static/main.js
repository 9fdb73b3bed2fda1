// Wiring: controls change the state, and the state alone decides what is shown.

const root = document.documentElement;

const option = (value, text) => make("option", { value }, text);
for (const select of ["view", "sort"]) {
  byId(select).append(...quantityGroups.map(([group, found]) =>
    make("optgroup", { label: group }, found.map((q) => option(q.name, q.title)))));
}
// The numbers of a column can be sorted by only where they are shown.
const valueSorts = make("optgroup", { label: "Number, in the column" });
const statusSorts = make("optgroup", { label: "Status, in the column" });
for (const { technique, variant } of columns) {
  const said = variants.length > 1 ? `${technique}, ${variant}` : technique;
  valueSorts.append(option(`value:${technique}:${variant}`, `number of ${said}`));
  statusSorts.append(option(`status:${technique}:${variant}`, `status of ${said}`));
}
byId("sort").append(valueSorts, statusSorts, make("optgroup", { label: "Text, in the list" }, FIELDS.map((name) => option(name, name))));

// The address is taken by the state, so this link moves the focus instead.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  if (table.hidden) byId(state.show)?.querySelector("button, select, a")?.focus();
  else moveTo(current);
});

for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (e) => e.preventDefault());
byId("view").addEventListener("change", (e) => setState({ view: e.target.value }));
byId("sort").addEventListener("change", (e) => setState({ sort: e.target.value }));
byId("reverse").addEventListener("click", () => {
  setState({ sort: isReversed() ? sortKey() : `-${state.sort}` });
});
byId("show").addEventListener("change", (e) => setState({ show: e.target.value }));
byId("variant")?.addEventListener("change", (e) => setState({ q: withVariant(state.q, e.target.value) }));
byId("fold").addEventListener("click", () => {
  setState({ closed: state.closed ? "" : families.map((f) => f.name).join(",") });
});
byId("theme").addEventListener("click", () => setState({ theme: nextTheme(state.theme) }, { push: false }));

// Keys that work anywhere ----------------------------------------------------------

const editable = (node) => node.matches?.("input:not([type=checkbox], [type=radio]), select, textarea");
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !editable(event.target) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    filterBox.focus();
    filterBox.select();
  } else if (event.key === "Escape") {
    if (!tokens.hidden) {
      showTokens(false);
      byId("help").focus();
    } else if (dismissTip() && !state.open && !state.app) {
      return;
    } else if (state.open || state.app) {
      setState({ open: "", app: "", compare: "" });
    }
  }
});

// Showing the state -------------------------------------------------------------------

const SHOWN = { "": table, list: listView, plot: plotView };
const applyControls = () => {
  if (filterBox.value !== state.q && !(document.activeElement === filterBox && filterBox.value.trim() === state.q.trim())) filterBox.value = state.q;
  const matrix = !table.hidden;
  byId("view").value = quantities.has(state.view) ? state.view : "";
  byId("coloured").hidden = !matrix;
  byId("sorted").hidden = byId("reverse").hidden = state.show === "plot";
  byId("fold").hidden = !matrix || !isGrouped() || isFiltered();
  valueSorts.disabled = !shownQuantity();
  byId("sort").value = shownQuantity() ? sortKey() : sortKey().replace(/^value:/, "status:");
  byId("reverse").setAttribute("aria-pressed", String(isReversed()));
  byId("fold").textContent = state.closed ? "expand families" : "collapse families";
  for (const input of document.querySelectorAll("#variant input")) input.checked = input.value === filtered.variant;
  for (const input of document.querySelectorAll("#show input")) input.checked = input.value === (Object.hasOwn(SHOWN, state.show) ? state.show : "");
  const spoken = byId("spoken");
  if (spoken) spoken.textContent = document.querySelector("#variant :checked")?.closest("label").dataset.says?.replace(/^\S+: /, "") ?? "";
};

let drawn = null;
let noted = null;
const differs = (from, keys) => !from || keys.some((k) => from[k] !== state[k]);

// Everything of the state that takes time to show.
const drawAll = () => {
  const changed = (...keys) => differs(drawn, keys);
  const part = SHOWN[Object.hasOwn(SHOWN, state.show) ? state.show : ""];
  for (const one of Object.values(SHOWN)) one.hidden = one !== part;
  if (changed("q", "closed", "sort", "view", "show", "cols", "x", "y")) {
    legend.hidden = true;
    if (part === table) {
      applyFilter();
      applyView();
      if (changed("q", "sort", "view", "show")) applySort();
      legend.hidden = !shownQuantity();
    } else if (part === listView) {
      if (changed("q", "sort", "show")) shownRows = SHOWN_ROWS;
      drawList();
    } else drawPlot();
  }
  applyControls();
  applyCount();
  if (!tokens.hidden) applyTokens();
  keepStop();
  applyOpen();
  drawn = { ...state };
};

// Of what is typed the cases are counted at once, and drawn when the typing stops.
const PAUSE = 150;
let pending = 0;
const drawPending = () => {
  if (!pending) return;
  clearTimeout(pending);
  pending = 0;
  table.removeAttribute("aria-busy");
  drawAll();
};
render = ({ soon = false } = {}) => {
  // The cell of a case that is opened is to be seen, whichever variant was.
  const { variant } = (differs(noted, ["open"]) && caseByName.get(state.open)) || {};
  if (variant && variant !== variantOf(parsed(state.q)) && variantOf(parsed(state.q)) !== "*") {
    state = { ...state, q: withVariant(state.q, variant) };
    history.replaceState(null, "", writeState(state));
  }
  if (differs(noted, ["theme"])) showTheme(state.theme);
  if (differs(noted, ["q"])) {
    readFilter();
    applyChips();
    applyCount();
  }
  noted = { ...state };
  clearTimeout(pending);
  pending = soon ? setTimeout(drawPending, PAUSE) : 0;
  table.setAttribute("aria-busy", "true");
  if (soon) return;
  table.removeAttribute("aria-busy");
  drawAll();
};

root.classList.add("js");
render();
