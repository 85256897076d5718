// Address: it holds the state of the page, so that a view can be shared and survives a reload.

// Write the state into the address.
function keep() {
  const changed = Object.entries(state).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(opening()[key]),
  );
  const hash = changed.length ? `#${encodeURIComponent(JSON.stringify(Object.fromEntries(changed)))}` : " ";
  try {
    history.replaceState(null, "", hash === " " ? location.pathname + location.search : hash);
  } catch {} // in the frame of a notebook
}

// Read the state from the address, as far as this page has what it names.
function restore() {
  let found = {};
  try {
    found = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  } catch {}
  const start = opening();
  const isIn = (known) => (value) => known.has(value);
  const runs = views.get("runs").size;
  const valid = {
    view: isIn(views),
    metric: isIn(metrics),
    others: isIn(new Set(["mean", "best"])),
    x: isIn(axes),
    heatX: isIn(axes),
    color: (value) => value === null || axes.has(value),
    heatY: (value) => value === null || axes.has(value),
    curve: isIn(new Set(curveNames)),
    theme: isIn(new Set(["auto", "dark", "light"])),
    filter: (value) => typeof value === "string",
    pins: (value) => Array.isArray(value) && value.every((run) => Number.isInteger(run) && run >= 0 && run < runs),
    sort: (value) => value && typeof value === "object" && typeof value.isDown === "boolean",
    conditions: (value) => Array.isArray(value) && value.every(isCondition),
  };
  for (const [key, check] of Object.entries(valid))
    if (found && key in found && check(found[key])) start[key] = found[key];
  return start;
}

function isCondition(condition) {
  if (!condition || typeof condition !== "object") return false;
  if (Array.isArray(condition.configs)) return configOfRun !== null;
  const axis = axes.get(condition.column);
  const codes = [...(condition.codes || []), ...(condition.not || [])];
  if (codes.length && !(axis && codes.every((code) => code in axis.values))) return false;
  return Boolean(axis) || metrics.has(condition.column) || condition.column === "diverged";
}
