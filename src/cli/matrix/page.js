"use strict";
(() => {
  const id = (name) => document.getElementById(name);
  const fields = { user: id("user"), database: id("database"), level: id("level") };
  const marks = [...document.querySelectorAll(".marks button")];
  const heads = [...document.querySelectorAll("thead th.name")];
  const rows = [...document.querySelector("tbody").rows];
  const name = (cell) => cell.querySelector("bdi").textContent;
  const databases = heads.map(name);
  const users = rows.map((row) => name(row.cells[0]));

  // A part of a name, or the whole of it where there is a star or a question mark; capitals don't matter.
  const finder = (text) => {
    text = text.trim().toLowerCase();
    if (!/[*?]/.test(text)) return (it) => it.toLowerCase().includes(text);
    const escaped = text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".");
    const whole = new RegExp("^" + escaped + "$", "su");
    return (it) => whole.test(it.toLowerCase());
  };

  const filter = () => {
    const isUser = finder(fields.user.value);
    const isDatabase = finder(fields.database.value);
    const level = fields.level.value;
    const wanted = marks.filter((mark) => mark.ariaPressed === "true").map((mark) => mark.value);
    const columns = databases.map(isDatabase);
    heads.forEach((head, at) => { head.hidden = !columns[at]; });
    let shown = 0;
    rows.forEach((row, at) => {
      const has = (cell) => level === "reach" ? /\br[ow]\b/.test(cell.className) : cell.classList.contains(level);
      const cells = [...row.cells].slice(1);
      const given = (row.dataset.marks || "").split(" ");
      const fits = isUser(users[at]) && (!wanted.length || wanted.some((mark) => given.includes(mark))) &&
        (!level || cells.some((cell, column) => columns[column] && has(cell)));
      row.hidden = !fits;
      if (!fits) return;
      shown += 1;
      cells.forEach((cell, column) => { cell.hidden = !columns[column]; });
    });
    const open = columns.filter(Boolean).length;
    const of = (some, all, what) => (some === all ? all : `${some} of ${all}`) + " " + what + (all === 1 ? "" : "s");
    id("count").textContent = of(shown, rows.length, "user") + ", " + of(open, heads.length, "database");
    id("nobody").hidden = shown > 0 && open > 0;
    document.querySelector("table").hidden = !(shown > 0 && open > 0);
    // What is shown has an address of its own.
    const state = new URLSearchParams();
    for (const [key, field] of Object.entries(fields)) if (field.value) state.set(key, field.value);
    wanted.forEach((mark) => state.append("mark", mark));
    const hash = state.toString();
    try { history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search); } catch { /* not for every origin */ }
    if (current && !current.offsetParent) stop(first());
  };

  const tell = (cell) => {
    const row = cell.parentElement;
    const user = users[rows.indexOf(row)];
    if (cell.tagName === "TH") {
      return user + (row.classList.contains("off") ? ", who is not active" : "") + (row.dataset.text ? ": " + row.dataset.text : "");
    }
    const database = databases[cell.cellIndex - 1];
    const by = cell.dataset.by === undefined ? database : cell.dataset.by;
    const level = cell.querySelector("b")?.firstChild.textContent;
    let text = level ? `${user} has ${level} on ${database}: by the right on ${by}` : `${user} has no right that reaches ${database}`;
    if (cell.dataset.more) text += "; collections: " + cell.dataset.more;
    return text + ".";
  };

  // One cell of the table can be reached with Tab, all others with the arrows from there.
  let current = null;
  const first = () => rows.find((row) => !row.hidden)?.cells[0];
  const stop = (cell) => {
    if (current) current.tabIndex = -1;
    current = cell;
    if (cell) cell.tabIndex = 0;
  };
  const next = (cell, key) => {
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const step = key === "ArrowLeft" ? "previousElementSibling" : "nextElementSibling";
      do { cell = cell[step]; } while (cell && cell.hidden);
      return cell;
    }
    if (key === "ArrowUp" || key === "ArrowDown") {
      const step = key === "ArrowUp" ? "previousElementSibling" : "nextElementSibling";
      let row = cell.parentElement;
      do { row = row[step]; } while (row && row.hidden);
      return row && row.cells[cell.cellIndex];
    }
    const shown = [...cell.parentElement.cells].filter((it) => !it.hidden);
    return key === "Home" ? shown[0] : key === "End" ? shown.at(-1) : null;
  };
  const body = document.querySelector("tbody");
  const cellOf = (event) => event.target.closest("tbody th, td");
  body.addEventListener("click", (event) => cellOf(event)?.focus({ preventScroll: true }));
  body.addEventListener("focusin", (event) => {
    const cell = cellOf(event);
    stop(cell);
    id("detail").textContent = tell(cell);
  });
  body.addEventListener("keydown", (event) => {
    const cell = cellOf(event);
    const target = cell && next(cell, event.key);
    if (!target) return;
    event.preventDefault();
    target.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      fields.user.focus();
    }
  });

  const form = document.querySelector("form");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    filter();
    document.querySelector(".scroll").scrollTo(0, 0);
  });
  form.addEventListener("reset", () => {
    marks.forEach((mark) => { mark.ariaPressed = "false"; });
    setTimeout(filter);
  });
  marks.forEach((mark) => mark.addEventListener("click", () => {
    mark.ariaPressed = String(mark.ariaPressed !== "true");
    filter();
  }));

  const state = new URLSearchParams(location.hash.slice(1));
  for (const [key, field] of Object.entries(fields)) field.value = state.get(key) ?? "";
  const wanted = state.getAll("mark");
  marks.forEach((mark) => { mark.ariaPressed = String(wanted.includes(mark.value)); });
  stop(first());
  filter();
})();
