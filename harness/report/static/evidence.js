// What a reader takes along from a case: its record as the page has it, and the text of an issue.

const recordOf = (c) => {
  const f = c.failure;
  return {
    case: c.case, application: c.application, family: c.family, technique: c.technique, variant: c.variant,
    status: c.status, stage: c.stage, until: c.until, label: c.label || null,
    blocker_kind: c.blocker_kind || null, blocker: c.blocker || null, blocker_name: c.blocker_name || null,
    fingerprint: c.fingerprint || null, expectation: c.expectation || null,
    stages: c.stages.map(([name, status, seconds, cpu]) => ({ name: at(name), status: at(status), seconds, cpu_seconds: cpu })),
    metrics: Object.fromEntries(data.metrics.map((name, i) => [name, c.metrics[i]]).filter(([, v]) => v !== null)
      .map(([name, v]) => [name, Array.isArray(v) ? at(v[0]) : v])),
    failure: f ? {
      chain: (f.chain ?? []).map(([type, message]) => ({ type: at(type), message: at(message) })),
      frames: f.traceback === undefined ? [] : data.tracebacks[f.traceback].map(at),
      signal: at(f.signal) || null, exit_code: f.exit_code ?? null, output: at(f.output),
    } : null,
    seconds: c.seconds, cpu_seconds: c.cpu_seconds, peak_rss_bytes: c.peak_rss_bytes, attempt: c.attempt,
    repro: c.repro, run_id: c.reused ? at(c.reused[0]) : c.run_id, started: c.reused ? at(c.reused[1]) : c.started,
    environment: Object.fromEntries(data.environments[c.environment].map(([name, value]) => [at(name), at(value)])),
  };
};

// A fence that nothing in the text can end.
const fenced = (text) => {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
};
const issueOf = (c) => {
  const record = recordOf(c);
  const known = data.explanations[c.label];
  const title = data.techniques.find((t) => t.id === c.technique)?.title;
  const versions = Object.entries(record.environment).map(([name, value]) => `${name} ${value}`).join(", ");
  const chain = (record.failure?.chain ?? []).map(({ type, message }) => `${type}: ${message}`).join("\n\ncaused by\n\n");
  return [
    `### ${c.application}, ${c.technique} (${c.variant}): ${describe([c.status, c.stage, c.label])}`,
    title ? `What is done: \`${title}\`` : "",
    chain ? `**Error**\n\n${fenced(chain)}` : "",
    record.failure?.frames.length ? `<details><summary>Traceback</summary>\n\n${fenced(record.failure.frames.join("\n"))}\n\n</details>` : "",
    known?.cause ? `**Cause** ${known.cause}` : "",
    `**Repeat**\n\n${fenced(c.repro)}`,
    `**Versions** ${versions}`,
  ].filter(Boolean).join("\n\n");
};

const takeAlong = (text, says) => {
  const button = make("button", { type: "button", class: "quiet" }, says);
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text())) ? "copied" : "press Ctrl+C";
    button.focus();
    setTimeout(() => { button.textContent = says; }, 1600);
  });
  return button;
};
const evidence = (c) => section("Take along", make("p", {},
  takeAlong(() => JSON.stringify(recordOf(c), null, 2), "copy the record"), " ",
  c.failure ? takeAlong(() => issueOf(c), "copy the text of an issue") : ""));
