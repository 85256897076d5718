// Drawing: Bokeh's figures and their sources, and the shapes that are drawn.

const figures = Bokeh.loader["document"].Document.from_json(
  JSON.parse(document.getElementById("report-figures").textContent),
);
const model = (name) => figures.get_model_by_name(name);

// Bokeh would interpret some texts as TeX.
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

// The smallest and the largest of some positions, widened a little; [0, 1] if there are none.
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

// The index of the point nearest to the pointer, within a number of pixels; -1 if there is none.
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

// Append a line or an outline to columns that hold several.
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
