// The state of the page is its address: what you see is what a link to it shows.

const DEFAULTS = { q: "", sort: "", view: "", variant: "", closed: "", open: "", theme: "" };

const readState = (hash) => {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  return Object.fromEntries(Object.entries(DEFAULTS).map(([k, v]) => [k, given.get(k) ?? v]));
};
const writeState = (wanted) => {
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(wanted)) if (value !== DEFAULTS[key]) parts.set(key, value);
  return `#${parts}`;
};

let state = readState(location.hash);
let render = () => {};

// A step the reader may want to go back over is pushed; one letter more is not.
const setState = (patch, { push = true } = {}) => {
  const before = writeState(state);
  state = { ...state, ...patch };
  const after = writeState(state);
  if (after === before) return;
  history[push ? "pushState" : "replaceState"](null, "", after);
  render();
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
  const given = new URLSearchParams(link.getAttribute("href").slice(1));
  const patch = Object.fromEntries([...given].filter(([k]) => k in DEFAULTS));
  if (!Object.keys(patch).length) return;
  event.preventDefault();
  if (patch.open) openedFrom = link;
  setState(patch);
  if ("q" in patch) document.querySelector(".controls").scrollIntoView({ block: "start" });
});
