// Updates the live page, ticking durations, further calls, keyboard shortcuts, details of the drawing. Without this script
// every page shows its state at the time of the request.
"use strict";

const byId = (id) => document.getElementById(id);

// The server shows times in the browser's time zone, which this cookie contains.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes("zone=")) {
  document.cookie = `zone=${zone}; path=/; SameSite=Strict; Max-Age=31536000`;
}

// Ticking durations: the time since `data-since`, by the server's clock.
let serverAheadMs = 0;
const duration = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
};
const tick = (within = document) => {
  const now = Date.now() + serverAheadMs;
  for (const element of within.querySelectorAll("time[data-since]")) {
    const text = duration(now - element.dataset.since);
    if (element.textContent !== text) element.textContent = text;
  }
};
tick();
setInterval(tick, 1000);

// The live page.
const connection = byId("connection");
if (connection) {
  const rowsPerStep = 200;
  let maxRows = rowsPerStep;
  const rows = new Map();
  // The rows before a reset: rows that the new messages contain as well keep their elements.
  let previous = new Map();
  const body = byId("rows");
  const template = document.createElement("template");
  let lastMessageAt = new Date();
  const order = (a, b) => b.start - a.start || (a.id < b.id ? 1 : -1);
  for (const row of body.children) rows.set(row.dataset.id, { id: row.dataset.id, start: +row.dataset.start, row });

  const draw = () => {
    const all = [...rows.values()].sort(order);
    const top = all.slice(0, maxRows);
    const kept = new Set(top.map((call) => call.row));
    for (const row of [...body.children]) if (!kept.has(row)) row.remove();
    let next = body.firstElementChild;
    for (const call of top) {
      if (!call.row) {
        template.innerHTML = call.html;
        call.row = template.content.firstElementChild;
      }
      if (call.row === next) next = next.nextElementSibling;
      else body.insertBefore(call.row, next);
    }
    const left = all.length - top.length;
    byId("none").hidden = all.length > 0;
    byId("more-rows").hidden = left <= 0;
    if (left > 0) byId("show-more").textContent = `Show ${Math.min(rowsPerStep, left)} more (${left} left)`;
    connection.textContent = `${all.length} active ${all.length === 1 ? "call" : "calls"} · Live`;
    tick(body);
  };
  let isScheduled = false;
  const scheduleDraw = () => {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => {
      isScheduled = false;
      draw();
    });
  };
  byId("show-more").addEventListener("click", () => {
    maxRows += rowsPerStep;
    scheduleDraw();
  });

  const source = new EventSource(connection.dataset.rows);
  source.onmessage = (event) => {
    const message = JSON.parse(event.data);
    lastMessageAt = new Date();
    serverAheadMs = message.nowMs - Date.now();
    if (message.reset) {
      previous = new Map(rows);
      rows.clear();
    }
    for (const call of message.rows) {
      const old = rows.get(call.id) ?? previous.get(call.id);
      // Replacing the cells instead of the row preserves the focus.
      if (old && old.row) {
        template.innerHTML = call.html;
        const fresh = template.content.firstElementChild;
        for (const [index, cell] of [...old.row.cells].entries()) {
          const now = fresh.cells[index];
          if (index ? cell.innerHTML !== now.innerHTML : cell.textContent !== now.textContent) cell.replaceChildren(...now.childNodes);
        }
        call.row = old.row;
      }
      rows.set(call.id, call);
    }
    for (const id of message.removed) {
      const call = rows.get(id);
      if (call && call.row) call.row.remove();
      rows.delete(id);
    }
    scheduleDraw();
  };
  source.onerror = () => {
    const time = lastMessageAt.toTimeString().slice(0, 8);
    connection.textContent = `Disconnected. Reconnecting… Last update ${time}`;
  };

  const today = byId("today");
  const updateToday = async () => {
    if (document.hidden) return;
    try {
      const response = await fetch(today.dataset.url);
      if (response.status === 401) return location.reload();
      if (response.ok) {
        template.innerHTML = await response.text();
        const fresh = template.content.querySelector("tbody");
        const old = today.querySelector("tbody");
        if (fresh && old && fresh.innerHTML !== today.dataset.last) {
          today.dataset.last = fresh.innerHTML;
          old.replaceWith(fresh);
          tick(today);
        }
      }
    } catch {
      // The event source reports the interruption.
    }
  };
  setTimeout(updateToday, 300);
  setInterval(updateToday, 2000);
}

// Loads the next page of calls when its link comes near the window.
const found = byId("found");
const loadNext = async (link) => {
  link.removeAttribute("id");
  const response = await fetch(link.href);
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
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
      loadNext(link).then(() => byId("next") && observer.observe(byId("next")));
    }
  },
  { rootMargin: "600px" },
);
if (found && byId("next")) observer.observe(byId("next"));

// Keyboard shortcuts: / focuses the search, j and k move through the list.
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
    const current = links.indexOf(document.activeElement);
    const target = links[event.key === "j" ? current + 1 : Math.max(0, current - 1)];
    if (target) target.focus();
  }
});

// Shows the details of a part of the drawing below it.
const hint = byId("hint");
if (hint) {
  const showDetails = (event) => {
    const part = event.target.closest(".wc-hint");
    if (part) hint.textContent = part.querySelector("title").textContent;
  };
  const drawing = document.querySelector("svg.wc");
  drawing.addEventListener("mouseover", showDetails);
  drawing.addEventListener("focusin", showDetails);
}

// Opens the notification that a link leads to.
const openTarget = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.querySelector("details");
  if (details) details.open = true;
};
addEventListener("hashchange", openTarget);
openTarget();

for (const select of document.querySelectorAll("select[data-auto-submit]")) {
  select.addEventListener("change", () => select.form.submit());
}
