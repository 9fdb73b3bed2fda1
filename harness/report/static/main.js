// Wiring: controls change the state, and the state alone decides what is shown.

const byId = (id) => document.getElementById(id);
const filterBox = byId("filter");
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
byId("sort").append(valueSorts, statusSorts);

// The address is taken by the state, so this link moves the focus instead.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  moveTo(current);
});

// Typing is one step back, not one per letter.
let typing = false;
filterBox.addEventListener("input", () => {
  setState({ q: filterBox.value }, { push: !typing });
  typing = true;
});
filterBox.addEventListener("change", () => { typing = false; });
filterBox.addEventListener("blur", () => { typing = false; });
byId("clear").addEventListener("click", () => {
  setState({ q: "" });
  filterBox.focus();
});

for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (e) => e.preventDefault());
byId("view").addEventListener("change", (e) => setState({ view: e.target.value }));
byId("sort").addEventListener("change", (e) => setState({ sort: e.target.value }));
byId("reverse").addEventListener("click", () => {
  setState({ sort: state.sort.startsWith("-") ? state.sort.slice(1) : `-${state.sort}` });
});
byId("variant")?.addEventListener("change", (e) => {
  const q = words(state.q).filter((word) => !namesVariants(word)).join(" ");
  setState({ q, variant: e.target.value === variants[0] ? "" : e.target.value });
});
byId("fold").addEventListener("click", () => {
  setState({ closed: state.closed ? "" : families.map((f) => f.name).join(",") });
});

// Theme ------------------------------------------------------------------------

const THEMES = ["", "light", "dark"];
byId("theme").addEventListener("click", () => {
  setState({ theme: THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length] }, { push: false });
});
const applyTheme = () => {
  if (["light", "dark"].includes(state.theme)) root.dataset.theme = state.theme;
  else delete root.dataset.theme;
  byId("theme").querySelector("span").textContent = state.theme || "auto";
  byId("theme").setAttribute("aria-label", `Theme: ${state.theme || "as the system"}`);
};

// Token help ---------------------------------------------------------------------

const tokens = byId("tokens");
const showTokens = (show) => {
  tokens.hidden = !show;
  byId("help").setAttribute("aria-expanded", String(show));
  if (show && !tokens.firstChild) fillTokens();
  if (show) applyTokens();
};
const fillTokens = () => {
  const say = (...parts) => make("p", {}, ...parts.map((p) => (p.startsWith("`") ? make("code", {}, p.slice(1)) : p)));
  tokens.append(
    say("Words match names. Tokens combine; several values of one key are alternatives. ", "`-status:pass", " excludes, ",
      "`label:\"a b\"", " quotes, ", "`technique:qat*", " and ", "`blocker:none", " work, and numbers compare: ", "`seconds>60", " ", "`parameters<10M", " ", "`sparsity>=50%", ". Bounds of one number hold together."),
  );
  for (const key of LISTED) {
    const counts = new Map();
    for (const c of cases) counts.set(TEXTS[key](c), (counts.get(TEXTS[key](c)) ?? 0) + 1);
    counts.delete("");
    if (counts.size < 1) continue;
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || natural.compare(a[0], b[0]));
    tokens.append(make("div", { class: "facet" }, make("h3", {}, `${key}:`), make("div", {}, sorted.slice(0, 30).map(([value, n]) =>
      make("button", { type: "button", class: "token", "data-token": `${key}:${quoted(value)}`, "aria-pressed": "false" },
        value, " ", make("small", {}, String(n)))))));
  }
  for (const [group, found] of quantityGroups) {
    tokens.append(make("div", { class: "facet" }, make("h3", {}, group), make("p", { class: "muted" },
      found.map((q) => [make("code", { title: q.says || q.title }, q.name), " "]).flat())));
  }
  const others = Object.keys(TEXTS).filter((k) => !LISTED.includes(k));
  tokens.append(make("p", { class: "muted" }, "Also: ", others.map((k) => [make("code", {}, `${k}:`), " "]).flat()));
};
const applyTokens = () => {
  const present = new Set(words(state.q));
  for (const b of tokens.querySelectorAll(".token")) b.setAttribute("aria-pressed", String(present.has(b.dataset.token)));
};
byId("help").addEventListener("click", () => showTokens(tokens.hidden));
tokens.addEventListener("click", (event) => {
  const token = event.target.closest(".token");
  if (token) setState({ q: toggled(state.q, token.dataset.token) });
});
document.addEventListener("pointerdown", (event) => {
  if (!tokens.hidden && !event.target.closest(".toolbar")) showTokens(false);
});

// Keys that work anywhere ----------------------------------------------------------

const editable = (node) => node.matches?.("input, select, textarea");
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !editable(event.target) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    filterBox.focus();
    filterBox.select();
  } else if (event.key === "Escape") {
    if (!tokens.hidden) {
      showTokens(false);
      byId("help").focus();
    } else if (state.open) {
      setState({ open: "" });
    } else if (event.target === filterBox) {
      if (filterBox.value) setState({ q: "" });
      else moveTo(current);
      event.preventDefault();
    }
  } else if (event.key === "ArrowDown" && event.target === filterBox && current) {
    event.preventDefault();
    moveTo(current);
  }
});

// Showing the state -------------------------------------------------------------------

let drawn = null;
let matching = new Set();
render = () => {
  const changed = (...keys) => !drawn || keys.some((k) => drawn[k] !== state[k]);
  // The cell of a case that is opened is to be seen, whichever variant was.
  const { variant } = (changed("open") && cellByCase.get(state.open)?.case) || {};
  if (variant && shownVariant() && variant !== shownVariant()) {
    state = { ...state, variant: variant === variants[0] ? "" : variant };
    history.replaceState(null, "", writeState(state));
  }
  applyTheme();
  if (filterBox.value !== state.q) filterBox.value = state.q;
  byId("view").value = quantities.has(state.view) ? state.view : "";
  valueSorts.disabled = !shownQuantity();
  byId("sort").value = shownQuantity() ? sortKey() : sortKey().replace(/^value:/, "status:");
  byId("reverse").setAttribute("aria-pressed", String(state.sort.startsWith("-")));
  byId("fold").textContent = state.closed ? "expand families" : "collapse families";
  byId("fold").disabled = !isGrouped();
  for (const input of document.querySelectorAll("#variant input")) input.checked = input.value === (shownVariant() ?? "all");
  if (changed("sort", "variant", "view")) applySort();
  if (changed("q", "variant", "closed", "sort")) matching = applyFilter();
  if (changed("q", "variant", "view")) applyView(matching);
  if (!tokens.hidden) applyTokens();
  keepStop();
  applyOpen();
  drawn = { ...state };
};

root.classList.add("js");
render();
