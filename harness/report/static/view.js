// Colour by a number: each cell shows its value, on a scale that the legend explains.

const SHADES = 9; // as many as page.css has looks for
const legend = byId("legend");
const shownQuantity = () => quantities.get(state.view) ?? null;

for (const column of columns) {
  column.median = make("span", { class: "median" });
  column.head.append(column.median);
}
for (const family of families) {
  family.medians = new Map(columns.map((column) => {
    const made = make("span", { class: "median" });
    family.head.querySelector(`[data-col="${column.head.dataset.col}"]`).append(made);
    return [column, made];
  }));
}

const wantsLog = (quantity, values) => {
  const positive = values.filter((v) => v > 0);
  if (!positive.length) return false;
  // On a linear scale one giant would leave the rest pale.
  const decades = positive.length === values.length && Math.max(...values) / Math.min(...values) > 30;
  return quantity.scale === "log" || (quantity.scale === "auto" && decades);
};
// What has no place on the scale (nothing on a logarithmic one, infinity) stands at its end.
const scaleOf = (quantity, values) => {
  const finite = values.filter(Number.isFinite);
  const log = wantsLog(quantity, finite);
  const [bend, unbend] = log ? [Math.log, Math.exp] : [(v) => v, (v) => v];
  const placed = log ? finite.filter((v) => v > 0) : finite;
  const low = Math.min(...placed);
  const high = Math.max(low, Math.min(Math.max(...placed), quantity.most ?? Infinity));
  const [from, to] = [bend(low), bend(high)];
  const place = (v) => (v <= low ? 0 : v >= high ? 1 : (bend(v) - from) / (to - from));
  return {
    log,
    place,
    high,
    shade: (v) => Math.min(SHADES - 1, Math.floor(place(v) * SHADES)),
    bound: (i) => (i === 0 || low === high ? low : i === SHADES ? high : unbend(from + ((to - from) * i) / SHADES)),
  };
};

const hatched = (text) => make("span", {}, make("span", { class: "hatch", "aria-hidden": "true" }, "–"), ` ${text}`);
const total = (counts) => [...counts.values()].reduce((a, b) => a + b, 0);
const drawLegend = (quantity, scale, values, all, apart) => {
  const { name, better, most } = quantity;
  const [least, largest] = [Math.min(...values), Math.max(...values)];
  const shades = Array.from({ length: SHADES }, (_, i) => make("span", {
    class: `t${i}`, title: `${written(name, scale.bound(i))} to ${written(name, scale.bound(i + 1))}`,
  }));
  const end = (word, value, good) => make("span", { class: "end" }, make("small", {}, `${word} `), written(name, value),
    good ? make("small", {}, " best") : "");
  const middle = median(values);
  legend.append(
    make("strong", {}, quantity.title),
    make("span", { class: "range" },
      end("min", least, better === "lower" && least < largest),
      make("span", { class: "ramp", "aria-hidden": "true", style: { "--at": scale.place(middle).toFixed(3) } }, shades),
      end("max", largest, better === "higher" && least < largest)),
    make("span", {}, make("small", {}, "median "), written(name, middle)),
    make("span", {}, `${{ higher: "↑ ", lower: "↓ ", neutral: "" }[better]}${DIRECTIONS[better]}`),
    scale.log ? make("span", {}, "log scale") : "",
    most !== null && largest > scale.high ? make("span", {}, `colours end at ${written(name, scale.high)}`) : "",
    ...[...apart].map(([why, n]) => hatched(`${n} ${why}: not on this scale, not ranked`)),
    all > values.length + total(apart) ? hatched(`no value in ${all - values.length - total(apart)} of ${all} cases`) : "",
    quantity.says ? make("span", { class: "says" }, quantity.says) : "",
  );
};

const paint = (cell, shade, text, said) => {
  if (cell.shade !== shade) {
    if (cell.shade) cell.node.classList.remove(cell.shade);
    if (shade) cell.node.classList.add(shade);
    cell.shade = shade;
  }
  if (cell.label === said) return;
  cell.label = said;
  cell.text.textContent = text;
  cell.node.setAttribute("aria-label", said);
};

const showStatus = () => {
  legend.hidden = true;
  legend.replaceChildren();
  for (const cell of cells) paint(cell, "", cell.words, cell.said);
};

// Scale, legend and medians are those of the cases that match the filter and stand on one scale.
const showNumbers = (quantity) => {
  const { name, title } = quantity;
  const out = standing(quantity, filtered.matching);
  const [values, apart] = [[], new Map()];
  for (const cell of cells) {
    cell.value = quantity.value(cell.case);
    cell.apart = cell.value === null ? "" : out(cell.case);
    if (cell.dim || cell.value === null) continue;
    if (cell.apart) apart.set(cell.apart, (apart.get(cell.apart) ?? 0) + 1);
    else values.push(cell.value);
  }
  const scale = scaleOf(quantity, values.length ? values : [0]);
  for (const cell of cells) {
    if (cell.column.hidden || cell.row.hidden) continue;
    if (cell.value === null) {
      paint(cell, "unknown", "–", `${cell.said}; ${title}: no value`);
      continue;
    }
    const noisy = doubtful(quantity, cell.case);
    const said = `${cell.said}; ${title}: ${written(name, cell.value)}${noisy ? ", noisy" : ""}`;
    paint(cell, cell.apart ? "apart" : `t${scale.shade(cell.value)}`, `${noisy ? "~" : ""}${inCell(name, cell.value)}`,
      cell.apart ? `${said}, ${cell.apart}` : said);
  }
  legend.hidden = false;
  legend.replaceChildren();
  if (values.length) drawLegend(quantity, scale, values, cells.filter((c) => !c.dim).length, apart);
  else {
    legend.append(make("span", {}, `${title}: no case here has a value${apart.size ? " that can be compared" : ""}`),
      ...[...apart].map(([why, n]) => hatched(`${n} ${why}`)));
  }
  showMedians(quantity);
};

const showMedians = ({ name }) => {
  const groups = new Map();
  const add = (node, value) => groups.set(node, groups.get(node) ?? []).get(node).push(value);
  for (const cell of cells) {
    if (cell.value === null || cell.dim || cell.apart) continue;
    add(cell.column.median, cell.value);
    add(cell.row.family.medians.get(cell.column), cell.value);
  }
  const say = (node, word, none) => {
    const found = groups.get(node);
    const text = found ? `${word}${written(name, median(found)).replaceAll(" ", "\u00a0")}` : none;
    if (node.textContent !== text) node.textContent = text;
    if (found) node.dataset.says = `median of ${found.length} ${found.length === 1 ? "value" : "values"}`;
    else delete node.dataset.says;
  };
  for (const column of columns) if (!column.hidden) say(column.median, "median ", "no value");
  for (const family of families) for (const [column, node] of family.medians) if (!column.hidden) say(node, "", "");
};

let lastView = "";
const applyView = () => {
  const quantity = shownQuantity();
  if (!quantity && !lastView) return;
  lastView = quantity?.name ?? "";
  table.classList.toggle("metric", quantity !== null);
  for (const { head, technique, variant } of columns) {
    head.querySelector("button").dataset.sort = `${quantity ? "value" : "status"}:${technique}:${variant}`;
  }
  if (quantity) showNumbers(quantity);
  else showStatus();
};
