// Ticks: positions and labels on the axes of figures.

// Ticks [position, text] between two positions on a scale.
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

// Ticks at the values of an axis if there are few, thinned to the available space.
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
