// Colors: those of the theme, of levels, and between bad and good.

const OKABE_ITO = {
  light: ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442"],
  dark: ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2", "#999999"],
};
const NUM_HUES = 8;
const hue = (i) => OKABE_ITO[theme.isDark ? "dark" : "light"][i % NUM_HUES];
const LOST = "#D55E00"; // diverged
const VIRIDIS = model("heatmap.mapper").palette.map((color) =>
  typeof color === "string" ? color : `#${(color >>> 8).toString(16).padStart(6, "0")}`,
);

let theme = {};

// Read the colors of the theme from the page, and apply them to the figures.
function paint(isDark) {
  const drop = document.body.appendChild(document.createElement("i"));
  const colorOf = (name) => {
    drop.style.color = `var(--${name})`;
    return getComputedStyle(drop).color;
  };
  theme = Object.fromEntries(["ink", "muted", "rule", "panel", "ghost"].map((name) => [name, colorOf(name)]));
  theme.isDark = isDark;
  drop.remove();
  for (const figure of figures.roots()) {
    figure.background_fill_color = theme.panel;
    figure.border_fill_color = theme.panel;
    for (const axis of [...figure.below, ...figure.left]) {
      axis.axis_line_color = theme.rule;
      axis.major_tick_line_color = theme.rule;
      axis.major_label_text_color = theme.ink;
      axis.axis_label_text_color = theme.ink;
    }
    for (const grid of figure.center) grid.grid_line_color = theme.rule;
  }
  model("heatmap.bar").major_label_text_color = theme.ink;
}

// A color between bad, 0, and good, 1, that is visible on the page.
function shade(share) {
  const t = theme.isDark ? 0.4 + 0.6 * share : 0.86 * share;
  return VIRIDIS[Math.max(0, Math.min(255, Math.round(255 * t)))];
}

// The colors of an axis' levels: shades for numbers, hues for anything else.
function levelColor(axis, level) {
  if (level >= axis.levels.length) return theme.muted; // the axis is missing
  if (!axis.numeric && axis.levels.length <= NUM_HUES) return hue(level);
  return shade(axis.levels.length > 1 ? level / (axis.levels.length - 1) : 0);
}
