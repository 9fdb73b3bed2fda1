// Making nodes. Nothing that comes from a record is ever parsed as HTML: strings become text nodes.

const SVG = "http://www.w3.org/2000/svg";
const fill = (made, options, children) => {
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    else if (key === "style") for (const [p, v] of Object.entries(value)) made.style.setProperty(p, v);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(3).filter((c) => c !== null && c !== undefined && c !== ""));
  return made;
};
const make = (name, options = {}, ...children) => fill(document.createElement(name), options, children);
const draw = (name, options = {}, ...children) => fill(document.createElementNS(SVG, name), options, children);
const byId = (id) => document.getElementById(id);

// Between backticks is code.
const prose = (text) => {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, i) => (i % 2 ? make("code", {}, part) : part)) : text;
};

// A file that the page itself makes.
const download = (name, type, text) => {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
};
