// The words of a filter: `status : fail  size < 3 MB  resnet*  -label:"a b"` is four of them.

// Split at `separators` outside quotes, keeping quotes and escapes as they are; with the place of
// each part.
const splitAt = (text, separators) => {
  const parts = [];
  let part = "";
  let start = 0;
  let inQuotes = false;
  const end = (i) => {
    parts.push({ text: part, start, end: i });
    part = "";
  };
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (inQuotes && c === "\\" && i + 1 < text.length) {
      part += c + text[(i += 1)];
    } else if (!inQuotes && separators.test(c)) {
      end(i);
      start = i + 1;
    } else {
      if (c === '"') inQuotes = !inQuotes;
      part += c;
    }
  }
  end(text.length);
  return parts;
};
const split = (text, separators) => splitAt(text, separators).map((part) => part.text);
const unquoted = (text) => text.replace(/\\(.)|"/g, (_, escaped) => escaped ?? "");
const quoted = (text) => (/^[^\s"\\,*:<>=]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, "\\$&")}"`);

const KEY = /^-?[A-Za-z_][\w.]*$/;
const BEGINS = /^(:|[<>]=?|=|≤|≥|,)/;
const ENDS = /(:|[<>]=?|=|≤|≥|,)$/;
const WHOLE = /^-?[A-Za-z_][\w.]*(:|[<>=≤≥])/;
const COUNTED = /(:|[<>=≤≥])-?(\d+\.?\d*|\.\d+)$/;

// Whether what a reader wrote apart belongs together: an operator to its neighbours, a unit to
// its number. What is before an operator has to be something that can be asked for.
const belongs = (before, after) => {
  if (ENDS.test(before)) return KEY.test(before.replace(/(:|[<>=≤≥]).*$/s, "")) && !WHOLE.test(after);
  if (BEGINS.test(after)) return KEY.test(before) || (after.startsWith(",") && before.includes(":"));
  return COUNTED.test(before) && UNIT_WORDS.has(after.toLowerCase());
};
const OPERATORS = { "≤": "<=", "≥": ">=" };

// -> [{ text, start, end }]: each word as if it had been written together.
const tokenized = (text) => {
  const found = [];
  for (const word of splitAt(text, /\s/)) {
    if (!word.text) continue;
    const last = found.at(-1);
    if (last && belongs(last.text, word.text)) {
      last.text += word.text;
      last.end = word.end;
    } else found.push({ ...word });
  }
  for (const word of found) {
    if (!word.text.includes('"')) word.text = word.text.replace(/[≤≥]/g, (sign) => OPERATORS[sign]);
  }
  return found;
};
const words = (text) => tokenized(text).map((word) => word.text);

const glob = (pattern) =>
  new RegExp(`^${pattern.split("*").map((p) => p.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`, "s");

// Put a token into the filter text, or take it out if it is there.
const toggled = (text, token) => {
  const present = words(text);
  return (present.includes(token) ? present.filter((w) => w !== token) : [...present, token]).join(" ");
};
