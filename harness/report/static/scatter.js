// A plot of points with their Pareto front. It knows nothing of cases: both pages feed it.
//
// Its axes show where most points are. What is far beyond stands at the edge, as an arrow, so that
// one outlier does not crush the others; the number that is told is the true one.

const MARKS = [
  "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z", "M-4.5,-4.5H4.5V4.5H-4.5Z", "M0,-6L5.5,4.5H-5.5Z", "M0,-6.5L5.5,0L0,6.5L-5.5,0Z",
  "M0,6L5.5,-4.5H-5.5Z", "M-1.6,-5.5H1.6V-1.6H5.5V1.6H1.6V5.5H-1.6V1.6H-5.5V-1.6H-1.6Z", "M-5,-5L5,5L-5,5L5,-5Z", "M-5,-5L-5,5L5,-5L5,5Z",
];
const HUES = ["k1", "k2", "k3", "k4", "k0"];
// How far beyond the middle half a value still has its own place: so many times the width of that
// half, and on a logarithmic axis a decade in any case.
const REACH = 3;
const DECADES = 1;

const quantile = (sorted, share) => {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  return sorted[low] + (place - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
};
// -> { low, high, at(value, from, to), cut(value) }: the part of an axis that is shown.
const spanOf = (values, { log, least = 0 }) => {
  const bend = log ? Math.log10 : (v) => v;
  const bent = values.filter((v) => Number.isFinite(v) && (!log || v > 0)).map(bend).sort((a, b) => a - b);
  if (!bent.length) bent.push(0);
  const [q1, q3] = [quantile(bent, 0.25), quantile(bent, 0.75)];
  const reach = Math.max(REACH * (q3 - q1), log ? DECADES : least);
  const inside = reach > 0 && bent.length > 3 ? bent.filter((v) => v >= q1 - reach && v <= q3 + reach) : bent;
  const room = Math.max((inside.at(-1) - inside[0]) * 0.06, log ? 0.03 : Math.abs(inside[0]) * 0.01 || 0.01);
  const [low, high] = [inside[0] - room, inside.at(-1) + room];
  const place = (v) => (log && v <= 0 ? -Infinity : bend(v));
  return {
    low, high, log,
    at: (v, from, to) => from + ((Math.min(high, Math.max(low, place(v))) - low) / (high - low)) * (to - from),
    cut: (v) => (place(v) < low ? -1 : place(v) > high ? 1 : 0),
  };
};
const ticksOf = ({ low, high, log }, most) => {
  if (log) {
    for (const steps of [[1, 2, 5], [1, 3], [1]]) {
      const found = [];
      for (let p = Math.floor(low); p <= Math.ceil(high); p += 1) for (const s of steps) found.push(s * 10 ** p);
      const inside = found.filter((v) => Math.log10(v) >= low && Math.log10(v) <= high);
      if (inside.length <= most && inside.length >= 2) return inside;
    }
  }
  const [a, b] = log ? [10 ** low, 10 ** high] : [low, high];
  const rough = (b - a) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((s) => s * power).find((s) => s >= rough);
  const first = Math.ceil(a / step);
  return Array.from({ length: Math.max(0, Math.floor(b / step) - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
};

// Those that no other one beats in both; along the first axis.
const front = (points, x, y) => {
  const better = (axis, a, b) => (axis.better === "lower" ? a < b : a > b);
  const sorted = [...points].sort((a, b) => (a.x === b.x ? (better(y, a.y, b.y) ? -1 : 1) : better(x, a.x, b.x) ? -1 : 1));
  const found = [];
  for (const p of sorted) if (!found.length || better(y, p.y, found.at(-1).y)) found.push(p);
  return found;
};

const LINE = 13;
const CHARACTER = 6.2;
// Names for as many points as have room, each clear of the others.
const named = (points, all, place, left, right) => {
  const taken = all.map((p) => place(p)).map(([x, y]) => [x - 6, y - 6, x + 6, y + 6]);
  const free = (box) => !taken.some((t) => box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3]);
  return points.flatMap((p) => {
    const [x, y] = place(p);
    const wide = p.name.length * CHARACTER;
    for (const [dx, dy] of [[9, 0], [-9 - wide, 0], [-wide / 2, -14], [-wide / 2, 14], [9, -12], [9, 12], [-9 - wide, -12], [-9 - wide, 12]]) {
      const box = [x + dx, y + dy - LINE / 2, x + dx + wide, y + dy + LINE / 2];
      if (box[0] < left || box[2] > right || !free(box)) continue;
      taken.push(box);
      return [{ p, x: box[0], y: y + dy + 4 }];
    }
    return [];
  });
};

// Draws `points` ({ x, y, name, says, mark, hue, apart, key }) into `host`.
// `x`, `y`: { title, log, better, write, least }: `least`, how much of a linear axis is shown at least
// beyond the middle half. `open(point)`: what a click or Enter does, if anything.
const scatter = (host, { points, x, y, label, open = null }) => {
  const width = Math.max(280, Math.round(host.clientWidth) || 640);
  const height = Math.round(Math.min(560, Math.max(320, width * 0.58)));
  const [left, right, top, bottom] = [70, width - 16, 14, height - 44];
  const [across, up] = [spanOf(points.map((p) => p.x), x), spanOf(points.map((p) => p.y), y)];
  const place = (p) => [across.at(p.x, left, right), up.at(p.y, bottom, top)];
  const ranked = points.filter((p) => !p.apart);
  const best = front(ranked, x, y);
  const grid = draw("g", { class: "grid", "aria-hidden": "true" },
    ticksOf(up, 7).map((v) => [draw("path", { d: `M${left},${up.at(v, bottom, top)}H${right}` }),
      draw("text", { x: left - 6, y: up.at(v, bottom, top) + 4, "text-anchor": "end" }, y.write(v))]),
    ticksOf(across, Math.max(3, Math.floor(width / 110))).map((v) => [draw("path", { d: `M${across.at(v, left, right)},${top}V${bottom}` }),
      draw("text", { x: across.at(v, left, right), y: bottom + 16, "text-anchor": "middle" }, x.write(v))]));
  const arrow = { lower: "←", higher: "→" }[x.better] ?? "";
  const titles = [
    draw("text", { class: "axis", x: (left + right) / 2, y: height - 6, "text-anchor": "middle" }, `${x.title}${x.log ? " (logarithmic)" : ""}${arrow ? ` ${arrow} better` : ""}`),
    draw("text", { class: "axis", transform: `translate(11,${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, `${y.title}${y.better === "higher" ? " → better" : y.better === "lower" ? " ← better" : ""}`),
  ];
  const line = best.length > 1 ? draw("path", { class: "front", d: `M${best.map((p) => place(p).map((v) => v.toFixed(1)).join(",")).join("L")}` }) : null;
  const onFront = new Set(best);
  const nodes = points.map((p) => {
    const [px, py] = place(p);
    const [cx, cy] = [across.cut(p.x), up.cut(p.y)];
    const beyond = cx || cy;
    const turn = cx ? cx * 90 : cy > 0 ? 0 : 180;
    const says = `${p.says}${onFront.has(p) ? "\non the Pareto front" : ""}${p.apart ? `\n${p.apart}` : ""}${beyond ? "\nbeyond the axis" : ""}`;
    return draw("g", {
      class: `point ${p.hue}${onFront.has(p) ? " best" : ""}${p.apart ? " apart" : ""}`, tabindex: "-1", role: open ? "button" : "img",
      "aria-label": says, "data-says": says, "data-key": p.key ?? null, transform: `translate(${px.toFixed(1)},${py.toFixed(1)})`,
    }, draw("path", { class: "mark", d: beyond ? "M0,-7L5,3H-5Z" : p.mark, "fill-rule": "evenodd", transform: beyond ? `rotate(${turn})` : null }));
  });
  const texts = named(best, points, place, left, right).map(({ p, x: tx, y: ty }) => draw("text", { class: `name ${p.hue}`, x: tx, y: ty, "aria-hidden": "true" }, p.name));
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": label }, grid, titles, line, nodes, texts);
  // Drawn anew, for another width say, the focus is where it was.
  const had = host.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  host.replaceChildren(svg);
  const start = Math.max(0, had === undefined ? 0 : points.findIndex((p) => p.key === had));
  moveWithin(svg, nodes, points.map(place), open && ((i) => open(points[i])), start);
  if (had !== undefined) nodes[start]?.focus({ preventScroll: true });
  return { front: best, beyond: points.filter((p) => across.cut(p.x) || up.cut(p.y)).length };
};

// One stop of the Tab key for a whole plot; arrows go to the next point that way, Enter opens it,
// and a click takes the point that is nearest.
const NEAR = 24;
const moveWithin = (svg, nodes, places, open, start) => {
  if (!nodes.length) return;
  let current = start;
  nodes[start].setAttribute("tabindex", "0");
  const take = (i) => {
    nodes[current].setAttribute("tabindex", "-1");
    current = i;
    nodes[i].setAttribute("tabindex", "0");
    nodes[i].focus();
  };
  const order = [0, 1].map((axis) => places.map((_, i) => i).sort((a, b) => places[a][axis] - places[b][axis] || places[a][1 - axis] - places[b][1 - axis]));
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] };
  svg.addEventListener("keydown", (event) => {
    const i = nodes.indexOf(event.target);
    if (i < 0) return;
    if (Object.hasOwn(STEPS, event.key)) {
      const [axis, by] = STEPS[event.key];
      const next = order[axis][order[axis].indexOf(i) + by];
      if (next !== undefined) take(next);
    } else if (event.key === "Home") take(order[0][0]);
    else if (event.key === "End") take(order[0].at(-1));
    else if ((event.key === "Enter" || event.key === " ") && open) open(i);
    else return;
    event.preventDefault();
  });
  const nearestTo = (event) => {
    const box = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top].map((v) => (v * svg.viewBox.baseVal.width) / box.width);
    let [found, least] = [-1, NEAR ** 2];
    places.forEach(([px, py], i) => {
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away < least) [found, least] = [i, away];
    });
    return found;
  };
  svg.addEventListener("pointermove", (event) => {
    const i = nearestTo(event);
    svg.classList.toggle("near", i >= 0);
    if (i >= 0) showTip(nodes[i], anchorOf(nodes[i]));
    else hideTip();
  });
  svg.addEventListener("pointerleave", hideTip);
  svg.addEventListener("click", (event) => {
    const i = nearestTo(event);
    if (i < 0) return;
    if (open) open(i);
    else take(i);
  });
};
