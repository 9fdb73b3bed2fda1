// One application: every number by every technique, side by side, and how to come by each.

const COMPARED_MOST = 3;
const columnId = (c) => `${c.technique}:${c.variant}`;
const compared = () => state.compare.split(",").filter(Boolean).slice(0, COMPARED_MOST);

// Differences are told as readers do: a factor of what has a size, points of what is a share.
const FACTORS = new Set(["size", "milliseconds", "time", "number", "steps"]);
const difference = ({ format }, value, base) => {
  if (value === null || base === null || !Number.isFinite(value - base) || value === base) return "";
  if (FACTORS.has(format)) return base > 0 ? `×${ratio(value / base)}` : "";
  const sign = value < base ? "−" : "+";
  const much = Math.abs(value - base);
  if (format === "share") return `${sign}${three(100 * much)} points`;
  if (format === "decibel") return `${sign}${much.toFixed(1)} dB`;
  return `${sign}${ratio(much)}`;
};

const numbersTable = (shown, base) => {
  const those = [...quantities.values()].filter((q) => !stageTimes.has(q.name) && shown.some((c) => q.value(c) !== null));
  const row = (q) => {
    const out = standing(q, shown);
    const value = (c) => q.value(c);
    const ranked = shown.filter((c) => value(c) !== null && !out(c) && c.status === "pass");
    const top = q.better === "neutral" || ranked.length < 2 ? null : best(q, ranked.map(value));
    const winners = top === null ? [] : ranked.filter((c) => value(c) === top);
    const won = winners.length < ranked.length ? new Set(winners) : new Set();
    return make("tr", {}, make("th", { scope: "row", "data-says": explained(q) }, q.title), shown.map((c) => {
      if (value(c) === null) return make("td", { class: "n none" }, make("span", { class: "hidden" }, "no value"));
      const why = out(c) || (doubtful(q, c) ? "noisy" : "");
      const from = base(c);
      const apart = from && (out(from) || out(c)) && !(q.within === "run" && from.origin === c.origin && measuredSo(q, c));
      const less = from && from !== c && !apart ? difference(q, value(c), value(from)) : "";
      return make("td", { class: `n${out(c) ? " apart" : ""}${won.has(c) ? " won" : ""}`, "data-says": why || null },
        won.has(c) ? make("b", {}, written(q.name, value(c)), make("span", { class: "hidden" }, ", best")) : written(q.name, value(c)),
        out(c) ? make("span", { class: "hidden" }, `, ${out(c)}`) : "",
        less ? make("small", {}, less) : "");
    }));
  };
  const several = new Set(shown.map((c) => c.variant)).size > 1;
  const head = (c) => make("th", { scope: "col", class: "n" },
    make("a", { href: addressOf({ open: c.case, app: "", compare: "" }) }, c.technique), several ? make("small", {}, ` ${c.variant}`) : "",
    make("label", { class: "pick" }, make("input", { type: "checkbox", value: columnId(c), checked: compared().includes(columnId(c)), "aria-label": `compare ${c.technique} ${c.variant}` }), " compare"));
  const outcomes = make("tr", {}, make("th", { scope: "row" }, "status"), shown.map((c) => make("td", { class: "n" },
    make("span", { class: `tag s-${c.status}${c.weak.length ? " weak" : ""}`, "data-says": describe([c.status, c.stage, c.label]) },
      make("b", { "aria-hidden": "true" }, c.weak.length ? data.weak_glyph : data.glyphs[c.status] ?? "?"), ` ${c.weak.length ? "weak" : c.label || c.status}`))));
  return make("div", { class: "scroll sides", tabindex: "0", role: "region", "aria-label": "Numbers by technique" },
    make("table", { class: "plain sided" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "number"), shown.map(head))),
      make("tbody", {}, outcomes, those.map(row))));
};

// What is the same for all techniques, by variant.
const GRAPH = ["parameters", "layers", "input_size"];
const graphFacts = (all) => facts([...new Set(all.map((c) => c.variant))].flatMap((variant) => {
  const of = all.filter((c) => c.variant === variant);
  return GRAPH.filter((name) => quantities.has(name)).map((name) => {
    const found = of.map((c) => quantities.get(name).value(c)).find((v) => v !== null);
    return [`${titleOf(name)}, ${variant}`, found === undefined ? "" : written(name, found)];
  });
}));

const islandsOf = (c) => {
  const value = c.metrics[data.metrics.indexOf("islands")];
  return Array.isArray(value) ? at(value[0]).split("; ") : [];
};
const islands = (shown) => {
  const q = quantities.get("float_islands");
  const found = q ? shown.filter((c) => (q.value(c) ?? 0) > 0) : [];
  if (!found.length) return null;
  return section("Float islands", found.map((c) => make("details", {},
    make("summary", {}, `${c.technique}, ${c.variant}: ${q.value(c)}`),
    islandsOf(c).length ? make("ul", {}, islandsOf(c).map((one) => make("li", {}, one)))
      : make("p", { class: "muted" }, "The record does not name their layers."))));
};

const recipes = (shown) => {
  const found = shown.filter((c) => linesOf(c));
  const first = found.find((c) => c.technique !== "float" && c.status === "pass") ?? found[0];
  return section("In Python, and again", found.map((c) => make("details", { open: c === first },
    make("summary", {}, `${c.technique}, ${c.variant}`),
    copyable(linesOf(c), `Copy the lines for ${c.technique}`), copyable(c.repro, `Copy the command for ${c.technique}`))));
};

const showApplication = (name) => {
  const all = cases.filter((c) => c.application === name);
  const order = new Map(data.techniques.map((t, i) => [t.id, i]));
  const inVariant = all.filter((c) => filtered.variant === "*" || c.variant === filtered.variant);
  const many = (inVariant.length ? inVariant : all).sort((a, b) => order.get(a.technique) - order.get(b.technique) || a.index - b.index);
  const picked = compared();
  const some = picked.map((id) => all.find((c) => columnId(c) === id)).filter(Boolean);
  const shown = some.length > 1 ? some : many;
  const base = some.length > 1 ? () => shown[0] : (c) => many.find((f) => f.technique === "float" && f.variant === c.variant);
  panelTitle.replaceChildren(name, make("small", {}, `${all[0].family} · ${new Set(all.map((c) => c.technique)).size} techniques`));
  const told = some.length > 1 ? `Differences are to ${shown[0].technique}. ` : "Differences are to float. ";
  const numbers = numbersTable(shown, base);
  numbers.addEventListener("change", (event) => {
    const id = event.target.value;
    const next = event.target.checked ? [...picked, id].slice(-COMPARED_MOST) : picked.filter((one) => one !== id);
    setState({ compare: next.join(",") });
    panelBody.querySelector(`input[value="${CSS.escape(id)}"]`)?.focus();
  });
  panelBody.replaceChildren(...[
    graphFacts(all),
    section(some.length > 1 ? "Side by side" : "All techniques",
      make("p", { class: "muted" }, told, "Bold is the best of its row; hatched cannot be compared. Tick two or three to see them side by side. ",
        some.length > 1 ? make("a", { href: addressOf({ compare: "" }) }, "show all") : picked.length ? make("span", {}, `${picked.length} ticked.`) : ""),
      numbers),
    islands(shown), recipes(shown),
  ].filter(Boolean));
};
