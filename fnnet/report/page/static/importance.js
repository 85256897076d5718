// Importance: the share of each axis and pair of axes, computed from all rows, kept or not.

const MAX_BARS = 10;

function drawImportance() {
  const {metric} = now;
  const found = data.importance[state.view][metric.name];
  say("importance-title", `What ${metric.name} depends on`);
  const shares = found ? found.shares.slice(0, MAX_BARS) : [];
  by("panel-importance").classList.toggle("empty", !found);
  const places = shares.map((_, i) => shares.length - 1 - i);
  put("importance.bars", {
    y: places,
    share: shares.map(([, share]) => share),
    color: shares.map(([name]) => (name === "seeds" ? theme.muted : hue(0))),
  });
  put("importance.text", {
    x: shares.map(([, share]) => share),
    y: places,
    text: shares.map(([, share]) => `${(100 * share).toFixed(1)} %`),
    color: shares.map(() => theme.ink),
  });
  const largest = Math.max(0.1, ...shares.map(([, share]) => share));
  setAxis(
    "importance.x",
    0,
    Math.min(1.12, largest * 1.18),
    ticksOf("linear", 0, Math.min(1, largest * 1.15), 6).map(([place]) => [place, `${Math.round(100 * place)} %`]),
    "",
  );
  setAxis(
    "importance.y",
    -0.6,
    Math.max(0.6, shares.length - 0.4),
    shares.map(([name], i) => [places[i], shorten(name, Math.max(12, Math.floor(innerWidth("importance") / 14)))]),
    "",
  );
  const notes = [
    found ? found.method : "The runs, their values or the direction of the metric tell nothing of importance.",
  ];
  if (found && found.shares.length > MAX_BARS)
    notes.push(`${found.shares.length - MAX_BARS} smaller shares are left out.`);
  notes.push("Of all runs, whatever is kept.");
  say("importance-note", notes.join(" "));
}
