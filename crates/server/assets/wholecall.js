// What moves on the pages: rows of the live page, clocks that tick, further calls, keys, hints. Without it every page
// still shows what it showed when it was made.
"use strict";

const byId = (id) => document.getElementById(id);

// The server shows times as a browser's zone has them.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes("zone=")) {
  document.cookie = `zone=${zone}; path=/; SameSite=Strict; Max-Age=31536000`;
}

// Clocks: how long ago, by the server's clock.
let ahead = 0;
const length = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
};
const tick = (within = document) => {
  const now = Date.now() + ahead;
  for (const clock of within.querySelectorAll("time[data-since]")) {
    const text = length(now - clock.dataset.since);
    if (clock.textContent !== text) clock.textContent = text;
  }
};
tick();
setInterval(tick, 1000);

// The live page.
const connection = byId("connection");
if (connection) {
  const step = 200;
  let shown = step;
  const rows = new Map();
  // What was shown before everything is told anew: rows that are told again stay where they are.
  let before = new Map();
  const body = byId("rows");
  const maker = document.createElement("template");
  const order = (a, b) => b.start - a.start || (a.id < b.id ? 1 : -1);
  for (const row of body.children) rows.set(row.dataset.id, { id: row.dataset.id, start: +row.dataset.start, row });

  const draw = () => {
    const all = [...rows.values()].sort(order);
    const top = all.slice(0, shown);
    const wanted = new Set(top.map((call) => call.row));
    for (const row of [...body.children]) if (!wanted.has(row)) row.remove();
    let place = body.firstElementChild;
    for (const call of top) {
      if (!call.row) {
        maker.innerHTML = call.html;
        call.row = maker.content.firstElementChild;
      }
      if (call.row === place) place = place.nextElementSibling;
      else body.insertBefore(call.row, place);
    }
    const beyond = all.length - top.length;
    byId("none").hidden = all.length > 0;
    byId("beyond").hidden = beyond <= 0;
    if (beyond > 0) byId("show-more").textContent = `${Math.min(step, beyond)} more of ${beyond} older calls`;
    connection.textContent = all.length === 1 ? "1 call, as it happens" : `${all.length} calls, as they happen`;
    tick(body);
  };
  let asked = false;
  const soon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
  byId("show-more").addEventListener("click", () => {
    shown += step;
    soon();
  });

  const source = new EventSource(connection.dataset.live);
  source.onmessage = (event) => {
    const news = JSON.parse(event.data);
    ahead = news.now - Date.now();
    if (news.anew) {
      before = new Map(rows);
      rows.clear();
    }
    for (const call of news.set) {
      const old = rows.get(call.id) ?? before.get(call.id);
      // A row that has the focus keeps it: its cells change, not the row.
      if (old && old.row) {
        maker.innerHTML = call.html;
        const fresh = maker.content.firstElementChild;
        for (const [index, cell] of [...old.row.cells].entries()) {
          const now = fresh.cells[index];
          if (index ? cell.innerHTML !== now.innerHTML : cell.textContent !== now.textContent) cell.replaceChildren(...now.childNodes);
        }
        call.row = old.row;
      }
      rows.set(call.id, call);
    }
    for (const id of news.gone) {
      const call = rows.get(id);
      if (call && call.row) call.row.remove();
      rows.delete(id);
    }
    soon();
  };
  source.onerror = () => {
    connection.textContent = "the connection is interrupted; trying again";
  };

  const today = byId("today");
  const count = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(today.dataset.from);
      if (answer.status === 401) return location.reload();
      if (answer.ok) {
        const html = await answer.text();
        maker.innerHTML = html;
        const fresh = maker.content.querySelector("tbody");
        const old = today.querySelector("tbody");
        if (fresh && old && fresh.innerHTML !== today.dataset.last) {
          today.dataset.last = fresh.innerHTML;
          old.replaceWith(fresh);
          tick(today);
        }
      }
    } catch {
      // The connection's own line tells of it.
    }
  };
  setTimeout(count, 300);
  setInterval(count, 2000);
}

// Further calls, as one comes near the end of the list.
const found = byId("found");
const further = async (link) => {
  link.removeAttribute("id");
  const answer = await fetch(link.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const rows = page.getElementById("found");
  if (rows) found.append(...rows.children);
  const next = page.getElementById("next");
  if (next) {
    link.href = next.href;
    link.id = "next";
  } else {
    link.parentElement.remove();
    observer.disconnect();
  }
};
const observer = new IntersectionObserver(
  (entries) => {
    const link = byId("next");
    if (link && entries.some((entry) => entry.isIntersecting)) {
      observer.unobserve(link);
      further(link).then(() => byId("next") && observer.observe(byId("next")));
    }
  },
  { rootMargin: "600px" },
);
if (found && byId("next")) observer.observe(byId("next"));

// Keys: / searches, j and k go through the list.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") {
    const search = byId("search");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  } else if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("table.calls tbody a")];
    const at = links.indexOf(document.activeElement);
    const to = links[event.key === "j" ? at + 1 : Math.max(0, at - 1)];
    if (to) to.focus();
  }
});

// The drawing: what a bar or a letter means, below it.
const hint = byId("hint");
if (hint) {
  const tell = (event) => {
    const part = event.target.closest(".wc-hint");
    if (part) hint.textContent = part.querySelector("title").textContent;
  };
  const drawing = document.querySelector("svg.wc");
  drawing.addEventListener("mouseover", tell);
  drawing.addEventListener("focusin", tell);
}

// A link to a notification opens it.
const open = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.querySelector("details");
  if (details) details.open = true;
};
addEventListener("hashchange", open);
open();

for (const select of document.querySelectorAll("select[data-sends]")) {
  select.addEventListener("change", () => select.form.submit());
}
