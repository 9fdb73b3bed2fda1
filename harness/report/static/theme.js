// The theme: as the system has it until the reader says otherwise. Both pages show it alike, and
// a link from one to the other takes it along.

const THEMES = ["", "light", "dark"];
const nextTheme = (theme) => THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];

const showTheme = (theme) => {
  const root = document.documentElement;
  if (theme && THEMES.includes(theme)) root.dataset.theme = theme;
  else delete root.dataset.theme;
  const button = byId("theme");
  button.querySelector("span").textContent = root.dataset.theme ?? "auto";
  button.setAttribute("aria-label", `Theme: ${root.dataset.theme ?? "as the system"}`);
  for (const link of document.querySelectorAll("a.page")) {
    link.href = link.getAttribute("href").replace(/#.*$/, "") + (root.dataset.theme ? `#theme=${root.dataset.theme}` : "");
  }
};
