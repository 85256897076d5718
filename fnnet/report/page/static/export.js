// Export: the kept rows as CSV, and the conditions in the words of `fnnet results --where`.

// The rows of the table in its order, with all digits.
function csvOf({columns, rows}) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const harmless = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text); // a spreadsheet would compute it
  const number = (text) => text.replace("Infinity", "inf");
  const lines = [
    columns.map(({name}) => quoted(harmless(name))),
    ...rows.map((row) =>
      columns.map(({numeric, text}) => quoted(numeric ? number(text(row)) : harmless(text(row)))),
    ),
  ];
  return lines.map((line) => `${line.join(",")}\n`).join("");
}

function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The words that select the runs of the kept rows; an error if there are none.
function whereOf(view, conditions) {
  return [...new Set(conditions.flatMap((condition) => wordsOf(view, condition)))].join(" ");
}

function wordsOf(view, condition) {
  const {column, codes, not, low, high} = condition;
  if (condition.configs) throw new Error("configurations that were chosen by their spread");
  if (condition.missing) throw new Error(`runs without a ${column}`);
  if (!/^[A-Za-z_]\w*$/.test(column)) throw new Error(`the column ${column}`);
  if (!view.codes.has(column) && unitOf(view) !== "run") throw new Error("conditions on means; show each run instead");
  const isRange = low !== undefined || high !== undefined;
  if (condition.diverged && isRange) throw new Error(`a range of ${column} or diverged runs`);
  if ("diverged" in condition) return [`diverged=${condition.diverged ? "yes" : "no"}`];
  if (codes) return wordsOfCodes(column, codes);
  if (not) return [`${column}!=${spelled(column, not)}`];
  const words = [];
  if (low !== undefined) words.push(`${column}>${condition.openLow ? "" : "="}${low}`);
  if (high !== undefined) words.push(`${column}<${condition.openHigh ? "" : "="}${high}`);
  if (view.metrics.has(column) && view.numDiverged.some(Boolean)) words.push("diverged=no");
  return words;
}

function wordsOfCodes(column, codes) {
  const {values, numeric} = axes.get(column);
  if (!codes.length) throw new Error("that no run is kept");
  const [first, last] = [codes[0], codes.at(-1)];
  return numeric && codes.length > 2 && last - first === codes.length - 1
    ? [`${column}>=${values[first]}`, `${column}<=${values[last]}`]
    : [`${column}=${spelled(column, codes)}`];
}

function spelled(column, codes) {
  const {values} = axes.get(column);
  return codes
    .map((code) => {
      const value = values[code];
      // Other words are read as something else there, or end the condition.
      const isWord = /^[A-Za-z_][\w.+-]*$/.test(value) && !/^(on|off|yes|no|none|null|nan|inf|infinity)$/i.test(value);
      if (typeof value !== "number" && !isWord) throw new Error(`the value ${JSON.stringify(value)} of ${column}`);
      return value;
    })
    .join(",");
}

function showWhere() {
  try {
    const words = whereOf(now.view, now.conditions);
    say("where", words ? `--where "${words}"` : "All runs are kept.");
    if (words) navigator.clipboard?.writeText(by("where").textContent).catch(() => {}); // it can be copied by hand
  } catch (error) {
    say("where", `--where has no words for ${error.message}.`);
  }
}

function connectExport() {
  const name = data.title.replace(/[^\w.-]+/g, "_");
  by("csv").addEventListener("click", () => download(`${name}-${state.view}.csv`, csvOf(table)));
  by("copy-where").addEventListener("click", showWhere);
}
