// The filter: `status:fail,crash label:"nested-model" -technique:float sqnr_float_db<20 resnet`.
// Values of one key are alternatives; everything else, bounds of one number too, must hold together.

const TEXTS = {
  status: (c) => c.status,
  stage: (c) => c.stage,
  label: (c) => c.label,
  technique: (c) => c.technique,
  family: (c) => c.family,
  variant: (c) => c.variant,
  expectation: (c) => c.expectation,
  blocker: (c) => c.blocker,
  kind: (c) => c.blocker_kind,
  reused: (c) => (c.reused ? "yes" : "no"),
  name: (c) => c.application,
  case: (c) => c.case,
  exception: (c) => (c.failure?.chain ?? []).map((l) => at(l[0])).join("\n"),
  message: (c) => (c.failure?.chain ?? []).map((l) => at(l[1])).join("\n"),
  fingerprint: (c) => c.fingerprint,
  run: (c) => c.run_id,
};
// Keys with few values: shown with their counts in the token help.
const LISTED = ["status", "expectation", "technique", "label", "blocker", "stage", "family", "variant", "reused"];

const vocabulary = Object.fromEntries(
  Object.entries(TEXTS).map(([key, text]) => [key, new Set(cases.map((c) => text(c).toLowerCase()))]),
);

// Split at `separators` outside quotes, keeping quotes and escapes as they are.
const split = (text, separators) => {
  const parts = [];
  let part = "";
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (quoted && c === "\\" && i + 1 < text.length) {
      part += c + text[(i += 1)];
    } else if (!quoted && separators.test(c)) {
      parts.push(part);
      part = "";
    } else {
      if (c === '"') quoted = !quoted;
      part += c;
    }
  }
  return [...parts, part];
};
const unquoted = (text) => text.replace(/\\(.)|"/g, (_, escaped) => escaped ?? "");
const quoted = (text) => (/^[^\s"\\,*:]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, "\\$&")}"`);

const words = (text) => split(text, /\s/).filter(Boolean);

const glob = (pattern) =>
  new RegExp(`^${pattern.split("*").map((p) => p.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")}$`, "s");

// An exact value means just that value; anything else means "contains".
const textTest = (key, raw) => {
  const wanted = unquoted(raw).toLowerCase();
  const text = (c) => TEXTS[key](c).toLowerCase();
  if (wanted === "none" && !raw.includes('"')) return (c) => text(c) === "";
  if (vocabulary[key].has(wanted)) return (c) => text(c) === wanted;
  if (wanted.includes("*") && !raw.includes('"')) {
    const pattern = glob(wanted);
    return (c) => text(c) !== "" && pattern.test(text(c));
  }
  return (c) => text(c).includes(wanted);
};

const SCALES = { "": 1, "%": 0.01, k: 1e3, m: 1e6, g: 1e9 };
const quantityNames = new Map([...quantities.keys()].map((name) => [name.toLowerCase(), name]));
const COMPARED = {
  ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, "=": (a, b) => a === b,
};
const numberTest = (name, raw) => {
  const { value } = quantities.get(quantityNames.get(name));
  if (raw === "none") return (c) => value(c) === null;
  const found = /^(>=|<=|>|<|=)?(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?|-?inf)([kmg%]?)$/i.exec(raw);
  if (!found) return null;
  const compared = COMPARED[found[1] ?? "="];
  const bound = (INFINITE.get(found[2].toLowerCase()) ?? Number(found[2])) * SCALES[found[3].toLowerCase()];
  return (c) => value(c) !== null && compared(value(c), bound);
};

// `key:value`, or `number<value` with any comparison; anything else is a word without a key.
const keyed = (word) => {
  const [, key, raw] = /^([A-Za-z_][\w.]*):(.*)$/s.exec(word) ?? [];
  if (key !== undefined) return { key, raw };
  const [, name, sign, bound] = /^([A-Za-z_][\w.]*)([<>]=?|=)(.*)$/s.exec(word) ?? [];
  const known = quantityNames.has(name?.toLowerCase());
  const compared = known || (/^[-\d.]/.test(bound ?? "") && !Object.hasOwn(TEXTS, name));
  return compared ? { key: name, raw: bound && sign + bound } : {};
};

// -> { matches(case), problems: [text] }
const parseFilter = (text) => {
  const wanted = new Map();
  const refused = [];
  const problems = [];
  for (const word of words(text)) {
    const negative = word.length > 1 && word.startsWith("-");
    const body = negative ? word.slice(1) : word;
    const { key, raw } = keyed(body);
    const name = key?.toLowerCase();
    const numeric = quantityNames.has(name) && !Object.hasOwn(TEXTS, name);
    let test;
    if (key === undefined) {
      const part = unquoted(body).toLowerCase();
      test = (c) => c.application.toLowerCase().includes(part) || c.family.toLowerCase().includes(part);
    } else if (raw === "") {
      continue; // still being typed
    } else if (numeric || Object.hasOwn(TEXTS, name)) {
      const one = numeric ? numberTest : textTest;
      const tests = split(raw, /,/).filter(Boolean).map((value) => one(name, value));
      if (tests.includes(null)) {
        problems.push(`${key}: takes a number, such as >10 or <2.5M`);
        continue;
      }
      test = (c) => tests.some((t) => t(c));
    } else {
      problems.push(`no token ${key}:`);
      continue;
    }
    const group = numeric ? word : name ?? word;
    if (negative) refused.push(test);
    else wanted.set(group, [...(wanted.get(group) ?? []), test]);
  }
  const groups = [...wanted.values()];
  return {
    problems,
    matches: (c) => groups.every((tests) => tests.some((t) => t(c))) && !refused.some((t) => t(c)),
  };
};

// Put a token into the filter text, or take it out if it is there.
const toggled = (text, token) => {
  const present = words(text);
  return (present.includes(token) ? present.filter((w) => w !== token) : [...present, token]).join(" ");
};
