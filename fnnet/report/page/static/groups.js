// Groups: rows with the same levels of two axes, and the value shown for them.

const student = decode(data.student); // the 0.975 quantile for 1, 2, ... degrees of freedom

function quantile(freedom) {
  if (freedom <= student.length) return student[freedom - 1];
  const z = 1.959963984540054; // Cornish and Fisher's expansion, beyond 200 degrees right to 8 digits
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}

// The mean of some numbers with its 95 % interval, NaN for a single one.
function meanInterval(values) {
  const n = values.length;
  let mean = 0;
  for (const value of values) mean += value;
  mean /= n;
  if (n === 1) return {value: mean, low: NaN, high: NaN};
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const half = quantile(n - 1) * Math.sqrt(squares / (n - 1) / n);
  return {value: mean, low: mean - half, high: mean + half};
}

// Group rows by the levels of one or two axes. A group holds its levels, its rows, and its value with interval:
// those of its only row, of its best row, or the mean of all of them.
function group(view, rows, first, second, metric, others) {
  const columns = view.metrics.get(metric.name);
  const firstCodes = view.codes.get(first.name);
  const secondCodes = second ? view.codes.get(second.name) : null;
  const width = second ? second.levels.length + 1 : 1;
  const byKey = new Map();
  for (const row of rows) {
    const code = firstCodes[row];
    const other = second ? secondCodes[row] : 0;
    if (code < 0) continue;
    const level = first.levelOfValue[code];
    const otherLevel = !second ? 0 : other < 0 ? second.levels.length : second.levelOfValue[other];
    const key = level * width + otherLevel;
    let found = byKey.get(key);
    if (!found) byKey.set(key, (found = {level, otherLevel, rows: []}));
    found.rows.push(row);
  }
  for (const each of byKey.values()) Object.assign(each, estimate(view, columns, metric, each.rows, others));
  return [...byKey.values()];
}

function estimate(view, columns, metric, rows, others) {
  let best = rows[0];
  let numRuns = 0;
  let numDiverged = 0;
  for (const row of rows) {
    if (compare(metric, columns.value[row], columns.value[best]) < 0) best = row;
    numRuns += view.numRuns[row];
    numDiverged += view.numDiverged[row];
  }
  const ofRow = (row) => ({
    value: columns.value[row],
    low: columns.low ? columns.low[row] : NaN,
    high: columns.high ? columns.high[row] : NaN,
  });
  const shown =
    rows.length === 1 || others === "best"
      ? ofRow(rows.length === 1 ? rows[0] : best)
      : meanInterval(rows.map((row) => columns.value[row]));
  return {...shown, best, numRuns, numDiverged};
}

// At most a given number of rows, evenly chosen.
function thin(rows, most) {
  if (rows.length <= most) return rows;
  return Array.from({length: most}, (_, i) => rows[Math.floor((i * rows.length) / most)]);
}
