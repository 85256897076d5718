// Columns: the axes, metrics and rows of the page, decoded; how their values are placed, compared and formatted.

const data = JSON.parse(document.getElementById("report-data").textContent);

function decode({type, bytes}) {
  const text = atob(bytes);
  const buffer = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) buffer[i] = text.charCodeAt(i);
  return new {Int32: Int32Array, Float32: Float32Array, Float64: Float64Array}[type](buffer.buffer);
}

// Arrays by name, each decoded on first use.
function decodedOnDemand(arrays = {}) {
  const decoded = new Map();
  const get = (name) => {
    if (!decoded.has(name) && Object.hasOwn(arrays, name)) decoded.set(name, decode(arrays[name]));
    return decoded.get(name);
  };
  return {get, names: Object.keys(arrays)};
}

const mapValues = (object, f) => new Map(Object.entries(object).map(([name, value]) => [name, f(value)]));

const axes = new Map(
  data.axes.map((axis) => [
    axis.name,
    {
      ...axis,
      levelOfValue: decode(axis.level_of_value),
      positions: Float64Array.from(axis.values, (value, code) =>
        axis.numeric ? (axis.scale === "log" ? Math.log10(value) : value) : code,
      ),
    },
  ]),
);

const metrics = new Map(data.metrics.map((metric) => [metric.name, metric]));

const views = mapValues(data.views, (view) => ({
  size: decode(view.num_runs).length,
  codes: mapValues(view.codes, decode),
  metrics: mapValues(view.metrics, (estimates) =>
    Object.fromEntries(Object.entries(estimates).map(([kind, column]) => [kind, decode(column)])),
  ),
  numRuns: decode(view.num_runs),
  numDiverged: decode(view.num_diverged),
  records: mapValues(view.records, decode),
}));

const configOfRun = data.config_of_run ? decode(data.config_of_run) : null;

// Whether a row has no value to draw because its runs diverged.
function isLost(view, row, value) {
  const diverged = view.numDiverged[row];
  return diverged > 0 && (diverged === view.numRuns[row] || !Number.isFinite(value));
}

// The place of a metric's value on its scale; NaN where it has none.
function placeOfMetric(metric, value) {
  if (metric.scale !== "log") return Number.isFinite(value) ? value : NaN;
  return value > 0 && value < Infinity ? Math.log10(value) : NaN;
}

const valueAt = (scale, place) => (scale === "log" ? 10 ** place : place);

// Negative if the first is better; values that are not finite come last.
function compare(metric, first, second) {
  const known = Number.isFinite(first);
  const otherKnown = Number.isFinite(second);
  if (!known || !otherKnown) return otherKnown - known;
  return metric.higher === true ? second - first : first - second;
}

// The value as in the table of the sweep: single precision in its shortest exact form.
function exact(value, isSingle) {
  if (typeof value !== "number" || !isSingle || !Number.isFinite(value)) return String(value);
  for (let digits = 6; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(value);
}

// A number for a tick or a cell; tooltips and the table show it exactly.
function short(value, digits = 3) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3))
    return value.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

const count = (number) => number.toLocaleString("en");
const unitOf = (view) => (view === views.get("means") ? "configuration" : "run");

function axisValue(view, name, row) {
  const code = view.codes.get(name)[row];
  return code < 0 ? null : axes.get(name).values[code];
}
