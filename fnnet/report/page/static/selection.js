// Selection: the conditions that rows must satisfy, shared by all panels. A condition is
//   {column, low, high, openLow, openHigh}   a range of an axis or a metric
//   {column, codes}                          some values of an axis
//   {column, not: codes}                     all other values
//   {configs}                                some configurations, by their number
// and may add {missing: true} and {diverged: true}: rows that have no value of the column, or whose runs diverged.

function columnOf(view, name) {
  if (view.codes.has(name)) {
    const {values, numeric} = axes.get(name);
    const codes = view.codes.get(name);
    return {
      codes,
      numeric,
      at: (row) => (codes[row] < 0 ? NaN : values[codes[row]]),
      isMissing: (row) => codes[row] < 0,
    };
  }
  const estimates = view.metrics.get(name);
  const values = estimates ? estimates.value : view.records.get(name);
  if (!values) return null;
  return {
    numeric: true,
    at: (row) => values[row],
    isMissing: (row) => !Number.isFinite(values[row]) && !isLost(view, row, values[row]),
    isLost: estimates ? (row) => isLost(view, row, values[row]) : () => false,
  };
}

// A function of a row, or null where the view lacks the column.
function predicate(view, condition) {
  if (condition.configs) {
    const chosen = new Set(condition.configs);
    return view === views.get("means") ? (row) => chosen.has(row) : (row) => chosen.has(configOfRun[row]);
  }
  if (condition.column === "diverged") return (row) => view.numDiverged[row] > 0 === condition.diverged;
  const column = columnOf(view, condition.column);
  if (!column) return null;
  const {low = -Infinity, high = Infinity, openLow, openHigh} = condition;
  const codes = condition.codes && new Set(condition.codes);
  const not = condition.not && new Set(condition.not);
  const isRange = "low" in condition || "high" in condition;
  return (row) => {
    if (column.isLost && column.isLost(row)) return Boolean(condition.diverged);
    if (column.isMissing(row)) return Boolean(condition.missing);
    if (codes) return codes.has(column.codes[row]);
    if (not) return !not.has(column.codes[row]);
    if (!isRange) return false;
    const value = column.at(row);
    return (openLow ? value > low : value >= low) && (openHigh ? value < high : value <= high);
  };
}

// The rows that satisfy all conditions, in order, and for each row whether it does.
function select(view, conditions) {
  const tests = conditions.map((condition) => predicate(view, condition)).filter(Boolean);
  const isChosen = new Uint8Array(view.size);
  const rows = [];
  for (let row = 0; row < view.size; row++) {
    if (tests.every((test) => test(row))) {
      isChosen[row] = 1;
      rows.push(row);
    }
  }
  return {isChosen, rows, isAll: rows.length === view.size};
}

function describe(condition) {
  if (condition.configs) return `${condition.configs.length} configurations, by their spread`;
  if (condition.column === "diverged") return condition.diverged ? "diverged" : "not diverged";
  const axis = axes.get(condition.column);
  const parts = [];
  const named = (codes) => codes.map((code) => String(axis.values[code])).join(", ");
  const {codes = []} = condition;
  const first = codes[0];
  const last = codes.at(-1);
  if (codes.length > 2 && axis.numeric && last - first === codes.length - 1)
    parts.push(`${short(axis.values[first], 4)} to ${short(axis.values[last], 4)}`);
  else if (codes.length) parts.push(shorten(named(codes)));
  if (condition.not) parts.push(`not ${shorten(named(condition.not))}`);
  const {low, high} = condition;
  if (low !== undefined && high !== undefined) parts.push(`${short(low, 4)} to ${short(high, 4)}`);
  else if (low !== undefined) parts.push(`${condition.openLow ? ">" : "≥"} ${short(low, 4)}`);
  else if (high !== undefined) parts.push(`${condition.openHigh ? "<" : "≤"} ${short(high, 4)}`);
  if (condition.missing) parts.push("missing");
  if (condition.diverged) parts.push("diverged");
  return `${shorten(condition.column)}: ${parts.join(" or ")}`;
}

const shorten = (text, most = 40) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// Parse a filter such as `learning_rate>0.1 depth=2,4 optimizer!="my sgd" diverged=no`.
function parseFilter(view, text) {
  const word = String.raw`"[^"]*"|[^\s<>=!"]+`;
  const term = new RegExp(String.raw`^\s*(${word})\s*(<=|>=|!=|=|<|>)\s*((?:${word})(?:,(?:${word}))*)(?=\s|$)`);
  const plain = (part) => part.replace(/^"|"$/g, "");
  const conditions = [];
  let rest = text;
  while (rest.trim()) {
    const match = term.exec(rest);
    if (!match) throw new Error(`expected a column, a comparison and a value, such as depth=2; got ${rest.trim()}`);
    rest = rest.slice(match[0].length);
    conditions.push(
      parseTerm(
        view,
        plain(match[1]),
        match[2],
        match[3]
          .match(new RegExp(word, "g"))
          .flatMap((part) => (part.startsWith('"') ? [plain(part)] : part.split(",").filter(Boolean))),
      ),
    );
  }
  return conditions;
}

function parseTerm(view, column, sign, given) {
  if (column === "diverged") {
    if (!["=", "!="].includes(sign) || !["yes", "no"].includes(given[0]))
      throw new Error("write diverged=yes or diverged=no");
    return {column, diverged: (given[0] === "yes") === (sign === "=")};
  }
  const found = columnOf(view, column);
  if (!found) {
    const known = [...view.codes.keys(), ...view.metrics.keys(), ...view.records.keys()];
    throw new Error(`there is no column ${column}; there are ${known.join(", ")} and diverged`);
  }
  const numbers = given.map(Number);
  if (sign === "=" || sign === "!=") {
    if (found.codes) {
      const {values} = axes.get(column);
      const codes = [];
      values.forEach((value, code) => {
        if (given.some((each, i) => String(value) === each || (typeof value === "number" && value === numbers[i])))
          codes.push(code);
      });
      return sign === "=" ? {column, codes} : {column, not: codes};
    }
    if (sign === "!=") throw new Error(`${column} is compared by <, <=, >, >= or =`);
    return {column, low: checked(numbers[0], column), high: numbers[0]};
  }
  if (!found.numeric) throw new Error(`${column} holds no numbers, so it is compared by = or !=`);
  const bound = checked(numbers[0], column);
  return sign[0] === ">" ? {column, low: bound, openLow: sign === ">"} : {column, high: bound, openHigh: sign === "<"};
}

function checked(number, column) {
  if (Number.isNaN(number)) throw new Error(`${column} is compared with a number`);
  return number;
}
