// Table: the kept rows, of which the browser holds only those in sight.

const ROW_HEIGHT = 24;
const table = {columns: [], rows: [], body: null, scroller: null};

function tableColumns() {
  const {view} = now, columns = [];
  for (const name of view.codes.keys()) {
    const {numeric} = axes.get(name);
    columns.push({name, numeric, at: (row) => axisValue(view, name, row), text: (row) => {
      const value = axisValue(view, name, row);
      return value === null ? "" : String(value);
    }});
  }
  for (const [name, estimates] of view.metrics) {
    for (const [kind, values] of Object.entries(estimates)) {
      const isSingle = values instanceof Float32Array;
      columns.push({name: kind === "value" ? name : `${name}_${kind}`, numeric: true, at: (row) => values[row], text: (row) => exact(values[row], isSingle)});
    }
  }
  if (view === views.get("means")) columns.push({name: "num_runs", numeric: true, at: (row) => view.numRuns[row], text: (row) => String(view.numRuns[row])});
  columns.push(view === views.get("means")
    ? {name: "num_diverged", numeric: true, at: (row) => view.numDiverged[row], text: (row) => String(view.numDiverged[row])}
    : {name: "diverged", numeric: false, at: (row) => view.numDiverged[row], text: (row) => (view.numDiverged[row] ? "yes" : "no")});
  for (const [name, values] of view.records) columns.push({name, numeric: true, at: (row) => values[row], text: (row) => exact(values[row], values instanceof Float32Array)});
  return columns;
}

function drawTable() {
  const {view, selection, metric} = now;
  table.columns = tableColumns();
  const sorted = table.columns.find(({name}) => name === state.sort.column) || table.columns.find(({name}) => name === metric.name);
  const isDown = state.sort.column === null ? metric.higher !== false : state.sort.isDown;
  table.rows = sortRows(selection.rows, sorted, isDown);
  const unit = view === views.get("means") ? "configurations" : "runs";
  say("table-title", selection.isAll ? `All ${view.size.toLocaleString("en")} ${unit}` : `${selection.rows.length.toLocaleString("en")} of ${view.size.toLocaleString("en")} ${unit}`);
  say("table-note", "Values are those of the sweep's table, to the last digit. Click a heading to sort, a row to pin it; arrow keys and Enter do the same.");
  layTable(sorted, isDown);
}

// Numbers by size and names by letters; what is missing or no number comes last either way.
function sortRows(rows, column, isDown) {
  const sign = isDown ? -1 : 1, isKnown = (value) => value !== null && !Number.isNaN(value);
  const values = new Map(rows.map((row) => [row, column.at(row)]));
  return rows.toSorted((first, second) => {
    const a = values.get(first), b = values.get(second), known = isKnown(a), otherKnown = isKnown(b);
    if (!known || !otherKnown) return otherKnown - known;
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  });
}

function layTable(sorted, isDown) {
  const sample = thin(table.rows, 200);
  const root = by("table"), pen = document.createElement("canvas").getContext("2d");
  const {fontSize, fontFamily} = getComputedStyle(root);
  pen.font = `${fontSize} ${fontFamily}`;
  const longest = (texts) => texts.reduce((a, b) => (b.length > a.length ? b : a), "");
  const widths = table.columns.map(({name, numeric, text}) => {
    const cells = pen.measureText(longest(sample.map(text))).width + 24, head = 1.12 * pen.measureText(`${name} ↓`).width + 24;
    return Math.max(head, numeric ? cells : Math.min(260, cells));
  });
  const head = document.createElement("div"), body = document.createElement("div");
  root.style.setProperty("--columns", widths.map((width) => `minmax(${Math.ceil(width)}px, 1fr)`).join(" "));
  root.style.setProperty("--width", `${Math.ceil(widths.reduce((a, b) => a + b, 0))}px`);
  head.className = "head";
  head.setAttribute("role", "row");
  head.append(...table.columns.map((column) => {
    const cell = document.createElement("button");
    cell.type = "button";
    cell.textContent = column.name + (column === sorted ? (isDown ? " ↓" : " ↑") : "");
    cell.title = column.name;
    cell.setAttribute("role", "columnheader");
    cell.setAttribute("aria-sort", column !== sorted ? "none" : isDown ? "descending" : "ascending");
    cell.className = column.numeric ? "number" : "";
    cell.addEventListener("click", () => {
      state.sort = {column: column.name, isDown: column === sorted ? !isDown : column.numeric};
      refresh();
    });
    return cell;
  }));
  body.className = "body";
  body.style.height = `${Math.max(1, table.rows.length) * ROW_HEIGHT}px`;
  const top = root.scrollTop;
  root.replaceChildren(head, body);
  root.scrollTop = top;
  table.body = body;
  showRows();
}

// Put the rows in sight into the page.
function showRows() {
  const root = by("table"), first = Math.max(0, Math.floor(root.scrollTop / ROW_HEIGHT) - 4);
  const last = Math.min(table.rows.length, first + Math.ceil(root.clientHeight / ROW_HEIGHT) + 8);
  if (!table.rows.length) {
    table.body.textContent = "No rows fulfil all conditions.";
    return;
  }
  table.body.replaceChildren(...table.rows.slice(first, last).map((row, i) => {
    const line = document.createElement("div");
    line.className = "row";
    line.dataset.row = row;
    line.setAttribute("role", "row");
    line.style.top = `${(first + i) * ROW_HEIGHT}px`;
    line.classList.toggle("hovered", row === now.hover);
    if (now.pins.includes(row)) line.style.boxShadow = `inset 4px 0 ${pinColor(row)}`;
    line.append(...table.columns.map(({numeric, text}) => {
      const cell = document.createElement("span");
      cell.setAttribute("role", "gridcell");
      cell.className = numeric ? "number" : "";
      cell.textContent = text(row);
      return cell;
    }));
    return line;
  }));
}

function hoverTable(row) {
  for (const line of by("table").querySelectorAll(".row")) line.classList.toggle("hovered", Number(line.dataset.row) === row);
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
    const place = Math.max(0, Math.min(table.rows.length - 1, now.hover < 0 ? 0 : table.rows.indexOf(now.hover) + step));
    const top = place * ROW_HEIGHT, height = root.clientHeight - 2 * ROW_HEIGHT;
    if (top < root.scrollTop) root.scrollTop = top;
    if (top > root.scrollTop + height) root.scrollTop = top - height;
    showRows();
    hover(table.rows[place]);
  });
}
