// The filter: `status:fail,crash label:"nested-model" -technique:float sqnr<20 size<3MB resnet*`.
// Values of one key are alternatives; everything else, bounds of one number too, must hold together.

const yes = (found) => (found ? "yes" : "no");
const chain = (c, i) => (c.failure?.chain ?? []).map((l) => at(l[i])).join("\n");
const TEXTS = {
  status: (c) => c.status,
  stage: (c) => c.stage,
  label: (c) => c.label,
  technique: (c) => c.technique,
  family: (c) => c.family,
  variant: (c) => c.variant,
  group: (c) => groupOf.get(c.technique) ?? "",
  expectation: (c) => c.expectation,
  weak: (c) => yes(c.weak.length),
  lapsed: (c) => yes(c.lapsed.length),
  blocker: (c) => c.blocker,
  kind: (c) => c.blocker_kind,
  reused: (c) => yes(c.reused),
  changed: (c) => (c.changed ?? []).join("\n"),
  name: (c) => c.application,
  case: (c) => c.case,
  exception: (c) => chain(c, 0),
  message: (c) => chain(c, 1),
  fingerprint: (c) => c.fingerprint,
  run: (c) => c.run_id,
};
// What else a reader may call them.
const ALSO = { app: "name", application: "name", tech: "technique", error: "message" };
// Keys with few values: shown with their counts in the token help.
const LISTED = [
  "status", "expectation", "technique", "group", "label", "blocker", "stage", "family", "variant", "weak", "lapsed", "reused",
];
const groupOf = new Map(data.techniques.map((t) => [t.id, t.group]));

// The distinct values of a key, as they are written; made when first asked for.
const vocabularies = new Map();
const vocabulary = (key) => {
  if (!vocabularies.has(key)) {
    vocabularies.set(key, new Map(cases.map((c) => TEXTS[key](c)).map((value) => [value.toLowerCase(), value])));
  }
  return vocabularies.get(key);
};

// The text of a key in lower case; made once for each case, for a letter that is typed asks them all.
const folded = new Map();
const lower = (key, c) => {
  if (c.index === undefined) return TEXTS[key](c).toLowerCase();
  if (!folded.has(key)) folded.set(key, cases.map((one) => TEXTS[key](one).toLowerCase()));
  return folded.get(key)[c.index];
};

// By what it may be called, in lower case: a number's own name comes first.
const quantityNames = new Map();
for (const { name, short } of quantities.values()) for (const word of short) quantityNames.set(word.toLowerCase(), name);
for (const name of quantities.keys()) quantityNames.set(name.toLowerCase(), name);

const textKey = (word) => {
  const name = word.toLowerCase();
  return Object.hasOwn(TEXTS, name) ? name : Object.hasOwn(ALSO, name) ? ALSO[name] : null;
};

// An exact value means just that value; anything else means "contains".
const textTest = (key, raw) => {
  const wanted = unquoted(raw).toLowerCase();
  const plain = !raw.includes('"');
  const text = (c) => lower(key, c);
  if (wanted === "none" && plain) return (c) => text(c) === "";
  if (key === "changed") return (c) => text(c).split("\n").includes(wanted) || (wanted === "*" && text(c) !== "");
  if (vocabulary(key).has(wanted)) return (c) => text(c) === wanted;
  if (wanted.includes("*") && plain) {
    const pattern = glob(wanted);
    return (c) => text(c) !== "" && pattern.test(text(c));
  }
  return (c) => text(c).includes(wanted);
};

const COMPARED = {
  ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, "=": (a, b) => a === b,
};
const NUMBER = /^(>=|<=|>|<|=)?(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?|-?inf)([a-zµ×%]*)$/i;
// -> a test, or what is wrong in words.
const numberTest = (name, raw) => {
  const { value, format } = quantities.get(name);
  if (raw === "none") return (c) => value(c) === null;
  const found = NUMBER.exec(raw);
  const units = UNITS[format];
  if (!found) return "takes a number, such as >10 or <2.5M";
  const unit = found[3].toLowerCase();
  if (unit && !Object.hasOwn(units, unit)) return `has no unit ${found[3]}; it is in ${Object.keys(units).join(", ")}`;
  const compared = COMPARED[found[1] ?? "="];
  const bound = (INFINITE.get(found[2].toLowerCase()) ?? Number(found[2])) * (unit ? units[unit] : 1);
  return (c) => value(c) !== null && compared(value(c), bound);
};

// `key:value`, or `number<value` with any comparison; anything else is a word without a key.
const keyed = (word) => {
  const [, key, raw] = /^([A-Za-z_][\w.]*):(.*)$/s.exec(word) ?? [];
  if (key !== undefined) return { key, raw };
  const [, name, sign, bound] = /^([A-Za-z_][\w.]*)([<>]=?|=)(.*)$/s.exec(word) ?? [];
  const known = quantityNames.has(name?.toLowerCase());
  const compared = known || (/^[-\d.]/.test(bound ?? "") && textKey(name) === null);
  return compared ? { key: name, raw: bound && sign + bound } : {};
};

// A word without a key is looked for in what a reader would call a case.
const WHERE = ["name", "family", "technique", "label"];
const wordTest = (body) => {
  const wanted = unquoted(body).toLowerCase();
  if (wanted.includes("*") && !body.includes('"')) {
    const pattern = glob(wanted);
    return (c) => WHERE.some((key) => pattern.test(lower(key, c)));
  }
  return (c) => WHERE.some((key) => lower(key, c).includes(wanted));
};

// -> [{ text, start, end, key, test, negative, group, problem }], one for each word.
const parsed = (text) => tokenized(text).map((word) => {
  const negative = word.text.length > 1 && word.text.startsWith("-");
  const body = negative ? word.text.slice(1) : word.text;
  const { key, raw } = keyed(body);
  const token = { ...word, negative, body, key: null, raw, group: word.text, test: null, problem: "" };
  if (key === undefined) return { ...token, test: wordTest(body) };
  const named = textKey(key);
  const name = named ?? quantityNames.get(key.toLowerCase()) ?? null;
  if (name === null) return { ...token, unknown: key, problem: `no token ${key}:` };
  if (raw === "") return { ...token, key: name }; // still being typed
  const one = named ? textTest : numberTest;
  const tests = split(raw, /,/).filter(Boolean).map((value) => one(name, value));
  const wrong = tests.find((test) => typeof test === "string");
  if (wrong) return { ...token, key: name, problem: `${key}: ${wrong}` };
  return { ...token, key: name, group: named ?? word.text, test: (c) => tests.some((test) => test(c)) };
});

// What all of some tokens together let through.
const together = (tokens) => {
  const wanted = new Map();
  for (const { negative, group, test } of tokens) {
    if (test && !negative) wanted.set(group, [...(wanted.get(group) ?? []), test]);
  }
  const groups = [...wanted.values()];
  const refused = tokens.filter((t) => t.test && t.negative).map((t) => t.test);
  return (c) => groups.every((tests) => tests.some((t) => t(c))) && !refused.some((t) => t(c));
};

const namesVariant = (token) => token.key === "variant" && token.raw !== "";
// Where the filter names no variant, it is the one that the page opens with.
const parseFilter = (text) => {
  const tokens = parsed(text);
  const named = tokens.some(namesVariant) || data.variants.length < 2;
  const opened = { text: "", negative: false, group: "variant", test: (c) => c.variant === data.opening };
  const all = named ? tokens : [...tokens, opened];
  return { tokens, problems: tokens.map((t) => t.problem).filter(Boolean), matches: together(all), all };
};

// The variant that the filter names alone, "*" for several or all of them.
const variantOf = (tokens) => {
  if (data.variants.length < 2) return data.variants[0] ?? "";
  const test = together(tokens.filter(namesVariant));
  if (!tokens.some(namesVariant)) return data.opening;
  const shown = data.variants.filter((variant) => test({ variant }));
  return shown.length === 1 ? shown[0] : "*";
};
const withVariant = (text, variant) => {
  const rest = parsed(text).filter((token) => !namesVariant(token)).map((token) => token.text);
  return (variant === data.opening ? rest : [...rest, `variant:${variant === "*" ? "*" : quoted(variant)}`]).join(" ");
};
