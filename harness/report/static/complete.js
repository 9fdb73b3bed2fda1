// The filter box: completions while typing, active tokens as chips, what a filter leaves empty, and
// the help that lists all tokens.

const filterBox = byId("filter");
const suggestions = byId("suggestions");
let offered = { found: [] };
let chosen = -1;

const closeSuggestions = () => {
  offered = { found: [] };
  chosen = -1;
  suggestions.hidden = true;
  filterBox.setAttribute("aria-expanded", "false");
  filterBox.removeAttribute("aria-activedescendant");
};
const showSuggestions = () => {
  offered = completions(filterBox.value, filterBox.selectionStart);
  chosen = -1;
  if (!offered.found.length) {
    closeSuggestions();
    return;
  }
  suggestions.replaceChildren(...offered.found.map(({ text, says }, i) => make("li", { role: "option", id: `suggestion-${i}`, "aria-selected": "false", "data-suggestion": String(i) },
    make("code", {}, text), says ? make("small", {}, ` ${says}`) : "")));
  suggestions.hidden = false;
  filterBox.setAttribute("aria-expanded", "true");
  filterBox.removeAttribute("aria-activedescendant");
};
const choose = (i) => {
  chosen = (i + offered.found.length) % offered.found.length;
  for (const [k, option] of [...suggestions.children].entries()) option.setAttribute("aria-selected", String(k === chosen));
  filterBox.setAttribute("aria-activedescendant", `suggestion-${chosen}`);
  suggestions.children[chosen].scrollIntoView({ block: "nearest" });
};
const takeSuggestion = (i) => {
  const { start, end, found } = offered;
  const { text } = found[i];
  const rest = filterBox.value.slice(end);
  // After a key, a value is to follow.
  const gap = text.endsWith(":") ? "" : " ";
  const q = filterBox.value.slice(0, start) + text + gap + rest.trimStart();
  filterBox.value = q;
  const caret = start + text.length + gap.length;
  filterBox.setSelectionRange(caret, caret);
  setState({ q: q.trimEnd() });
  if (gap) closeSuggestions();
  else showSuggestions();
  filterBox.focus();
};

// Typing is one step back, not one per letter.
let typing = false;
filterBox.addEventListener("input", () => {
  setState({ q: filterBox.value }, { push: !typing, soon: true });
  typing = true;
  showSuggestions();
});
filterBox.addEventListener("change", () => { typing = false; });
filterBox.addEventListener("blur", () => {
  typing = false;
  closeSuggestions();
});
filterBox.addEventListener("keydown", (event) => {
  if (["Enter", "ArrowDown", "Tab", "Escape"].includes(event.key)) drawPending();
  const open = offered.found.length > 0;
  if (event.key === "ArrowDown" && open) choose(chosen + 1);
  else if (event.key === "ArrowUp" && open) choose(chosen < 0 ? offered.found.length - 1 : chosen - 1);
  else if (event.key === "Enter" && chosen >= 0) takeSuggestion(chosen);
  else if (event.key === "Enter") closeSuggestions();
  else if (event.key === "ArrowDown" && current && !table.hidden) moveTo(current);
  else if (event.key === "Escape") {
    if (open) closeSuggestions();
    else if (filterBox.value) setState({ q: "" });
    else if (state.open || state.app) setState({ open: "", app: "", compare: "" });
    else if (!table.hidden) moveTo(current);
    event.stopPropagation();
  } else return;
  if (event.key !== "Enter" || chosen < 0) event.preventDefault();
});
suggestions.addEventListener("pointerdown", (event) => {
  const option = event.target.closest("[data-suggestion]");
  if (!option) return;
  event.preventDefault(); // the focus stays in the box
  takeSuggestion(Number(option.dataset.suggestion));
});

// Chips, and what is wrong -------------------------------------------------------------

const without = (token) => filtered.tokens.filter((one) => one !== token).map((one) => one.text).join(" ");
const replaced = (from, to) => filtered.tokens.map((one) => (one.text === from ? to : one.text)).join(" ");
const setter = (text, q, label = null) => make("button", { type: "button", class: "plainly", "aria-label": label, "data-q": q }, text);

const applyChips = () => {
  const { tokens, matching } = filtered;
  byId("chips").replaceChildren(...tokens.map((token) => make("li", {},
    make("button", { type: "button", class: `chip active${token.problem ? " wrong" : ""}${token.test ? "" : " open"}`, "data-q": without(token), "aria-label": `Remove ${token.text}` },
      make("code", {}, token.text), make("span", { "aria-hidden": "true" }, " ✕")))));
  const says = [];
  const hints = meant(tokens);
  if (hints.length) {
    says.push(make("p", {}, "Did you mean ", hints.flatMap(([from, to], i) => [i ? " or " : "", setter(make("code", {}, to), replaced(from, to), to)]), "?"));
  }
  if (!matching.size && cases.length) {
    const found = emptied(filtered).slice(0, 3);
    says.push(make("p", {}, "No case matches. ",
      found.map(({ token, alone, left }, i) => [i ? " " : "", make("code", {}, token.text), alone ? " matches nothing at all" : " leaves none",
        left ? [": ", setter(`without it ${left}`, without(token), `Without ${token.text}: ${left} cases`)] : "", "."]),
      " ", make("button", { type: "button", class: "plainly", id: "clear", "data-q": "" }, "Clear the filter")));
  }
  byId("empty").replaceChildren(...says);
  byId("empty").hidden = !says.length;
  byId("under").hidden = !tokens.length && !says.length;
};
byId("under").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-q]");
  if (!button) return;
  setState({ q: button.dataset.q });
  filterBox.focus();
});

const applyCount = () => {
  const { problems, matching, variant } = filtered;
  const all = variant === "*" ? cases.length : cases.filter((c) => c.variant === variant).length;
  const output = byId("count");
  const shown = new Set([...matching].map((c) => c.application)).size;
  output.classList.toggle("problem", problems.length > 0);
  const text = problems.length ? problems.join("; ") : matching.size === all ? `${all} cases` : `${matching.size} of ${all}`;
  const more = problems.length || matching.size === all ? "" : ` cases, ${shown} of ${rows.length} applications`;
  const behind = sortKey() && !table.hidden && unranked ? `, ${unranked} not ranked` : "";
  if (output.textContent !== text + more + behind) output.replaceChildren(text, more || behind ? make("span", {}, more + behind) : "");
};

// Token help -----------------------------------------------------------------------------

const tokens = byId("tokens");
const showTokens = (show) => {
  tokens.hidden = !show;
  byId("help").setAttribute("aria-expanded", String(show));
  if (show && !tokens.firstChild) fillTokens();
  if (!show) return;
  // It ends where the window does, wherever the page has been scrolled to.
  const top = document.querySelector(".toolbar").getBoundingClientRect().bottom;
  if (innerHeight - top < 260) document.querySelector(".toolbar").scrollIntoView({ block: "start" });
  tokens.style.maxHeight = `${innerHeight - document.querySelector(".toolbar").getBoundingClientRect().bottom - 12}px`;
  applyTokens();
};
const fillTokens = () => {
  const say = (...parts) => make("p", {}, ...parts.map((p) => (p.startsWith("`") ? make("code", {}, p.slice(1)) : p)));
  tokens.append(
    say("Words match the names of applications, families, techniques and labels, ", "`resnet*", " the whole name. Tokens combine; several values of one key are alternatives. ", "`-status:pass", " excludes, ",
      "`label:\"a b\"", " quotes, ", "`technique:qat*", " and ", "`blocker:none", " work, and numbers compare, with units and short names: ", "`size < 3 MB", ", ", "`latency<2ms", ", ", "`sqnr>=25dB", ", ", "`sparsity>=50%", ". Bounds of one number hold together."),
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
      found.map((q) => [make("code", { title: q.says || q.title }, q.name), q.short.length ? ` or ${q.short.join(", ")}` : "", "; "]).flat())));
  }
  const others = Object.keys(TEXTS).filter((k) => !LISTED.includes(k));
  tokens.append(make("p", { class: "muted" }, "Also: ", others.map((k) => [make("code", {}, `${k}:`), " "]).flat()));
};
const applyTokens = () => {
  const present = new Set(filtered.tokens.map((token) => token.text));
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
