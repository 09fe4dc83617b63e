"use strict";
// The page's state is its address: #impl=…&family=…&q=…&case=…&output=…; every link and every filter only sets that.
const WORST = ["crashed", "timed out", "fail", "deviates", "pass", "unsupported"];
const FAILED = WORST.slice(0, 3);
const MARK = { pass: "ok", deviates: "ok*", unsupported: "-" };
const FILTERS = ["q", "impl", "family", "level", "status", "order"];
const $ = (id) => document.getElementById(id);
const small = matchMedia("(max-width: 760px)");
let data, columns, statusOf, familyOf, orders, haystacks, shown = [], chosen = -1;

// ---- what others wrote becomes text, never markup ----
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))));
  return made;
}
const linked = (state, ...children) => el("a", { href: "#" + new URLSearchParams(state) }, ...children);
const looks = (status) => status.split(" ")[0];
const number = (value) => {
  if (typeof value !== "number") return value || "";
  return value !== 0 && (value >= 1e4 || value < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
};
const text = (row, name) => (columns[name][row] < 0 ? "" : data.texts[columns[name][row]]);
const caseOf = (row) => data.cases[columns.case[row]];

async function unpacked() {
  const packed = atob($("data").textContent), bytes = new Uint8Array(packed.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i);
  return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text());
}

// ---- state ----
const isState = () => location.hash.includes("=");
const state = () => Object.fromEntries(new URLSearchParams(isState() ? location.hash.slice(1) : ""));
function setState(next) {
  const kept = Object.fromEntries(Object.entries(next).filter(([, value]) => value));
  history.replaceState(null, "", Object.keys(kept).length ? "#" + new URLSearchParams(kept) : location.pathname + location.search);
  show(false);
}

// ---- filtering: every distinct text is searched once, and a row is a few look-ups ----
function matcher(words) {
  const has = (texts) => words.map((word) => Uint8Array.from(texts, (each) => each.includes(word)));
  const hits = Object.entries(haystacks).map(([name, texts]) => [columns[name], has(texts)]);
  const messages = has(haystacks.message);
  hits.push([columns.kind, messages], [columns.diagnosis, messages]);
  return (row) => words.every((_, word) => hits.some(([column, found]) => column[row] >= 0 && found[word][column[row]]));
}
function filtered(wanted) {
  const tests = [], at = (list, value) => list.indexOf(value);
  const equal = (column, value) => tests.push((row) => column[row] === value);
  if (wanted.impl) equal(columns.name, at(data.names, wanted.impl));
  if (wanted.level) equal(columns.level, at(data.levels, wanted.level));
  if (wanted.family) tests.push((row) => familyOf[row] === wanted.family);
  if (wanted.case) equal(columns.case, data.cases.findIndex(([id]) => id === wanted.case));
  if (wanted.status === "failed") tests.push((row) => FAILED.includes(statusOf[row]));
  else if (wanted.status) tests.push((row) => statusOf[row] === wanted.status);
  if (wanted.output) equal(columns.output, at(data.outputs, wanted.output));
  if (wanted.why) {
    const why = at(data.texts, wanted.why);
    tests.push((row) => columns.message[row] === why || columns.diagnosis[row] === why);
  }
  const words = (wanted.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length) tests.push(matcher(words));
  return orders[wanted.order === "asked" ? "asked" : "worst"].filter((row) => tests.every((test) => test(row)));
}

// ---- the list: only rows that are seen exist ----
const rowHeight = () => (small.matches ? 56 : 34);
function draw() {
  const height = rowHeight(), list = $("list");
  $("rows").style.height = `${shown.length * height}px`;
  const first = Math.max(0, Math.floor(list.scrollTop / height) - 5);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / height) + 10);
  $("rows").replaceChildren(...Array.from({ length: last - first }, (_, i) => drawn(first + i, height)));
  if (chosen >= first && chosen < last) list.setAttribute("aria-activedescendant", `row-${chosen}`);
  else list.removeAttribute("aria-activedescendant");
}
function drawn(place, height) {
  const row = shown[place], [id] = caseOf(row), status = statusOf[row];
  const made = el("div", { class: "row", role: "option", id: `row-${place}`, "aria-selected": place === chosen, "aria-setsize": shown.length, "aria-posinset": place + 1 },
    el("span", {}, data.names[columns.name[row]]), el("code", { class: "case" }, small.matches ? `${id} ${data.outputs[columns.output[row]]}` : id),
    el("code", { class: "output" }, data.outputs[columns.output[row]]), el("span", { class: `cell ${looks(status)}` }, status),
    el("span", { class: "n" }, number(columns.score[row])), el("span", { class: "what" }, text(row, "message").slice(0, 300)));
  made.style.top = `${place * height}px`;
  return made;
}
function choose(place) {
  if (!shown.length) return;
  chosen = Math.max(0, Math.min(shown.length - 1, place));
  const list = $("list"), top = chosen * rowHeight();
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + rowHeight() > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight() - list.clientHeight;
  draw();
}

// ---- one result ----
function gauge(score) {
  const place = score === "inf" ? 100 : Math.max(0, Math.min(100, ((Math.log10(score || 1e-3) + 3) / 12) * 100));
  const words = `score ${number(score)} on a logarithmic scale from 1e-3 to 1e9; the mark is 1, the allowance`;
  const bar = el("span", { class: score === "inf" || score > 1 ? "crashed" : "allowed" });
  bar.style.width = `${place}%`;
  return el("div", { class: "gauge", role: "img", "aria-label": words, title: words }, bar);
}
function open(row) {
  const [id, family, says, clauses] = caseOf(row), name = data.names[columns.name[row]], output = data.outputs[columns.output[row]];
  const evidence = text(row, "reference"), level = data.levels[columns.level[row]];
  const run = data.devices[name] === "files" ? "" : `bnconform run ${name} -k ${id}\n`;
  const facts = [
    ["status", el("span", { class: `cell ${looks(statusOf[row])}` }, statusOf[row], text(row, "kind") && `: ${text(row, "kind")}`)],
    ["what", text(row, "message")], ["diagnosis", text(row, "diagnosis")],
    ["score", columns.score[row] === null ? "" : `${number(columns.score[row])} (error / allowance; at most 1 passes)`],
    ["", columns.score[row] === null ? "" : gauge(columns.score[row])],
    ["largest error", number(columns.error[row])], ["worst index", columns.worst[row] < 0 ? "" : `(${text(row, "worst")})`],
    ["case", says], ["clauses", clauses], ["family, level", [family, level].filter(Boolean).join(", ")],
    ["evidence", /^https?:/.test(evidence) ? el("a", { href: evidence, rel: "noreferrer" }, evidence) : evidence && el("pre", {}, evidence)],
    ["again", el("pre", {}, `${run}bnconform explain ${id}`)],
  ];
  $("detail-body").replaceChildren(el("h3", { id: "detail-title" }, `${name}: ${id} ${output}`),
    el("dl", {}, ...facts.filter(([, value]) => value).flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value)])),
    el("p", {}, linked({ case: id, output }, "the same output of every implementation")));
  if (!$("detail").open) $("detail").showModal();
  chosen = shown.indexOf(row);
}
function opened(place) {
  choose(place);
  if (chosen >= 0) setState({ ...state(), row: String(shown[chosen]) });
}

// ---- the address decides what is seen ----
let last = null; // what was filtered by
function show(jump) {
  const { row, ...wanted } = state();
  if (JSON.stringify(wanted) !== last) list(wanted);
  last = JSON.stringify(wanted);
  const one = row ? Number(row) : wanted.output && shown.length === 1 ? shown[0] : -1;
  if (statusOf[one]) open(one);
  else if ($("detail").open) $("detail").close();
  if (isState() && jump) $("results").scrollIntoView();
}
function list(wanted) {
  const form = $("filters").elements;
  for (const name of FILTERS) if (form[name].value !== (wanted[name] || "")) form[name].value = wanted[name] || "";
  shown = filtered(wanted);
  $("count").textContent = `${shown.length.toLocaleString("en")} of ${statusOf.length.toLocaleString("en")} results`;
  const { case: id, output, why, ...wider } = wanted, only = [id, output, why].filter(Boolean);
  $("only").hidden = !only.length;
  $("only").replaceChildren("only: ", el("code", {}, only.join(" ")), " ", linked({ ...wider, all: "" }, "show others too"));
  $("list").scrollTop = 0;
  chosen = -1;
  draw();
}

// ---- matrix: families, each open to its cases ----
function worstOf(rows) {
  const seen = new Set(rows.map((row) => statusOf[row]));
  const status = WORST.find((each) => seen.has(each)), scores = rows.map((row) => columns.score[row]).filter((score) => typeof score === "number");
  const count = rows.filter((row) => (FAILED.includes(status) ? FAILED.includes(statusOf[row]) : statusOf[row] === status)).length;
  const detail = status === "pass" ? (scores.length ? Math.max(...scores).toFixed(2) : "") : count;
  return [status, `${MARK[status] || "FAIL"} ${detail}`];
}
function line(head, groups, at) {
  const cells = data.names.map((name, index) => {
    const rows = groups[index];
    if (!rows) return el("td", {}, "");
    const [status, words] = worstOf(rows);
    return el("td", { class: `cell ${looks(status)}` }, linked({ impl: name, ...at }, words));
  });
  return el("tr", at.case ? { class: "case" } : {}, el("th", { scope: "row" }, head), ...cells);
}
function grouped(key) {
  const found = new Map();
  for (const row of orders.asked) {
    const name = key(row);
    if (!found.has(name)) found.set(name, []);
    (found.get(name)[columns.name[row]] ||= []).push(row);
  }
  return found;
}
function matrix() {
  const families = grouped((row) => familyOf[row]), cases = grouped((row) => caseOf(row)[0]), body = el("tbody");
  for (const [family, groups] of families) {
    const button = el("button", { type: "button", "aria-expanded": "false" }, `▸ ${family}`);
    const row = line(button, groups, { family });
    let inner = null;
    button.addEventListener("click", () => {
      inner ||= [...cases].filter(([id]) => familyOf[cases.get(id).flat()[0]] === family).map(([id, found]) => line(linked({ case: id }, id), found, { case: id }));
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      button.textContent = `${open ? "▸" : "▾"} ${family}`;
      if (open) inner.forEach((each) => each.remove());
      else row.after(...inner);
    });
    body.append(row);
  }
  const head = el("tr", {}, el("th", { scope: "col" }, "family"), ...data.names.map((name) => el("th", { scope: "col" }, name)));
  $("families").replaceChildren(el("thead", {}, head), body);
  $("families").addEventListener("keydown", walk);
}
function walk(event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const cell = event.target.closest("th, td");
  if (!step || !cell) return;
  event.preventDefault();
  const rows = [...cell.closest("tbody").rows], row = rows[rows.indexOf(cell.parentElement) + step[0]];
  row?.cells[cell.cellIndex + step[1]]?.querySelector("a, button")?.focus();
}

// ---- tables of words, drawn when opened ----
function table({ title, head, rows }) {
  const made = el("details", {}, el("summary", {}, title));
  const cell = (value) => el("td", {}, Array.isArray(value) ? el("a", { href: /^https?:/.test(value[1]) ? value[1] : null, rel: "noreferrer" }, value[0]) : value);
  made.addEventListener("toggle", () => {
    if (made.children.length > 1) return;
    made.append(el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
      el("table", {}, el("thead", {}, el("tr", {}, ...head.map((each) => el("th", { scope: "col" }, each)))), el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))))));
  });
  return made;
}

// ---- theme ----
function theme(next) {
  const root = document.documentElement;
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  $("theme").textContent = `theme: ${next}`;
  try { localStorage.setItem("bnconform-theme", next); } catch { /* a page from a file may keep nothing */ }
}
function keptTheme() {
  try { return localStorage.getItem("bnconform-theme") || "auto"; } catch { return "auto"; }
}

function keys(event) {
  const search = $("filters").elements.q, typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if ($("detail").open) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && shown[chosen + step] !== undefined) opened(chosen + step);
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && event.target === search) {
    setState({ ...state(), q: "" });
    $("list").focus();
  } else if (event.key === "ArrowDown" && event.target === search) {
    event.preventDefault();
    $("list").focus();
    choose(0);
  }
}
function listKeys(event) {
  const page = Math.floor($("list").clientHeight / rowHeight());
  const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: chosen + page, PageUp: chosen - page, Home: 0, End: shown.length - 1 }[event.key];
  if (event.key === "Enter" && chosen >= 0) opened(chosen);
  else if (to !== undefined) choose(to);
  else return;
  event.preventDefault();
}

function listen() {
  const form = $("filters"), list = $("list"), detail = $("detail");
  const read = () => setState({ ...state(), row: "", ...Object.fromEntries(FILTERS.map((name) => [name, form.elements[name].value])) });
  form.addEventListener("input", read);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); setState({}); });
  list.addEventListener("scroll", draw, { passive: true });
  list.addEventListener("keydown", listKeys);
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) opened(Number(row.getAttribute("aria-posinset")) - 1);
  });
  $("close").addEventListener("click", () => detail.close());
  detail.addEventListener("close", () => {
    const { row, output, ...rest } = state();
    if (row || output) setState(rest);
    list.focus({ preventScroll: true });
  });
  detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); });
  document.addEventListener("keydown", keys);
  addEventListener("hashchange", () => show(true));
  addEventListener("resize", draw);
  $("theme").addEventListener("click", () => theme({ auto: "light", light: "dark", dark: "auto" }[keptTheme()] || "auto"));
}

function prepare() {
  columns = data.columns;
  statusOf = columns.status.map((each) => data.statuses[each]);
  familyOf = columns.case.map((each) => data.cases[each][1]);
  const lower = (list) => list.map((each) => each.toLowerCase());
  haystacks = { name: lower(data.names), case: lower(data.cases.map(([id]) => id)), output: lower(data.outputs), status: lower(data.statuses), message: lower(data.texts) };
  const asked = statusOf.map((_, row) => row), rank = statusOf.map((status) => WORST.indexOf(status));
  const score = columns.score.map((each) => (each === "inf" ? Infinity : each === null ? -1 : each));
  orders = { asked, worst: [...asked].sort((a, b) => rank[a] - rank[b] || (score[a] === score[b] ? a - b : score[b] - score[a])) };
  const families = [...new Set(familyOf)];
  for (const [name, values] of Object.entries({ impl: data.names, family: families, level: data.levels, status: ["failed", ...data.statuses] }))
    $("filters").elements[name].replaceChildren(el("option", { value: "" }, "all"), ...values.map((each) => el("option", { value: each }, each)));
}

theme(keptTheme());
unpacked().then((found) => {
  data = found;
  prepare();
  matrix();
  $("tables").replaceChildren(...data.tables.map(table));
  listen();
  show(true);
  document.documentElement.dataset.ready = "yes";
});
