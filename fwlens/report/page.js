"use strict";
// The page is whole without this. It adds what needs a machine: search, sort, filter, export, time zone, theme, charts.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, text = "", attributes = {}) => {
    const element = document.createElement(name);
    element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const store = {
    read(key) { try { return localStorage.getItem(key); } catch { return null; } },
    write(key, value) { try { localStorage.setItem(key, value); } catch { /* a page from a file may not remember */ } },
  };

  // Time zone: UTC as logged, or that of the reader.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  let local = false;
  const two = (number) => String(number).padStart(2, "0");
  const clock = (iso) => {
    const when = new Date(iso);
    if (!local) return iso.slice(0, 16).replace("T", " ");
    return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ${two(when.getHours())}:${two(when.getMinutes())}`;
  };
  const showTimes = () => {
    for (const time of all("time[datetime]")) time.textContent = clock(time.dateTime);
    for (const time of all("[data-time]")) time.textContent = clock(time.getAttribute("data-time"));
    for (const place of all("[data-zone]")) place.textContent = local ? zone : "UTC";
  };

  // Charts: drawn when they come into view or the page is idle, in the colours of the page.
  const figures = JSON.parse(document.getElementById("charts").textContent);
  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const faint = (hex) => `${hex}59`;
  const dressed = (figure) => {
    const data = structuredClone(figure.data), layout = structuredClone(figure.layout);
    const paper = colour("paper"), ink = colour("ink"), line = colour("line");
    Object.assign(layout, { paper_bgcolor: paper, plot_bgcolor: paper });
    layout.font = { size: 13, color: ink, family: getComputedStyle(document.body).fontFamily };
    layout.hoverlabel = { bgcolor: colour("raised"), bordercolor: line, font: { color: ink }, align: "left" };
    for (const axis of ["xaxis", "yaxis"]) if (layout[axis]) Object.assign(layout[axis], { gridcolor: line, linecolor: line, zerolinecolor: line });
    for (const trace of data) {
      if (trace.type === "bar") {
        trace.marker.color = colour(trace.meta.role);
        trace.marker.pattern.fgcolor = paper;
        trace.marker.pattern.bgcolor = colour(trace.meta.role);
        if (local) trace.x = trace.x.map((iso) => clock(iso).replace(" ", "T"));
        else trace.x = trace.x.map((iso) => iso.replace("Z", ""));
      } else if (trace.type === "sankey") {
        const roles = { source: colour("soft"), need: colour("needed"), rule: colour("working"), left: colour("refused"), unclear: colour("quiet") };
        trace.node.color = trace.meta.roles.map((role) => roles[role]);
        trace.link.color = trace.link.target.map((target) => faint(trace.node.color[target]));
        for (const name of layout.annotations) if (name.name === "over") name.bgcolor = `${paper}c0`;
      } else if (trace.type === "heatmap") {
        const steps = trace.meta.roles.length;
        trace.colorscale = trace.meta.roles.flatMap((role, i) => [[i / steps, colour(role)], [(i + 1) / steps, colour(role)]]);
        trace.zmin = -0.5;
        trace.zmax = steps - 0.5;
        trace.textfont = { size: 11, color: colour("letter") };
      }
    }
    return [data, layout];
  };
  const drawn = new Set();
  const draw = (place) => {
    const figure = figures[place.dataset.chart];
    if (!window.Plotly || !figure) return;
    place.hidden = false;
    const [data, layout] = dressed(figure);
    const first = !drawn.has(place);
    window.Plotly.react(place, data, layout, { displayModeBar: false, responsive: true });
    const still = place.parentElement.querySelector(".drawn");
    if (still) still.hidden = true;
    if (first) for (const table of all("details.still", place.parentElement)) table.open = false;
    drawn.add(place);
    if (first && place.dataset.chart === "matrix") {
      place.on("plotly_click", (event) => go(`#${event.points[0].customdata}`));
    }
  };
  const redraw = () => { for (const place of drawn) draw(place); };
  let begun = false;
  const begin = () => {
    if (begun || !window.Plotly) return;
    begun = true;
    const places = all(".chart").filter((place) => figures[place.dataset.chart]);
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "300px" });
    for (const place of places) { place.hidden = false; seen.observe(place); }
    const next = () => {
      const place = places.find((each) => !drawn.has(each) && each.checkVisibility()); // a narrow page leaves some out
      if (place) { draw(place); soon(next); }
    };
    soon(next);
  };

  // Tables: search, filters, sorting, export. Everything works on the rows that the page holds.
  const text = (cell) => {
    const time = cell.querySelector("time");
    if (time) return time.dateTime;
    const shown = cell.textContent.trim();
    return shown === "–" ? "" : shown;
  };
  const number = (shown) => (shown === "" ? null : Number(shown.replaceAll(",", "")));
  const save = (name, kind, content) => {
    const link = make("a", "", { download: name, href: URL.createObjectURL(new Blob([content], { type: kind })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const safe = (value) => {
    const plain = value.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ");
    const marked = plain.replace(/(^|;)(\s*[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "$1'$2");
    return /[",\n;']/.test(marked) ? `"${marked.replaceAll('"', '""')}"` : marked;
  };
  const page = decodeURIComponent(location.pathname.split("/").pop() || "night").replace(/\.html?$/, "") || "night";

  const sheets = new Map();
  const equip = (place) => {
    const name = place.dataset.sheet, body = place.querySelector("tbody");
    const heads = all("thead th", place), rows = all("tr", body);
    const columns = heads.map((head) => ({ key: head.dataset.key, kind: head.dataset.kind }));
    // Rows are read when they are first asked about: most tables of a page never are.
    const once = (read) => { const known = new Map(); return (row) => { if (!known.has(row)) known.set(row, read(row)); return known.get(row); }; };
    const values = once((row) => [...row.cells].map(text));
    const words = once((row) => row.textContent.toLowerCase());
    const state = { q: "", sort: "", down: false };
    const tools = make("div", "", { class: "tools", role: "search", "aria-label": `Search ${name}` });
    const search = make("input", "", { type: "search", placeholder: "Search", "aria-label": `Search in ${name}`, maxlength: "200" });
    const told = make("output", "", { "aria-live": "polite" });
    const choices = [];
    tools.append(search);
    heads.forEach((head, i) => {
      if (head.dataset.kind !== "choice") return;
      const kinds = [...new Set(rows.map((row) => text(row.cells[i])))].sort();
      if (kinds.length < 2 || kinds.length > 30) return;
      const choice = make("select", "", { "aria-label": `${head.textContent} in ${name}` });
      choice.append(make("option", `${head.textContent}: all`, { value: "*" }), ...kinds.map((kind) => make("option", kind || "–", { value: `=${kind}` })));
      choices.push([i, head.dataset.key, choice]);
      tools.append(choice);
    });
    const matching = () => rows.filter((row) =>
      state.q.toLowerCase().split(/\s+/).every((word) => words(row).includes(word)) &&
      choices.every(([i, , choice]) => choice.value === "*" || choice.value === `=${values(row)[i]}`));
    const ordered = (found) => {
      const i = columns.findIndex((column) => column.key === state.sort);
      if (i < 0) return found;
      const isNumber = columns[i].kind === "number", turn = state.down ? -1 : 1;
      return [...found].sort((one, other) => {
        const a = values(one)[i], b = values(other)[i];
        if (a === "" || b === "") return (a === "") - (b === "");
        return turn * (isNumber ? number(a) - number(b) : a.localeCompare(b, "en", { numeric: true }));
      });
    };
    const address = () => {
      const parts = new URLSearchParams({ table: name });
      if (state.q) parts.set("q", state.q);
      if (state.sort) parts.set("sort", (state.down ? "-" : "") + state.sort);
      for (const [, key, choice] of choices) if (choice.value !== "*") parts.set(`is-${key}`, choice.value.slice(1));
      return parts.size > 1 ? `#${parts}` : `#sheet-${name}`;
    };
    const show = (remember = true) => {
      const isAll = !state.q && choices.every(([, , choice]) => choice.value === "*");
      const found = isAll ? rows : matching(), kept = new Set(found);
      for (const row of rows) row.hidden = !kept.has(row);
      if (state.sort) body.append(...ordered(rows));
      heads.forEach((head) => head.setAttribute("aria-sort", head.dataset.key === state.sort ? (state.down ? "descending" : "ascending") : "none"));
      told.textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows${place.dataset.cut === "yes" ? " of this page" : ""}`;
      if (remember) try { history.replaceState(null, "", address()); } catch { /* too often, or not allowed here */ }
    };
    heads.forEach((head) => {
      const button = make("button", head.textContent, { type: "button" });
      button.addEventListener("click", () => {
        const key = head.dataset.key, falling = head.dataset.kind === "number" || head.dataset.kind === "time";
        state.down = state.sort === key ? !state.down : falling;
        state.sort = key;
        show();
      });
      head.replaceChildren(button);
    });
    const picked = () => ordered(matching()).map(values);
    const csv = make("button", "Save as CSV", { type: "button" });
    csv.addEventListener("click", () => {
      const lines = [columns.map((column) => column.key), ...picked()].map((row) => row.map(safe).join(","));
      save(`${page}.${name}.filtered.csv`, "text/csv", `${lines.join("\r\n")}\r\n`);
    });
    const json = make("button", "Save as JSON", { type: "button" });
    json.addEventListener("click", () => {
      const typed = (value, kind) => (value === "" ? null : kind === "number" ? number(value) : value);
      const found = picked().map((row) => Object.fromEntries(row.map((value, i) => [columns[i].key, typed(value, columns[i].kind)])));
      save(`${page}.${name}.filtered.json`, "application/json", `${JSON.stringify(found, null, 2)}\n`);
    });
    search.addEventListener("input", () => { state.q = search.value.trim(); show(); });
    for (const [, , choice] of choices) choice.addEventListener("change", () => show());
    tools.append(told, csv, json);
    place.querySelector(".scroll").before(tools);
    sheets.set(name, (parts) => {
      state.q = search.value = parts.get("q") || "";
      const sort = parts.get("sort") || "";
      state.down = sort.startsWith("-");
      state.sort = columns.some((column) => column.key === sort.replace("-", "")) ? sort.replace("-", "") : "";
      for (const [, key, choice] of choices) {
        const wanted = `=${parts.get(`is-${key}`)}`;
        choice.value = [...choice.options].some((option) => option.value === wanted) ? wanted : "*";
      }
      show(false);
      return place;
    });
    show(false);
  };

  // Deep links: a rule, a need, a section, or a table with its search.
  const open = (element) => {
    for (let box = element; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  };
  const follow = () => {
    const hash = location.hash.slice(1);
    if (!hash) return;
    const parts = new URLSearchParams(hash);
    const prepare = sheets.get(parts.get("table"));
    const target = prepare ? prepare(parts) : document.getElementById(hash) || document.getElementById(decode(hash));
    if (!target) return;
    open(target);
    target.scrollIntoView();
  };
  const decode = (hash) => { try { return decodeURIComponent(hash); } catch { return hash; } };
  const go = (hash) => { if (location.hash === hash) follow(); else location.hash = hash; };

  // Copy buttons of artefacts.
  const copied = async (content) => {
    try { await navigator.clipboard.writeText(content); return true; } catch { /* a page from a file may have no clipboard */ }
    const area = make("textarea", "", { readonly: "" });
    area.value = content;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  for (const code of all(".artefact pre")) {
    const button = make("button", "Copy", { type: "button", class: "copy", "aria-label": `Copy ${code.parentElement.dataset.file}` });
    button.addEventListener("click", async () => {
      button.textContent = (await copied(code.textContent)) ? "Copied" : "Select it and copy by hand";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    code.before(button);
  }

  // Switches.
  const switches = document.querySelector(".switches");
  const other = make("button", "", { type: "button" });
  const nameZone = () => { other.textContent = local ? "Show UTC" : `Show ${zone === "UTC" ? "local time" : zone}`; };
  other.addEventListener("click", () => { local = !local; nameZone(); showTimes(); redraw(); });
  nameZone();
  const themes = ["auto", "light", "dark"];
  const theme = make("button", "", { type: "button" });
  const dress = (wanted) => {
    const known = themes.includes(wanted) ? wanted : "auto";
    if (known === "auto") delete root.dataset.theme; else root.dataset.theme = known;
    theme.textContent = `Theme: ${known}`;
    theme.dataset.now = known;
  };
  theme.addEventListener("click", () => {
    dress(themes[(themes.indexOf(theme.dataset.now) + 1) % themes.length]);
    store.write("fwlens-theme", theme.dataset.now);
    redraw();
  });
  dress(store.read("fwlens-theme"));
  switches.append(other, theme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // Print: everything open.
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open])"); for (const box of closed) box.open = true; });
  addEventListener("afterprint", () => { for (const box of closed) box.open = false; closed = []; });

  for (const place of all(".sheet")) equip(place);
  addEventListener("hashchange", follow);
  follow();
  root.dataset.ready = "yes";
  performance.mark("ready");
  // The plot library is large: it stands in the page as a text and runs when the page has nothing else to do.
  const library = document.getElementById("library");
  const run = () => {
    if (library.src) return;
    const script = document.createElement("script");
    script.textContent = library.textContent;
    library.remove();
    document.body.append(script);
    begin();
  };
  const soon = window.requestIdleCallback ? (work) => requestIdleCallback(work, { timeout: 1500 }) : (work) => setTimeout(work, 200);
  if (!library.textContent) library.addEventListener("load", begin);
  addEventListener("load", () => soon(library.textContent ? run : begin));
})();
