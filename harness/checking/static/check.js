"use strict";
// The search in the plan, and the theme. Without this all of the plan is shown.
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const search = document.getElementById("search");
  if (search) {
    const rows = [...document.querySelectorAll("#plan tbody tr")];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const shown = document.getElementById("shown");
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word));
        count += !row.hidden;
      });
      shown.textContent = `${count} of ${rows.length}`;
    };
    search.addEventListener("input", filter);
    filter();
  }

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
