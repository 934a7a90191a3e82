"use strict";
(() => {
  const texts = JSON.parse(document.getElementById("texts").textContent);
  const t = (key, slots = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => slots[name]);
  const NONE = 0xffffffff, NO_DAY = -2147483648, PAGE = 50;
  const LEVELS = ["high", "medium", "low"];
  const KINDS = { u4: Uint32Array, u2: Uint16Array, u1: Uint8Array, i4: Int32Array, f8: Float64Array };
  const group = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const whole = new Intl.NumberFormat("en");
  const english = document.documentElement.lang === "en";
  const byId = (id) => document.getElementById(id);

  /** An element with attributes and children; text is never read as markup. */
  function el(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === true) node.setAttribute(key, "");
      else if (value !== false && value != null) node.setAttribute(key, value);
    }
    for (const child of children.flat()) {
      if (child == null) continue;
      if (english && typeof child === "string" && /[\u3400-\u9fff]/.test(child)) node.lang = "zh-CN";
      node.append(child);
    }
    return node;
  }

  /** Inflates a block of the page: its header, with the arrays it names as typed arrays. */
  async function unpack(id) {
    const text = atob(byId(id).textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const buffer = await new Response(stream).arrayBuffer();
    const length = new DataView(buffer).getUint32(0, true);
    const block = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    for (const [name, [kind, at, size]] of Object.entries(block.arrays)) {
      block.arrays[name] = new KINDS[kind](buffer, 4 + length + at, size);
    }
    return block;
  }

  let core, a, details, view, page = 0, sort = { by: null, down: false };
  const severityOf = (row) => {
    const rule = core.rules[a.rule[row]], outcome = core.outcomes[a.outcome[row]];
    return outcome === "breach" ? rule.severity : outcome === "unknown" ? rule.gapSeverity : null;
  };
  const findingOf = (row) => {
    const rule = core.rules[a.rule[row]], outcome = core.outcomes[a.outcome[row]];
    return outcome === "breach" ? rule.finding : outcome === "unknown" ? rule.gap : null;
  };
  const text = (list, number) => (number === NONE ? "" : list[number]);
  const day = (row) => (a.day[row] === NO_DAY ? "–" : new Date(a.day[row] * 864e5).toISOString().slice(0, 10));
  const amount = (row) => (a.cents[row] < 0 ? "–" : group.format(a.cents[row] / 100));

  // What is shown

  const filters = byId("filters"), table = byId("table"), body = table.tBodies[0];

  function options(name, entries) {
    const select = filters.elements[name];
    select.replaceChildren(el("option", { value: "" }, t("any")));
    for (const [value, label, count] of entries) {
      select.append(el("option", { value }, count == null ? label : `${label} (${whole.format(count)})`));
    }
  }

  function tally(column, size) {
    const counts = new Uint32Array(size);
    for (let i = 0; i < column.length; i++) if (column[i] !== NONE) counts[column[i]]++;
    return counts;
  }

  function fillFilters() {
    const rules = tally(a.rule, core.rules.length), branches = tally(a.branch, core.branches.length);
    const outcomes = tally(a.outcome, core.outcomes.length);
    options("stage", core.stages.map((s) => [s, t("stage." + s)]));
    options("branch", core.branches.map((b, i) => [b, b, branches[i]]).sort((x, y) => x[1].localeCompare(y[1])));
    options("rule", core.rules.map((r, i) => [r.id, `${r.id} ${r.title}`, rules[i]]).filter((r) => r[2])
      .sort((x, y) => x[0].localeCompare(y[0], "en", { numeric: true })));
    options("severity", LEVELS.map((s) => [s, t("severity." + s)]));
    options("outcome", core.outcomes.map((o, i) => [o, t("outcome." + o), outcomes[i]]).filter((o) => o[2]));
    options("fact", []);
  }

  const plainFact = (name) => name.replace(/\[\d+\]/, "");

  /** Rows that match all filters. Texts are looked up once a distinct text, not once a row. */
  function select() {
    const want = Object.fromEntries(new FormData(filters));
    const needle = want.text.trim().toLowerCase();
    const rule = core.rules.map((r) => (!want.stage || r.stage === want.stage) && (!want.rule || r.id === want.rule));
    const branch = core.branches.indexOf(want.branch), outcome = core.outcomes.indexOf(want.outcome);
    const holds = (list) => Uint8Array.from(list, (s) => (s.toLowerCase().includes(needle) ? 1 : 0));
    let find = null;
    if (needle) {
      find = { loan: holds(core.loans), branch: holds(core.branches), note: holds(core.notes), group: holds(core.groups),
        rule: holds(core.rules.map((r) => `${r.id} ${r.title} ${r.finding || ""}`)), value: details && holds(details.values) };
    }
    let fact = null;
    if (want.fact && details) fact = Uint8Array.from(details.facts, (f) => (plainFact(f.name) === want.fact ? 1 : 0));
    const d = details && details.arrays, found = new Uint32Array(core.rows);
    let n = 0;
    for (let i = 0; i < core.rows; i++) {
      if (!rule[a.rule[i]]) continue;
      if (want.branch && a.branch[i] !== branch) continue;
      if (want.outcome && a.outcome[i] !== outcome) continue;
      if (want.severity && severityOf(i) !== want.severity) continue;
      if (fact) {
        let lacks = false;
        for (let k = d.missingStart[i]; k < d.missingStart[i + 1] && !lacks; k++) lacks = fact[d.missing[k]];
        if (!lacks) continue;
      }
      if (find) {
        let hit = find.rule[a.rule[i]] || (a.loan[i] !== NONE && find.loan[a.loan[i]]) ||
          (a.branch[i] !== NONE && find.branch[a.branch[i]]) || (a.note[i] !== NONE && find.note[a.note[i]]) ||
          (a.group[i] !== NONE && find.group[a.group[i]]);
        if (!hit && find.value) for (let k = d.start[i]; k < d.start[i + 1] && !hit; k++) hit = find.value[d.value[k]];
        if (!hit) continue;
      }
      found[n++] = i;
    }
    view = found.subarray(0, n);
    order();
    page = 0;
    show();
  }

  function order() {
    if (!sort.by) return;
    const rank = (list) => { // place of each text in the order of the texts
      const places = new Uint32Array(list.length);
      list.map((s, i) => [s, i]).sort((x, y) => x[0].localeCompare(y[0], "en", { numeric: true }))
        .forEach(([, i], place) => (places[i] = place + 1));
      return (number) => (number === NONE ? 0 : places[number]);
    };
    const level = (row) => { const at = LEVELS.indexOf(severityOf(row)); return at < 0 ? 9 : at; };
    let key;
    if (sort.by === "severity") key = level;
    else if (sort.by === "day" || sort.by === "cents" || sort.by === "outcome") key = (row) => a[sort.by][row];
    else {
      const lists = { rule: core.rules.map((r) => r.id), loan: core.loans, branch: core.branches, version: core.versions };
      const place = rank(lists[sort.by]);
      key = (row) => place(a[sort.by][row]);
    }
    const keys = new Float64Array(core.rows);
    for (const row of view) keys[row] = key(row);
    const sign = sort.down ? -1 : 1;
    view = view.slice().sort((x, y) => sign * (keys[x] - keys[y]) || x - y);
  }

  function show() {
    const pages = Math.max(1, Math.ceil(view.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const rows = Array.from(view.subarray(page * PAGE, (page + 1) * PAGE), rowOf);
    body.replaceChildren(...rows);
    byId("matching").textContent = view.length
      ? t("matching", { n: whole.format(view.length), total: whole.format(core.rows) }) : t("nothing_matches");
    byId("page-of").textContent = t("page", { page: whole.format(page + 1), pages: whole.format(pages) });
    const [back, on] = byId("pager").querySelectorAll("button");
    back.disabled = page === 0;
    on.disabled = page === pages - 1;
  }

  function rowOf(row) {
    const rule = core.rules[a.rule[row]], outcome = core.outcomes[a.outcome[row]], level = severityOf(row);
    const loan = text(core.loans, a.loan[row]);
    const name = loan ? el("button", { class: "link", type: "button", "data-loan": a.loan[row], "aria-label": t("open_loan", { loan }) }, loan)
      : `${t("group")} ${text(core.groups, a.group[row])}`;
    return el("tr", { class: "row", "data-row": row },
      el("td", {}, level ? el("span", { class: "mark " + level }, t("severity." + level)) : "–"),
      el("th", { scope: "row" }, el("span", { class: "code" }, rule.id), " ", rule.title),
      el("td", {}, name), el("td", {}, text(core.branches, a.branch[row]) || "–"),
      el("td", { class: "date" }, day(row)), el("td", { class: "n" }, amount(row)),
      el("td", { class: "outcome-" + outcome }, t("outcome." + outcome)),
      el("td", { class: "date" }, text(core.versions, a.version[row]) || "–"),
      el("td", { class: "more" }, el("button", { type: "button", "aria-expanded": "false" }, t("details"))));
  }

  // What is opened on request

  let opening;
  const open = () => (opening ||= unpack("details").then((block) => {
    details = block;
    const facts = new Map();
    for (const number of block.arrays.missing) {
      const name = plainFact(block.facts[number].name);
      facts.set(name, (facts.get(name) || 0) + 1);
    }
    const chosen = filters.elements.fact.value;
    options("fact", [...facts].sort((x, y) => y[1] - x[1]).map(([name, count]) => [name, name, count]));
    filters.elements.fact.value = chosen;
  }));

  function shown(type, value) {
    if (value === "") return "–";
    if (type === "money" && /^-?\d+(\.\d+)?$/.test(value)) {
      const [units, rest = ""] = value.split(".");
      return units.replace(/\B(?=(\d{3})+$)/g, ",") + "." + (rest + "00").slice(0, Math.max(2, rest.length));
    }
    if (type === "rate" && /^-?\d*\.?\d+$/.test(value)) return String(+(parseFloat(value) * 100).toPrecision(10)) + "%";
    if (type === "boolean") return value === "true" ? t("yes") : value === "false" ? t("no") : value;
    return value;
  }

  function factsOf(row) {
    const d = details.arrays, facts = [];
    for (let k = d.start[row]; k < d.start[row + 1]; k++) {
      facts.push({ ...details.facts[d.fact[k]], value: details.values[d.value[k]], read: d.read[k] === 1 });
    }
    return facts;
  }

  function sentence(row, facts) {
    const values = new Map(facts.map((f) => [f.name, shown(f.type, f.value)]));
    const labels = new Map(details.facts.map((f) => [f.name, f.label]));
    return core.rules[a.rule[row]].says.replace(/\{\s*([^{}\s]+)\s*\}/g, (_, name) => values.get(name) ?? `[${labels.get(name) ?? name}]`);
  }

  function detailOf(row) {
    const d = details.arrays, facts = factsOf(row), rule = core.rules[a.rule[row]], outcome = core.outcomes[a.outcome[row]];
    const missing = Array.from(d.missing.subarray(d.missingStart[row], d.missingStart[row + 1]), (n) => details.facts[n]);
    const note = text(core.notes, a.note[row]), code = findingOf(row);
    const read = facts.filter((f) => f.read);
    const left = el("div", {},
      outcome === "breach" ? el("p", {}, el("strong", {}, sentence(row, facts))) : null,
      read.length ? el("table", {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("facts")), el("th", { scope: "col" }, t("value")))),
        el("tbody", {}, read.map((f) => el("tr", {}, el("th", { scope: "row" }, f.label, el("small", {}, f.name)), el("td", {}, shown(f.type, f.value)))))) : null);
    const line = (name, value) => (value ? el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)) : null);
    const right = el("table", {}, el("tbody", {},
      line(t("missing"), missing.length ? el("span", {}, ...missing.map((f) => el("span", {}, f.label, el("small", {}, f.name)))) : t("none")),
      line(t("note"), note), line(t("version"), text(core.versions, a.version[row])), line(t("clause"), rule.clause),
      line(t("finding"), code ? el("a", { href: "#" + code }, code) : null),
      line(t("product"), a.product ? text(core.products, a.product[row]) : null),
      line(t("sample"), a.sample[row] ? t("sample_yes") : null)));
    return el("div", { class: "facts" }, left, right);
  }

  async function toggle(button) {
    const tr = button.closest("tr"), isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) { tr.nextElementSibling.remove(); return; }
    await open();
    tr.after(el("tr", { class: "detail" }, el("td", { colspan: 9 }, detailOf(+tr.dataset.row))));
  }

  async function showLoan(number) {
    await open();
    const rows = [];
    for (let i = 0; i < core.rows; i++) if (a.loan[i] === number) rows.push(i);
    if (!rows.length) return;
    const dialog = byId("loan"), first = rows[0];
    const about = [[t("branch"), text(core.branches, a.branch[first])], [t("product"), a.product ? text(core.products, a.product[first]) : ""],
      [t("exposure"), amount(first)]].filter(([, value]) => value);
    const outcomes = core.rules.map((rule, i) => [rule, details.arrays[details.codes[String(i)]]])
      .filter(([, codes]) => codes).map(([rule, codes]) => [rule, core.outcomes[codes[number]]]);
    dialog.replaceChildren(
      el("header", {}, el("div", {}, el("h2", { id: "loan-name" }, `${t("loan")} ${core.loans[number]}`),
        el("p", { class: "small" }, about.map(([name, value]) => `${name}: ${value}`).join(" · "))),
        el("button", { type: "button", "data-close": true, autofocus: true }, t("close"))),
      el("h3", {}, t("loan_exceptions")),
      ...rows.map((row) => {
        const rule = core.rules[a.rule[row]], outcome = core.outcomes[a.outcome[row]], level = severityOf(row);
        return el("section", {}, el("p", {}, el("span", { class: "code" }, rule.id), " ", el("strong", {}, rule.title), " ",
          level ? el("span", { class: "mark " + level }, t("severity." + level)) : null, " ",
          el("span", { class: "outcome-" + outcome }, t("outcome." + outcome)), ` · ${day(row)}`), detailOf(row));
      }),
      el("h3", {}, t("all_outcomes")),
      el("ul", { class: "grid-outcomes" }, outcomes.map(([rule, outcome]) => el("li", {},
        el("span", {}, el("span", { class: "code" }, rule.id), " ", rule.title), el("span", { class: "outcome-" + outcome.replace(" ", "-") }, t("outcome." + outcome))))));
    dialog.scrollTop = 0;
    if (!dialog.open) dialog.showModal();
  }

  // Links within the page: `#F03` opens a finding, `#exceptions?stage=in-loan` filters, `#loan=L000001` opens a file

  async function follow() {
    const hash = decodeURI(location.hash);
    if (/^#F\d+$/.test(hash)) {
      const finding = document.querySelector(hash);
      if (finding) { finding.open = true; finding.hidden = false; finding.scrollIntoView(); }
    } else if (hash.startsWith("#exceptions?") && core) {
      const wanted = new URLSearchParams(location.hash.slice("#exceptions?".length));
      if (wanted.has("fact")) await open();
      filters.reset();
      for (const [name, value] of wanted) if (filters.elements[name]) filters.elements[name].value = value;
      select();
      byId("exceptions").scrollIntoView();
    } else if (hash.startsWith("#loan=") && core) {
      const number = core.loans.indexOf(hash.slice("#loan=".length));
      if (number >= 0) showLoan(number);
    }
  }

  function listen() {
    let waiting;
    filters.addEventListener("input", (event) => {
      clearTimeout(waiting);
      const needs = event.target.name === "text" || event.target.name === "fact" ? open() : Promise.resolve();
      waiting = setTimeout(() => needs.then(select), event.target.name === "text" ? 150 : 0);
    });
    filters.addEventListener("submit", (event) => event.preventDefault());
    filters.addEventListener("reset", () => setTimeout(select));
    filters.elements.fact.addEventListener("focus", open);
    filters.elements.fact.addEventListener("pointerenter", open);
    byId("pager").addEventListener("click", (event) => {
      const step = event.target.dataset.step;
      if (step) { page += +step; show(); byId("exceptions").scrollIntoView(); }
    });
    table.tHead.addEventListener("click", (event) => {
      const by = event.target.dataset.sort;
      if (!by) return;
      sort = { by, down: sort.by === by ? !sort.down : by === "cents" };
      for (const th of table.tHead.rows[0].cells) if (th.hasAttribute("aria-sort")) th.setAttribute("aria-sort", "none");
      event.target.closest("th").setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      order();
      page = 0;
      show();
    });
    body.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.loan != null) showLoan(+button.dataset.loan);
      else toggle(button);
    });
    const dialog = byId("loan");
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("[data-close], a")) dialog.close();
    });
    dialog.addEventListener("close", () => { if (location.hash.startsWith("#loan=")) history.replaceState(null, "", "#exceptions"); });
  }

  // The static part works without the exceptions

  const choose = byId("finding-filters");
  if (choose) choose.addEventListener("input", () => {
    const want = Object.fromEntries(new FormData(choose));
    for (const node of document.querySelectorAll("#finding-list tbody tr, details.finding")) {
      node.hidden = (want.stage && node.dataset.stage !== want.stage) || (want.severity && node.dataset.severity !== want.severity);
    }
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details.finding").forEach((d) => (d.open = true)));
  addEventListener("hashchange", follow);

  unpack("core").then((block) => {
    core = block;
    a = block.arrays;
    view = Uint32Array.from({ length: core.rows }, (_, i) => i);
    fillFilters();
    show();
    for (const id of ["filters", "table", "pager"]) byId(id).hidden = false;
    listen();
    follow();
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
  }).catch((error) => {
    byId("matching").textContent = t("old_browser");
    document.documentElement.dataset.failed = String(error);
  });
})();
