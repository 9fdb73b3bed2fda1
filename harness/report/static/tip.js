// Tips: what is cut, or has no room, in full. On hover, and where the keyboard is.

const tip = byId("tip");
const TIPPED = "[data-says], [title]";
let tipFor = null;

const hideTip = () => {
  tip.hidden = true;
  tipFor = null;
};
const showTip = (node, anchor = node) => {
  // Else the browser would show a second one, and to no keyboard.
  if (node.hasAttribute("title")) {
    node.dataset.says = node.getAttribute("title");
    node.removeAttribute("title");
  }
  if (!node.dataset.says) return;
  tip.textContent = node.dataset.says;
  tip.hidden = false;
  tipFor = node;
  const at = anchor.getBoundingClientRect();
  const own = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const above = at.top - own.height - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
};
const anchorOf = (node) => node.querySelector(".mark") ?? node;
const tipped = (event) => event.target.closest?.(TIPPED);

document.addEventListener("pointerover", (event) => {
  const node = tipped(event);
  if (node) showTip(node, anchorOf(node));
  else if (!tipFor?.contains(document.activeElement)) hideTip();
});
document.addEventListener("focusin", (event) => {
  const node = tipped(event);
  if (node && event.target.matches(":focus-visible")) showTip(node, anchorOf(node));
  else hideTip();
});
document.addEventListener("focusout", hideTip);
// The focus itself scrolls, the page or a panel, to show what has it: its tip goes with it.
addEventListener("scroll", () => {
  if (tip.hidden) return;
  if (tipFor?.contains(document.activeElement)) showTip(tipFor, anchorOf(tipFor));
  else hideTip();
}, { passive: true, capture: true });
// Whether there was a tip to send away.
const dismissTip = () => {
  const shown = !tip.hidden;
  tip.hidden = true;
  return shown;
};
