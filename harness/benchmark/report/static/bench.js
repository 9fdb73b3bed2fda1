"use strict";
// Tips that keyboards reach too, and the theme. Without this, titles show on hover.
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (point) => {
    tip.textContent = point.getAttribute("aria-label");
    tip.hidden = false;
    const at = point.querySelector(".mark").getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
    const above = at.top - own.height - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
  };
  for (const point of document.querySelectorAll(".point")) {
    point.querySelector("title").remove(); // or the browser would show a second tip
    point.addEventListener("pointerenter", () => show(point));
    point.addEventListener("pointerleave", hide);
    point.addEventListener("focus", () => show(point));
    point.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  // The focus itself scrolls, the page or a panel, to show the point: its tip goes with it.
  addEventListener("scroll", () => {
    const focused = document.activeElement?.closest(".point");
    if (focused && !tip.hidden) show(focused);
    else hide();
  }, { passive: true, capture: true });

  const THEMES = ["", "light", "dark"];
  const button = document.getElementById("theme");
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "") + 1) % THEMES.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    button.querySelector("span").textContent = next || "auto";
    button.setAttribute("aria-label", `Theme: ${next || "as the system"}`);
  });
})();
