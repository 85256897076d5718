// Spread: the deviation over the seeds of each configuration, against its mean.

const spreads = mapValues(data.spread, (spread) => ({...spread, deviations: decode(spread.deviations)}));
const spread = {rows: [], x: [], y: []};

function drawSpread() {
  const {metric, selection} = now;
  const found = spreads.get(metric.name);
  const means = views.get("means");
  say("spread-title", `Spread of ${metric.name} over seeds`);
  const isEmpty = !found || found.within === null;
  by("panel-spread").classList.toggle("empty", isEmpty);
  if (isEmpty) {
    say(
      "spread-note",
      found
        ? "No configuration has several runs with finite values."
        : "Each configuration has one run, so there is no spread over seeds.",
    );
    return;
  }
  const values = means.metrics.get(metric.name).value;
  const rows = thin(
    [...values.keys()].filter(
      (row) => Number.isFinite(placeOfMetric(metric, values[row])) && Number.isFinite(found.deviations[row]),
    ),
    MAX_DRAWN_POINTS,
  );
  const isChosen = chosenConfigs(selection);
  const ordered = [...rows.filter((row) => !isChosen(row)), ...rows.filter(isChosen)];
  Object.assign(spread, {
    rows: ordered,
    x: ordered.map((row) => placeOfMetric(metric, values[row])),
    y: ordered.map((row) => found.deviations[row]),
  });
  put("spread.points", {
    x: spread.x,
    y: spread.y,
    color: ordered.map((row) => (isChosen(row) ? hue(0) : theme.ghost)),
    alpha: ordered.map((row) => (isChosen(row) ? 0.7 : 0.4)),
  });
  const [left, right] = extent(spread.x);
  const rules = [
    ["over seeds, pooled", found.within, hue(0)],
    ["over configurations", found.between, hue(1)],
  ].filter(([, height]) => height !== null);
  const [, high] = extent([0, ...spread.y, ...rules.map(([, height]) => height)], 0.1);
  put("spread.rules", {
    xs: rules.map(() => [left, right]),
    ys: rules.map(([, height]) => [height, height]),
    color: rules.map(([, , color]) => color),
  });
  put("spread.text", {
    x: rules.map(() => right),
    y: rules.map(([, height]) => height),
    text: rules.map(([text]) => text),
    color: rules.map(() => theme.ink),
    back: rules.map(() => theme.panel),
  });
  setAxis(
    "spread.x",
    left,
    right,
    ticksOf(metric.scale, left, right, Math.max(3, Math.floor(innerWidth("spread") / 80))),
    `mean ${metric.name}`,
  );
  setAxis("spread.y", -0.03 * high, high, ticksOf("linear", 0, high, 5), "standard deviation");
  say("spread-note", found.text || "");
}

// Whether a configuration, or any run of it, is kept.
function chosenConfigs(selection) {
  if (state.view === "means") return (row) => selection.isChosen[row] === 1;
  const kept = new Set(selection.rows.map((run) => configOfRun[run]));
  return (row) => kept.has(row);
}

function brushSpread({x0, x1, y0, y1}) {
  const configs = spread.rows.filter(
    (_, i) => spread.x[i] >= x0 && spread.x[i] <= x1 && spread.y[i] >= y0 && spread.y[i] <= y1,
  );
  replace("spread", [{configs, source: "spread"}]);
}

// The configuration under the pointer; in the view of runs, its first one.
function rowAtSpread(event) {
  const found = nearest("spread", event, spread.x, spread.y);
  if (found < 0) return -1;
  return state.view === "means" ? spread.rows[found] : configOfRun.indexOf(spread.rows[found]);
}

function hoverSpread(row) {
  const config = row < 0 || state.view === "means" || !configOfRun ? row : configOfRun[row];
  const i = row < 0 ? -1 : spread.rows.indexOf(config);
  put("spread.hover", i < 0 ? {x: [], y: [], color: []} : {x: [spread.x[i]], y: [spread.y[i]], color: [theme.ink]});
}
