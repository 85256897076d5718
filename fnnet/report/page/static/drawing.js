// Drawing: Bokeh's figures and their sources, ticks, colors of the theme, and what lies under the pointer.

const figures = Bokeh.loader["document"].Document.from_json(
  JSON.parse(document.getElementById("report-figures").textContent),
);
const model = (name) => figures.get_model_by_name(name);

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

// Read the theme's colors, and give them to the figures.
function paint() {
  const style = getComputedStyle(document.documentElement);
  theme = Object.fromEntries(
    ["ink", "muted", "rule", "panel", "ghost"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
  );
  theme.isDark = style.getPropertyValue("--is-dark").trim() === "1";
  for (const figure of figures.roots()) {
    figure.background_fill_color = theme.panel;
    figure.border_fill_color = theme.panel;
    for (const axis of [...figure.below, ...figure.left]) {
      if (!axis.axis_line_color && !("ticker" in axis)) continue;
      axis.axis_line_color = theme.rule;
      axis.major_tick_line_color = theme.rule;
      axis.major_label_text_color = theme.ink;
      axis.axis_label_text_color = theme.ink;
    }
    for (const grid of figure.center) grid.grid_line_color = theme.rule;
  }
  model("heatmap.bar").major_label_text_color = theme.ink;
}

// A color between bad, 0, and good, 1, that is seen on the page.
function shade(share) {
  const t = theme.isDark ? 0.33 + 0.67 * share : 0.86 * share;
  return VIRIDIS[Math.max(0, Math.min(255, Math.round(255 * t)))];
}

// The colors of an axis' levels: shades for numbers, hues for anything else.
function levelColor(axis, level) {
  if (level >= axis.levels.length) return theme.muted; // the axis is missing
  if (!axis.numeric && axis.levels.length <= NUM_HUES) return hue(level);
  return shade(axis.levels.length > 1 ? level / (axis.levels.length - 1) : 0);
}

// Bokeh would read some texts as TeX.
const plain = (text) => String(text).replace(/([$\\])/g, "$1\u200b");

function put(name, columns) {
  model(name).data = new Map(Object.entries(columns));
}

function setAxis(name, low, high, ticks, label) {
  const axis = model(name);
  const figure = model(name.split(".")[0]);
  const range = name.endsWith(".x") ? figure.x_range : figure.y_range;
  range.setv({start: low, end: high});
  axis.ticker.ticks = ticks.map(([place]) => place);
  axis.major_label_overrides = new Map(ticks.map(([place, text]) => [place, plain(text)]));
  if (label !== undefined) axis.axis_label = plain(shorten(label, 60));
}

// Ticks [place, text] between two places of a scale.
function ticksOf(scale, low, high, most = 7) {
  if (scale === "log") {
    const first = Math.ceil(low - 1e-9);
    const last = Math.floor(high + 1e-9);
    if (last - first >= 2) {
      const step = Math.max(1, Math.ceil((last - first) / most));
      return range(first, last, step).map((place) => [place, power(place)]);
    }
    const places = [];
    for (let decade = Math.floor(low); decade <= high; decade++) {
      for (const digit of [1, 2, 5]) {
        const place = decade + Math.log10(digit);
        if (place >= low - 1e-9 && place <= high + 1e-9) places.push([place, short(digit * 10 ** decade)]);
      }
    }
    if (places.length >= 2) return places;
    return [low, (low + high) / 2, high].map((place) => [place, short(10 ** place, 4)]);
  }
  const rough = (high - low) / most || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find((each) => each * size >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return range(first, last, 1).map((k) => [k * step, short(k * step, 6)]);
}

const range = (first, last, step) =>
  Array.from({length: Math.max(0, Math.floor((last - first) / step) + 1)}, (_, i) => first + i * step);

const power = (exponent) => (exponent >= -3 && exponent <= 4 ? short(10 ** exponent) : `1e${exponent}`);

// Ticks at the values of an axis where they are few, thinned to the room there is.
function ticksOfAxis(axis, low, high, pixels) {
  if (axis.numeric && axis.values.length > 12)
    return ticksOf(axis.scale, low, high, Math.max(2, Math.floor(pixels / 70)));
  const all = Array.from(axis.positions, (place, code) => [
    place,
    shorten(typeof axis.values[code] === "number" ? short(axis.values[code], 4) : String(axis.values[code]), 14),
  ]);
  return spaced(all, (high - low) / pixels);
}

// Leave out ticks whose labels would touch.
function spaced(ticks, unitsPerPixel) {
  let end = -Infinity;
  return ticks.filter(([place, text]) => {
    const half = (text.length * 3.4 + 4) * unitsPerPixel;
    if (place - half < end) return false;
    end = place + half;
    return true;
  });
}

// The least and the largest of some places, widened a little; [0, 1] where there are none.
function extent(places, pad = 0.04) {
  let low = Infinity;
  let high = -Infinity;
  for (const place of places) {
    if (place < low) low = place;
    if (place > high) high = place;
  }
  if (low > high) return [0, 1];
  const width = high - low || Math.abs(high) * 0.1 || 1;
  return [low - pad * width, high + pad * width];
}

// The size of a figure's frame in pixels; a guess until it is laid out.
function sizeOf(name, key, guess) {
  const property = model(name).properties[key];
  return property.is_unset ? guess : property.get_value();
}
const innerWidth = (name) => sizeOf(name, "inner_width", 500);
const innerHeight = (name) => sizeOf(name, "inner_height", 300);

// The nearest of some points to the pointer, within so many pixels; -1 where none is.
function nearest(name, event, xs, ys, within = 14) {
  const figure = model(name);
  const perX = innerWidth(name) / (figure.x_range.end - figure.x_range.start);
  const perY = innerHeight(name) / (figure.y_range.end - figure.y_range.start);
  let found = -1;
  let least = within * within;
  for (let i = 0; i < xs.length; i++) {
    const distance = ((xs[i] - event.x) * perX) ** 2 + ((ys[i] - event.y) * perY) ** 2;
    if (distance < least) [found, least] = [i, distance];
  }
  return found;
}

// Split lines where a value is missing; each part is {x, y, low, high}.
function segments(points) {
  const parts = [];
  let part = null;
  for (const point of points) {
    if (!Number.isFinite(point.y)) {
      part = null;
      continue;
    }
    if (!part) parts.push((part = {x: [], y: [], low: [], high: []}));
    part.x.push(point.x);
    part.y.push(point.y);
    part.low.push(Number.isFinite(point.low) ? point.low : point.y); // a single run has no interval
    part.high.push(Number.isFinite(point.high) ? point.high : point.y);
  }
  return parts;
}

// The outline of a band around a part of a line.
function outline({x, low, high}) {
  return {x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()]};
}

// Add a line or an outline to columns of several.
function addPart(columns, xs, ys, others) {
  for (const [name, value] of Object.entries({xs, ys, ...others})) columns[name].push(value);
}

const by = (id) => document.getElementById(id);

function say(id, text) {
  by(id).textContent = text;
}

const MAX_ENTRIES = 24; // of a legend

function legend(id, title, entries) {
  const left = entries.length - MAX_ENTRIES;
  by(id).replaceChildren(
    title,
    ...entries.slice(0, MAX_ENTRIES).map(({color, text, onClick}) => {
      const item = document.createElement(onClick ? "button" : "span");
      if (onClick) {
        item.type = "button";
        item.addEventListener("click", onClick);
      }
      const swatch = document.createElement("i");
      swatch.style.background = color;
      item.append(swatch, document.createTextNode(shorten(text, 100)));
      return item;
    }),
    left > 0 ? `and ${count(left)} more` : "",
  );
}
