// The state of the page is its address: what you see is what a link to it shows.

const DEFAULTS = {
  q: "", show: "", sort: "", view: "", cols: "", x: "", y: "", closed: "", open: "", app: "", compare: "", theme: "",
};

const readState = (hash) => {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const found = Object.fromEntries(Object.entries(DEFAULTS).map(([k, v]) => [k, given.get(k) ?? v]));
  // Addresses of older pages have the variant beside the filter; it is a token of it.
  const variant = given.get("variant");
  if (variant && !/(^|\s)-?variant\s*:/i.test(found.q)) {
    const known = variant === "all" ? "*" : data.variants.find((v) => v === variant);
    if (known && known !== data.opening) found.q = `${found.q} variant:${known}`.trim();
  }
  return found;
};
const writeState = (wanted) => {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(wanted)) if (value !== DEFAULTS[key]) parts.set(key, value);
  return `#${parts}`;
};
// The address of what is shown now but for what is given.
const addressOf = (patch) => writeState({ ...state, ...patch });

let state = readState(location.hash);
let render = () => {};

// A step the reader may want to go back over is pushed; one letter more is not. What is typed is
// drawn soon, when no further letter follows.
const setState = (patch, { push = true, soon = false } = {}) => {
  const before = writeState(state);
  state = { ...state, ...patch };
  const after = writeState(state);
  if (after === before) return;
  history[push ? "pushState" : "replaceState"](null, "", after);
  render({ soon });
};

// A pushed address fires no popstate; links and the back button do.
addEventListener("popstate", () => {
  state = readState(location.hash);
  render();
});

// A link in the page names what it changes; the rest of the state stays.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const href = link.getAttribute("href");
  const given = new URLSearchParams(href.slice(1));
  const patch = Object.fromEntries([...given].filter(([k]) => k in DEFAULTS));
  if (!Object.keys(patch).length) {
    // A place of the page: the address is taken by the state.
    const place = byId(href.slice(1));
    if (!place || link.classList.contains("skip")) return;
    event.preventDefault();
    place.scrollIntoView({ block: "start" });
    place.focus({ preventScroll: true });
    return;
  }
  event.preventDefault();
  if (patch.open) Object.assign(patch, { app: "", compare: "" });
  else if (patch.app) Object.assign(patch, { open: "", compare: patch.compare ?? "" });
  if (patch.open || patch.app) openedFrom = link;
  setState(patch);
  if ("q" in patch) byId("under").scrollIntoView({ block: "nearest" });
});
