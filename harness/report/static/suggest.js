// Helping hands for the filter: completions, what was meant, and what leaves nothing.

// How many letters two words differ in, counting a swap of neighbours as one; at most `most` + 1.
const distance = (a, b, most) => {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let [before, row] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] !== b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
};
const alike = (word, known, count = 2) => {
  const wanted = word.toLowerCase();
  const most = Math.max(1, Math.floor(wanted.length / 3));
  const near = [...known].map((one) => [distance(wanted, one.toLowerCase(), most), one]).filter(([d]) => d > 0 && d <= most);
  return near.sort((a, b) => a[0] - b[0] || natural.compare(a[1], b[1])).slice(0, count).map(([, one]) => one);
};

const keyWords = () => [...Object.keys(TEXTS), ...Object.keys(ALSO), ...quantityNames.keys()];
const SAID = ["status", "technique", "label", "family", "variant", "stage", "expectation", "blocker", "weak", "lapsed", "reused", "name", "kind", "group"];

// -> [[what was written, what may have been meant]] for the tokens that mean nothing.
const meant = (tokens) => tokens.flatMap((token) => {
  const sign = token.negative ? "-" : "";
  if (token.unknown) {
    return alike(token.unknown, keyWords()).map((key) => [token.text, sign + key + token.body.slice(token.unknown.length)]);
  }
  if (!token.test || cases.some(token.test)) return [];
  const value = unquoted(token.key ? token.raw : token.body).toLowerCase();
  if (token.key && !SAID.includes(token.key)) return [];
  const known = token.key ? [token.key] : WHERE;
  const found = new Set(known.flatMap((key) => alike(value, [...vocabulary(key).values()].filter(Boolean))));
  return [...found].slice(0, 2).map((one) => [token.text, `${sign}${token.key ? `${token.key}:` : ""}${quoted(one)}`]);
});

// Of a filter that nothing matches: the tokens that do it, and how many cases each keeps out.
const emptied = ({ tokens, all }) => {
  const alone = tokens.filter((token) => token.test && !token.negative && !cases.some(token.test));
  const without = (token) => cases.filter(together(all.filter((one) => one !== token && one.text !== token.text))).length;
  const counted = tokens.filter((t) => t.test).map((token) => ({ token, alone: alone.includes(token), left: without(token) }));
  const helping = counted.filter((one) => one.left > 0).sort((a, b) => b.alone - a.alone || b.left - a.left);
  return helping.length ? helping : counted.filter((one) => one.alone);
};

// Completions of the word at the caret ---------------------------------------------

const NUMBERED = { size: "<3MB", milliseconds: "<2ms", decibel: ">25", share: ">90%", ratio: "<0.5", time: ">60s", number: "<10M", steps: "<2" };
const starts = (known, part) => {
  const folded = part.toLowerCase();
  const at0 = (one) => (one.toLowerCase().startsWith(folded) ? 0 : 1);
  return known.filter((one) => one.toLowerCase().includes(folded)).sort((a, b) => at0(a) - at0(b) || natural.compare(a, b));
};
const COMPLETIONS = 8;

// -> { start, end, found: [{ text, says }] }: what the word there may become.
const completions = (text, caret) => {
  const word = parsed(text).find((one) => one.start <= caret && caret <= one.end);
  if (!word || word.end !== caret || word.text.includes('"')) return { found: [] };
  const sign = word.negative ? "-" : "";
  const there = { start: word.start, end: word.end };
  if (word.key && SAID.includes(word.key) && word.raw !== undefined) {
    const done = word.raw.replace(/[^,]*$/, "");
    const known = [...vocabulary(word.key).values()].filter(Boolean);
    const found = starts(known, word.raw.slice(done.length)).map((value) => ({ text: `${sign}${word.key}:${done}${quoted(value)}`, says: "" }));
    return { ...there, found: found.filter((one) => one.text !== word.text).slice(0, COMPLETIONS) };
  }
  if (word.key || word.unknown || word.body.length < 2 || word.body.includes("*")) return { found: [] };
  const keys = starts(Object.keys(TEXTS), word.body).filter((key) => key.startsWith(word.body.toLowerCase()))
    .map((key) => ({ text: `${sign}${key}:`, says: "" }));
  const numbers = [...quantities.values()].flatMap(({ name, short, title, format }) => {
    const called = starts([...short, name], word.body).find((one) => one.toLowerCase().startsWith(word.body.toLowerCase()));
    return called ? [{ text: `${sign}${called}${NUMBERED[format] ?? "<1"}`, says: title }] : [];
  });
  const values = ["technique", "label", "name", "family"].flatMap((key) =>
    starts([...vocabulary(key).values()].filter(Boolean), word.body).map((value) => ({
      text: key === "name" ? sign + quoted(value) : `${sign}${key}:${quoted(value)}`, says: key === "name" ? "application" : "",
    })));
  const found = [...keys, ...numbers, ...values].filter((one) => one.text.toLowerCase() !== word.text.toLowerCase());
  return { ...there, found: found.slice(0, COMPLETIONS) };
};
