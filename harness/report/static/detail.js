// One case in full, in a panel beside the table.

const panel = byId("detail");
const panelBody = byId("detail-body");
const panelTitle = byId("detail-title");
let openedFrom = null;

const section = (title, ...children) => make("section", {}, make("h3", {}, title), ...children);
const facts = (pairs) => make("dl", { class: "facts" }, pairs.filter(([, v]) => v !== "" && v !== null && v !== undefined)
  .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
const filterLink = (text, token) => make("a", { href: `#${new URLSearchParams({ q: withVariant(token, "*"), open: "", app: "" })}` }, text);

const copied = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page opened from a file may lack the clipboard: select and copy as a reader would.
    const area = make("textarea", { class: "hidden", "aria-hidden": "true", readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
};
const copyable = (text, label) => {
  const button = make("button", { type: "button", class: "copy", "aria-label": label }, "copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text)) ? "copied" : "press Ctrl+C";
    button.focus();
    setTimeout(() => { button.textContent = "copy"; }, 1600);
  });
  return make("div", { class: "copyable" }, make("pre", { tabindex: "0" }, text), button);
};

const outcome = (c) => make("p", { class: `outcome s-${c.status}` },
  make("b", { "aria-hidden": "true" }, data.glyphs[c.status] ?? "?"), " ",
  make("strong", {}, describe([c.status, c.stage, c.label])),
  c.status === "pass" && c.stage ? ` through ${c.stage}` : "");
const weakness = (c) => (c.weak.length
  ? make("p", { class: "outcome s-pass weak" }, make("b", { "aria-hidden": "true" }, data.weak_glyph), " ", make("strong", {}, "weak"), `: ${c.weak.map(at).join("; ")}`) : null);
const lapse = (c) => (c.lapsed.length
  ? make("p", { class: "muted" }, "This record has lapsed: another outcome is possible today. Changed since: ", c.lapsed.map(at).join(", "), ".") : null);

const against = (c) => {
  if (!c.expectation) return make("p", { class: "muted" }, "not compared with a baseline");
  if (c.expectation === "expected") return make("p", { class: "muted" }, "as the baseline says");
  const was = c.expected ? `: the baseline says ${describe(c.expected.map(at))}` : ": the baseline does not know this case";
  return make("p", { class: `against x-${c.expectation}` },
    make("em", { "aria-hidden": "true" }, data.marks[c.expectation] ?? ""), " ", make("strong", {}, c.expectation), was);
};

const why = (c) => {
  const known = data.explanations[c.label];
  const blocker = c.blocker && make("p", {}, `Blocked by ${c.blocker_kind || ""} `, make("code", {}, c.blocker),
    c.blocker_name && c.blocker_name !== c.blocker ? [", named ", make("code", {}, c.blocker_name)] : "", ". ",
    filterLink("all it blocks", `blocker:${quoted(c.blocker)}`));
  if (!known && !blocker) return null;
  return section(known?.title || "Why",
    known?.cause ? make("p", {}, prose(known.cause)) : "", blocker || "",
    known?.remedy ? make("p", { class: "remedy" }, make("strong", {}, "Remedy "), prose(known.remedy)) : "",
    known?.handled ? make("p", { class: "remedy" }, make("strong", {}, "Handled "), prose(known.handled)) : "",
    known?.links.length ? make("ul", { class: "links" }, known.links.map((url) => make("li", {},
      make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url.replace(/^https?:\/\//, ""))))) : "");
};

const stagesTable = (c) => {
  if (!c.stages.length) return null;
  const longest = Math.max(...c.stages.map((s) => s[2] ?? 0), 1e-9);
  return section("Stages", make("table", { class: "plain" },
    make("thead", {}, make("tr", {}, ["stage", "status", "time", "share", "CPU"].map((t, i) =>
      make("th", { scope: "col", class: i === 2 || i === 4 ? "n" : null }, i === 3 ? make("span", { class: "hidden" }, t) : t)))),
    make("tbody", {}, c.stages.map(([name, status, wall, cpu]) => make("tr", {},
      make("th", { scope: "row" }, at(name)),
      make("td", {}, make("span", { class: `tag s-${at(status)}` }, make("b", { "aria-hidden": "true" }, data.glyphs[at(status)] ?? "?"), ` ${at(status)}`)),
      make("td", { class: "n" }, wall === null ? "" : duration(wall)),
      make("td", { class: "wide" }, make("span", { class: "meter", style: { "--w": String((wall ?? 0) / longest) } })),
      make("td", { class: "n" }, cpu === null ? "" : duration(cpu)))))));
};

const failure = (c) => {
  const f = c.failure;
  if (!f) return null;
  const parts = (f.chain ?? []).map(([type, message], i) => [
    i ? make("p", { class: "muted" }, "caused by") : "",
    make("pre", { class: "message", tabindex: "0" }, make("b", {}, at(type)), message === null ? "" : `: ${at(message)}`),
  ]);
  if (f.signal) parts.push(make("p", {}, "Ended by signal ", make("code", {}, at(f.signal)), "."));
  else if (f.exit_code !== undefined) parts.push(make("p", {}, "The process ended with exit code ", make("code", {}, String(f.exit_code)), "."));
  if (f.traceback !== undefined) {
    const lines = data.tracebacks[f.traceback].map(at);
    parts.push(make("details", {}, make("summary", {}, `Traceback, ${lines.length} frames`),
      make("pre", { class: "traceback", tabindex: "0" }, lines.join("\n"))));
  }
  if (f.output !== undefined) {
    parts.push(make("details", {}, make("summary", {}, "End of the output"), make("pre", { tabindex: "0" }, at(f.output))));
  }
  if (c.fingerprint) {
    const same = cases.filter((o) => o.fingerprint === c.fingerprint).length;
    parts.push(make("p", { class: "fingerprint" }, make("span", { class: "muted" }, "fingerprint "), make("code", {}, c.fingerprint),
      same > 1 ? [" ", filterLink(`the same in ${same} cases`, `fingerprint:${quoted(c.fingerprint)}`)] : ""));
  }
  return parts.length ? section("Error", ...parts) : null;
};

// Every number a case has, in the groups of the vocabulary; texts among them as they are.
// A stage's time stands in the table of stages.
const described = new Map(data.quantities.map((q) => [q.name, q]));
const stageTimes = new Set([...described.keys()].filter((name) => !OWN.has(name) && !data.metrics.includes(name)));
const measured = (c) => data.groups.map((group) => {
  const inGroup = [...described.values()].filter((q) => q.group === group && !stageTimes.has(q.name));
  const pairs = inGroup.map((q) => [q, shownValue(c, q.name)]).filter(([, text]) => text !== "");
  if (!pairs.length) return null;
  return section(group, make("dl", { class: "facts" }, pairs.map(([q, text]) => make("div", {},
    make("dt", { title: explained(q) }, q.title), make("dd", {}, text)))));
});
const shownValue = (c, name) => {
  const quantity = quantities.get(name);
  const number = quantity?.value(c) ?? null;
  if (number !== null) {
    return [written(name, number), doubtful(quantity, c) ? ", noisy" : "", measuredSo(quantity, c) ? "" : `, ${ALONE}`].join("");
  }
  const value = c.metrics[data.metrics.indexOf(name)];
  return Array.isArray(value) ? at(value[0]) : "";
};
const explained = ({ name, says, better }) => (says ? `${says} ${DIRECTIONS[better]} · ${name}` : name);

const origin = (c) => section("Run",
  facts([
    ["run", c.reused ? `${at(c.reused[0])} (reused)` : c.run_id],
    ["date", moment(c.reused ? at(c.reused[1]) : c.started)],
    ["machine", data.origins[c.origin].machine],
    ["attempt", c.attempt > 1 ? String(c.attempt) : ""],
    ["asked for", `up to ${c.until}`],
  ]),
  make("details", {}, make("summary", {}, "Environment"),
    facts(data.environments[c.environment].map(([name, value]) => [at(name), at(value)]))));

const repeat = (c) => (c.repro ? section("Repeat this case", copyable(c.repro, "Copy the command")) : null);

// What came out otherwise than in the record that the case was compared with.
const disagreement = (c) => (c.disagrees.length
  ? section("Not as recorded", make("ul", {}, c.disagrees.map((one) => make("li", {}, at(one))))) : null);

// The model, what is done to it, and its file.
const linesOf = (c) => {
  const known = data.techniques.find((t) => t.id === c.technique);
  if (!known?.lines) return "";
  return `${c.construction}\n${known.lines.replaceAll("{file}", `${c.application}.tflite`)}`;
};
const inPython = (c) => (linesOf(c) ? section("In Python", copyable(linesOf(c), "Copy the lines")) : null);

const showDetail = (c) => {
  const known = data.techniques.find((t) => t.id === c.technique);
  panelTitle.replaceChildren(c.application, make("small", {}, `${c.technique} · ${c.variant} · ${c.family}`));
  panelBody.replaceChildren(...[
    outcome(c), weakness(c), against(c), lapse(c),
    make("p", {}, make("a", { href: `#${new URLSearchParams({ app: c.application, open: "" })}` }, `${c.application} with all techniques`)),
    known?.title ? make("p", { class: "muted" }, make("code", {}, known.title)) : null,
    c.reused ? make("p", { class: "muted" }, `taken from a reference run of ${at(c.reused[1]).slice(0, 10)}; not run again`) : null,
    disagreement(c), why(c),
    ...(c.failure ? [repeat(c), failure(c), ...measured(c)] : [...measured(c), repeat(c), inPython(c)]),
    stagesTable(c), origin(c), evidence(c),
  ].filter(Boolean));
  panelBody.scrollTop = 0;
};

// The panel shows a case or an application; which one is in the address.
let shownPanel = "";
const neighbours = () => (state.open ? [-1, 1].map((by) => neighbour(caseByName.get(state.open), by)?.case) : [-1, 1].map(neighbourApplication));
const applyOpen = () => {
  const c = caseByName.get(state.open);
  const row = c ? null : rowByName.get(state.app);
  for (const cell of cells) {
    if (c && cell.case === c) cell.node.setAttribute("aria-selected", "true");
    else if (cell.node.hasAttribute("aria-selected")) cell.node.removeAttribute("aria-selected");
  }
  const wanted = c ? `case ${c.case}` : row ? `app ${row.name} ${state.compare} ${filtered.variant}` : "";
  document.documentElement.classList.toggle("open", Boolean(wanted));
  panel.classList.toggle("wide", Boolean(row));
  if (wanted && shownPanel !== wanted) {
    const first = panel.hidden;
    if (c) showDetail(c);
    else showApplication(row.name);
    panel.hidden = false;
    const within = shownPanel.split(" ", 2).join(" ") === wanted.split(" ", 2).join(" ");
    if (first || (!within && !panel.contains(document.activeElement))) panelTitle.focus({ preventScroll: true });
    if (!table.hidden) reveal(c ? cellByCase.get(c.case).node : row.head);
  } else if (!wanted && shownPanel) {
    const focusInside = panel.contains(document.activeElement) || document.activeElement === document.body;
    panel.hidden = true;
    // The reader stood on a cell or a link before; that is where they want to be again.
    const last = shownPanel.startsWith("case ") ? cellByCase.get(shownPanel.slice(5))?.node : rowByName.get(shownPanel.split(" ")[1])?.button;
    const key = openedFrom?.dataset?.key;
    if (key && !openedFrom.isConnected) openedFrom = plotHost.querySelector(`[data-key="${CSS.escape(key)}"]`);
    const back = openedFrom?.isConnected && openedFrom.getClientRects().length ? openedFrom : last;
    if (focusInside && back) moveTo(back);
    openedFrom = null;
  }
  shownPanel = wanted;
  if (wanted) {
    const what = c ? "case in this row" : "application";
    ["previous", "next"].forEach((id, i) => {
      byId(id).disabled = !neighbours()[i];
      byId(id).setAttribute("aria-label", `${id === "next" ? "Next" : "Previous"} ${what}`);
    });
  }
};

const neighbour = (c, by) => {
  const { row } = cellByCase.get(c.case);
  const there = row.cells.filter((x) => !x.column.hidden || x.case === c);
  return there[there.findIndex((x) => x.case === c) + by]?.case;
};
const neighbourApplication = (by) => {
  const there = [...table.querySelectorAll("tr.app")].map((node) => rows.find((r) => r.node === node)).filter((r) => !r.hidden || r.name === state.app);
  return there[there.findIndex((r) => r.name === state.app) + by]?.name;
};
const stepTo = (i) => {
  const next = neighbours()[i];
  if (!next) return;
  openedFrom = state.open ? cellByCase.get(next).node : rowByName.get(next).button;
  setState(state.open ? { open: next } : { app: next }, { push: false });
};
byId("previous").addEventListener("click", () => stepTo(0));
byId("next").addEventListener("click", () => stepTo(1));
byId("close").addEventListener("click", () => setState({ open: "", app: "", compare: "" }));
