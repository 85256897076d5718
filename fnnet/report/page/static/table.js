// Table: the kept rows, of which the browser holds only those in sight.

const ROW_HEIGHT = 24;
const table = {columns: [], rows: [], body: null};

function tableColumns() {
  const {view} = now;
  const ofAxes = [...view.codes.keys()].map((name) => {
    const at = (row) => axisValue(view, name, row);
    return {name, numeric: axes.get(name).numeric, at, text: (row) => String(at(row) ?? "")};
  });
  const isShown = ([name]) => name === now.metric.name; // it stands next to the axes
  const ofMetrics = [...view.metrics]
    .toSorted((a, b) => isShown(b) - isShown(a))
    .flatMap(([name, estimates]) =>
      Object.entries(estimates).map(([kind, values]) => numbers(kind === "value" ? name : `${name}_${kind}`, values)),
    );
  const isDiverged = (row) => view.numDiverged[row];
  const ofRuns =
    unitOf(view) === "configuration"
      ? [numbers("num_runs", view.numRuns), numbers("num_diverged", view.numDiverged)]
      : [{name: "diverged", numeric: false, at: isDiverged, text: (row) => (isDiverged(row) ? "yes" : "no")}];
  return [...ofAxes, ...ofMetrics, ...ofRuns, ...[...view.records].map(([name, values]) => numbers(name, values))];
}

function numbers(name, values) {
  const isSingle = values instanceof Float32Array;
  return {name, numeric: true, at: (row) => values[row], text: (row) => exact(values[row], isSingle)};
}

function drawTable() {
  const {view, selection, metric} = now;
  table.columns = tableColumns();
  const column = (wanted) => table.columns.find(({name}) => name === wanted);
  const sorted = column(state.sort.column) || column(metric.name);
  const isDown = state.sort.column === null ? metric.higher !== false : state.sort.isDown;
  table.rows = sortRows(selection.rows, sorted, isDown);
  const number = selection.isAll ? "All" : `${count(selection.rows.length)} of`;
  say("table-title", `${number} ${count(view.size)} ${unitOf(view)}s`);
  const help = "Click a heading to sort, a row to pin it; arrow keys and Enter do the same.";
  say("table-note", `Values are those of the sweep's table, to the last digit. ${help}`);
  layTable(sorted, isDown);
}

// Sort numbers by value and names alphabetically; missing values and NaN come last in either direction.
function sortRows(rows, column, isDown) {
  const sign = isDown ? -1 : 1;
  const isKnown = (value) => value !== null && !Number.isNaN(value);
  const values = new Map(rows.map((row) => [row, column.at(row)]));
  return rows.toSorted((first, second) => {
    const a = values.get(first);
    const b = values.get(second);
    const known = isKnown(a);
    const otherKnown = isKnown(b);
    if (!known || !otherKnown) return otherKnown - known;
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  });
}

function layTable(sorted, isDown) {
  const root = by("table");
  const widths = columnWidths(root);
  root.style.setProperty("--columns", widths.map((width) => `minmax(${width}px, 1fr)`).join(" "));
  root.style.setProperty("--width", `${widths.reduce((a, b) => a + b, 0)}px`);
  const head = document.createElement("div");
  head.className = "head";
  head.setAttribute("role", "row");
  head.append(...table.columns.map((column) => heading(column, column === sorted, isDown)));
  table.body = document.createElement("div");
  table.body.className = "body";
  table.body.style.height = `${Math.max(1, table.rows.length) * ROW_HEIGHT}px`;
  const top = root.scrollTop;
  root.replaceChildren(head, table.body);
  root.scrollTop = top;
  showRows();
}

// The width that each column needs, in pixels; numbers are never cut.
function columnWidths(root) {
  const pen = document.createElement("canvas").getContext("2d");
  const {fontSize, fontFamily} = getComputedStyle(root);
  pen.font = `${fontSize} ${fontFamily}`;
  const sample = thin(table.rows, 200);
  const longest = (texts) => texts.reduce((a, b) => (b.length > a.length ? b : a), "");
  return table.columns.map(({name, numeric, text}) => {
    const cells = pen.measureText(longest(sample.map(text))).width + 28;
    const head = 1.12 * pen.measureText(`${shorten(name)} ↓`).width + 24; // bold
    return Math.ceil(Math.max(head, numeric ? cells : Math.min(260, cells)));
  });
}

function heading(column, isSorted, isDown) {
  const cell = document.createElement("button");
  cell.type = "button";
  cell.textContent = shorten(column.name) + (isSorted ? (isDown ? " ↓" : " ↑") : "");
  cell.title = column.name;
  cell.setAttribute("role", "columnheader");
  cell.setAttribute("aria-sort", !isSorted ? "none" : isDown ? "descending" : "ascending");
  cell.className = column.numeric ? "number" : "";
  cell.addEventListener("click", () => {
    state.sort = {column: column.name, isDown: isSorted ? !isDown : column.numeric};
    refresh();
  });
  return cell;
}

// Put the visible rows into the page.
function showRows() {
  const root = by("table");
  const first = Math.max(0, Math.floor(root.scrollTop / ROW_HEIGHT) - 4);
  const last = Math.min(table.rows.length, first + Math.ceil(root.clientHeight / ROW_HEIGHT) + 8);
  if (!table.rows.length) {
    table.body.textContent = "No rows fulfil all conditions.";
    return;
  }
  table.body.replaceChildren(
    ...table.rows.slice(first, last).map((row, i) => {
      const line = document.createElement("div");
      line.className = "row";
      line.dataset.row = row;
      line.setAttribute("role", "row");
      line.style.top = `${(first + i) * ROW_HEIGHT}px`;
      line.classList.toggle("hovered", row === now.hover);
      if (now.pins.includes(row)) line.style.boxShadow = `inset 4px 0 ${pinColor(row)}`;
      line.append(
        ...table.columns.map(({numeric, text}) => {
          const cell = document.createElement("span");
          cell.setAttribute("role", "gridcell");
          cell.className = numeric ? "number" : "";
          cell.textContent = text(row);
          return cell;
        }),
      );
      return line;
    }),
  );
}

function hoverTable(row) {
  for (const line of by("table").querySelectorAll(".row"))
    line.classList.toggle("hovered", Number(line.dataset.row) === row);
}

function connectTable() {
  const root = by("table");
  const rowOf = (event) => {
    const line = event.target.closest(".row");
    return line ? Number(line.dataset.row) : -1;
  };
  root.addEventListener("scroll", showRows, {passive: true});
  root.addEventListener("mousemove", (event) => hover(rowOf(event)));
  root.addEventListener("mouseleave", () => hover(-1));
  root.addEventListener("click", (event) => rowOf(event) >= 0 && pin(rowOf(event)));
  root.addEventListener("keydown", (event) => {
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (event.key === "Enter" && now.hover >= 0 && event.target === root) return pin(now.hover);
    if (!step) return;
    event.preventDefault();
    const place = Math.max(
      0,
      Math.min(table.rows.length - 1, now.hover < 0 ? 0 : table.rows.indexOf(now.hover) + step),
    );
    const top = place * ROW_HEIGHT;
    const height = root.clientHeight - 2 * ROW_HEIGHT;
    if (top < root.scrollTop) root.scrollTop = top;
    if (top > root.scrollTop + height) root.scrollTop = top - height;
    showRows();
    hover(table.rows[place]);
  });
}
