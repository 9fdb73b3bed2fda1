// The plot of the cases that match: what it costs against how good it is.

const plotView = byId("plot");
const ACROSS = ["file_bytes", "deflated_bytes", "latency_ratio", "latency_ms", "peak_rss_bytes"];
const UP = ["top1_agreement", "sqnr_float_db"];
const plotHead = make("div", { class: "list-head" });
const plotHost = make("div", { class: "scatter" });
const plotKey = make("ul", { class: "marks", "aria-label": "Markers" });
const plotNote = make("p", { class: "muted", role: "status" });

const axisNames = (names) => names.filter((name) => quantities.has(name));
// What was asked for, or the first that most of the cases have.
const chosenAxis = (asked, names) => {
  if (names.includes(asked)) return asked;
  const shown = [...filtered.matching];
  return names.find((name) => shown.filter((c) => quantities.get(name).value(c) !== null).length * 2 > shown.length) ?? names.at(-1);
};
const axisOf = (name, values) => {
  const quantity = quantities.get(name);
  const least = { share: 0.1, decibel: 15 }[quantity.format] ?? 0;
  return { title: quantity.title, better: quantity.better, log: wantsLog(quantity, values), write: (v) => written(name, v), least };
};
const markOf = (technique) => {
  const i = data.techniques.findIndex((t) => t.id === technique);
  return { mark: MARKS[i % MARKS.length], hue: HUES[i % HUES.length] };
};

const axisSelect = (key, title, names) => make("label", {}, `${title} `,
  make("select", { id: `axis-${key}`, on: { change: (e) => setState({ [key]: e.target.value }) } },
    names.map((name) => make("option", { value: name }, quantities.get(name).title))));

const drawPlot = () => {
  const [xs, ys] = [axisNames(ACROSS), axisNames(UP)];
  if (!plotHead.firstChild) {
    plotHead.append(make("h2", { id: "plot-title" }, "Cost against quality"));
    if (xs.length && ys.length) plotHead.append(axisSelect("x", "across", xs), axisSelect("y", "up", ys));
    plotView.append(plotHead, plotKey, plotHost, plotNote);
  }
  if (!xs.length || !ys.length) {
    plotNote.textContent = "No case here has a size and a figure of its quality.";
    return;
  }
  const [xName, yName] = [chosenAxis(state.x, xs), chosenAxis(state.y, ys)];
  byId("axis-x").value = xName;
  byId("axis-y").value = yName;
  const [xq, yq] = [quantities.get(xName), quantities.get(yName)];
  const outs = [xq, yq].map((q) => standing(q, filtered.matching));
  const shown = [...filtered.matching].filter((c) => xq.value(c) !== null && yq.value(c) !== null);
  const points = shown.map((c) => ({
    x: xq.value(c), y: yq.value(c), name: `${c.application} ${c.technique}`, key: c.case, ...markOf(c.technique),
    apart: outs.map((out) => out(c)).find(Boolean) ?? "",
    says: `${c.application}, ${c.technique}, ${c.variant}: ${c.status}${c.weak.length ? ", weak" : ""}\n${xq.title} ${written(xName, xq.value(c))}\n${yq.title} ${written(yName, yq.value(c))}`,
  })).filter((p) => Number.isFinite(p.x));
  const finite = points.map((p) => ({ ...p, y: Number.isFinite(p.y) ? p.y : (yq.most ?? 1e3) * Math.sign(p.y) }));
  const [x, y] = [axisOf(xName, finite.map((p) => p.x)), { ...axisOf(yName, finite.map((p) => p.y)), log: false }];
  const drawn = scatter(plotHost, {
    points: finite, x, y, label: `${yq.title} against ${xq.title}, ${finite.length} cases; arrows move, Enter opens`,
    open: (p) => {
      openedFrom = plotHost.querySelector(`[data-key="${CSS.escape(p.key)}"]`);
      setState({ open: p.key, app: "", compare: "" });
    },
  });
  const used = new Set(shown.map((c) => c.technique));
  plotKey.replaceChildren(...data.techniques.filter((t) => used.has(t.id)).map((t) => {
    const { mark, hue } = markOf(t.id);
    return make("li", { class: hue }, draw("svg", { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" },
      draw("path", { class: "mark", d: mark, "fill-rule": "evenodd" })), ` ${t.id}`);
  }));
  const apart = points.filter((p) => p.apart).length;
  const missing = filtered.matching.size - points.length;
  plotNote.textContent = [
    drawn.front.length ? `The line joins the ${drawn.front.length} that no other case beats in both.` : "",
    apart ? `${apart} hollow: they cannot be compared with the others and are not ranked.` : "",
    drawn.beyond ? `${drawn.beyond} beyond the axes, drawn as arrows at the edge.` : "",
    missing ? `${missing} of ${filtered.matching.size} cases have no such numbers.` : "",
  ].filter(Boolean).join(" ");
};
let plotWidth = 0;
new ResizeObserver(([entry]) => {
  const width = Math.round(entry.contentRect.width);
  if (width !== plotWidth && state.show === "plot" && plotWidth) drawPlot();
  plotWidth = width;
}).observe(plotHost);
