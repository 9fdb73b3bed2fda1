// The page of the benchmark: the theme, the plot of all units, and one stop of the Tab key for each
// row of panels. Without this, titles show on hover.

const root = document.documentElement;
root.classList.add("js");

const given = new URLSearchParams(location.hash.slice(1));
let theme = given.get("theme") ?? "";
showTheme(theme);
byId("theme").addEventListener("click", () => {
  theme = nextTheme(theme);
  showTheme(theme);
  history.replaceState(null, "", theme ? `#theme=${theme}` : location.pathname + location.search);
});
addEventListener("keydown", (event) => { if (event.key === "Escape") dismissTip(); });

// Panels: arrows go from point to point.
for (const point of document.querySelectorAll(".point")) {
  point.querySelector("title").remove(); // or the browser would show a second tip
  point.dataset.says = point.getAttribute("aria-label");
  point.setAttribute("tabindex", "-1");
}
for (const panels of document.querySelectorAll(".panels")) {
  const points = [...panels.querySelectorAll(".point")];
  let current = 0;
  points[0]?.setAttribute("tabindex", "0");
  panels.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = points[points.indexOf(event.target) + by];
    if (!by || !next) return;
    event.preventDefault();
    points[current].setAttribute("tabindex", "-1");
    current = points.indexOf(next);
    next.setAttribute("tabindex", "0");
    next.focus();
  });
}

// The plot of all units ------------------------------------------------------------

const shorter = (value) => String(Number(value.toPrecision(3)));
const bytes = (value) => (value >= 1e6 ? `${shorter(value / 1e6)} MB` : value >= 1e3 ? `${shorter(value / 1e3)} kB` : `${value} B`);
const AXES = {
  x: {
    deflated: { title: "file size, deflated", better: "lower", log: true, write: bytes },
    bytes: { title: "file size", better: "lower", log: true, write: bytes },
    latency: { title: "latency per image", better: "lower", log: true, write: (v) => `${shorter(v)} ms` },
  },
  y: {
    accuracy: { title: "test accuracy of the file, %", better: "higher", log: false, least: 5, write: shorter },
    change: { title: "points against float", better: "higher", log: false, least: 5, write: (v) => (v > 0 ? `+${shorter(v)}` : shorter(v)) },
  },
};
const { points } = JSON.parse(byId("data").textContent);
const drawUnits = () => {
  const [x, y] = [AXES.x[byId("axis-x").value], AXES.y[byId("axis-y").value]];
  const of = byId("axis-a").value;
  const shown = points.filter((p) => !of || p.a === of).map((p) => ({
    ...p, x: p[byId("axis-x").value], y: p[byId("axis-y").value], name: of ? p.t : `${p.a} ${p.t}`,
  })).filter((p) => p.x !== null && p.y !== null);
  for (const p of shown) p.says = `${p.a}, ${p.t}\n${x.title} ${x.write(p.x)}\n${y.title} ${y.write(p.y)}`;
  if (!shown.length) {
    byId("scatter").replaceChildren();
    byId("scatter-note").textContent = "No unit has these figures.";
    return;
  }
  const drawn = scatter(byId("scatter"), { points: shown, x, y, label: `${y.title} against ${x.title}, ${shown.length} units; arrows move` });
  byId("scatter-note").textContent = `The line joins the ${drawn.front.length} that no other beats in both.${drawn.beyond ? ` ${drawn.beyond} beyond the axes, drawn as arrows at the edge.` : ""}`;
};
for (const axis of ["x", "y"]) {
  byId(`axis-${axis}`).append(...Object.entries(AXES[axis]).map(([value, { title }]) => make("option", { value }, title)));
}
for (const axis of ["a", "x", "y"]) byId(`axis-${axis}`).addEventListener("change", drawUnits);
drawUnits();
let drawnWidth = byId("scatter").clientWidth;
new ResizeObserver(([entry]) => {
  const width = Math.round(entry.contentRect.width);
  if (width === drawnWidth) return;
  drawnWidth = width;
  drawUnits();
}).observe(byId("scatter"));
