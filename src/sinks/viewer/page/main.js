/** The page: tiles for sources, buttons, keyboard, and the connection that feeds them. */
import { takeTables } from "./colors.js";
import { connect } from "./connection.js";
import { createDecisionView } from "./decision.js";
import { forgetDecisions, takeDecisions } from "./decisions.js";
import { age } from "./format.js";
import { arrange } from "./layout.js";
import { showLegend } from "./legend.js";
import { condition, createSource, forget, update } from "./source.js";
import { createTile } from "./tile.js";

const MODES = ["original", "magnitude", "signed", "positive"];
const REFRESH_MS = 100;
/** Tiles off screen are brought up to date this much more rarely. */
const HIDDEN_EVERY = 10;
const byId = (id) => document.getElementById(id);
const grid = byId("grid");
const root = document.documentElement;

const tiles = new Map();
let mode = "magnitude";
/** The visitor said what to show; else the worker does. */
let chosen = false;
let enlarged = null;
let style = getComputedStyle(root);
let clockOffset = 0;
let connectedAt = null;
let lost = { at: performance.now(), reason: "", ever: false };

const now = () => Date.now() + clockOffset;
const view = createDecisionView(now);
const keys = () => [...tiles.keys()];
const shownKeys = () => (enlarged ? [enlarged] : keys());

const remember = (key, value) => {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
};
const recall = (key) => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
};

// What is on screen decides which pictures the worker sends.
const visible = new Set();
let watchTimer;
const tellWatched = () => connection.watch(document.hidden ? [] : shownKeys().filter((key) => visible.has(key)));
const watchSoon = () => {
  clearTimeout(watchTimer);
  watchTimer = setTimeout(tellWatched, 50);
};
const onScreen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) visible.add(target.dataset.key);
    else visible.delete(target.dataset.key);
  }
  watchSoon();
});
document.addEventListener("visibilitychange", watchSoon);

function layOut() {
  const shown = shownKeys();
  const alone = shown.length === 1;
  const stations = new Set([...tiles.values()].map((tile) => tile.source.station));
  for (const [key, tile] of tiles) {
    tile.root.hidden = !shown.includes(key);
    tile.root.classList.toggle("alone", alone);
    tile.name(stations.size > 1, enlarged === key, tiles.size === 1);
  }
  byId("station").textContent = [...stations].join(", ");
  byId("all").hidden = !enlarged;
  byId("welcome").hidden = tiles.size > 0;
  grid.hidden = tiles.size === 0;
  byId("legend").hidden = tiles.size === 0;
  const rem = Number.parseFloat(getComputedStyle(root).fontSize);
  const { columns, rowHeight } = arrange(shown.length, grid.clientWidth, grid.clientHeight, rem);
  grid.style.setProperty("--columns", columns);
  grid.style.setProperty("--row", `${rowHeight}px`);
}
new ResizeObserver(layOut).observe(grid);

function addTile(source) {
  const tile = createTile(source, {
    onEnlarge: () => enlarge(enlarged === source.key ? null : source.key),
    onDecision: (row, label) => view.open(source, row, mode, label),
  });
  tile.root.dataset.key = source.key;
  tiles.set(source.key, tile);
  tile.setMode(mode);
  onScreen.observe(tile.root);
  const sorted = [...tiles].sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  tiles.clear();
  for (const [key, one] of sorted) tiles.set(key, one);
  const next = sorted[sorted.findIndex(([key]) => key === source.key) + 1]?.[1].root ?? null;
  grid.insertBefore(tile.root, next);
}

/** The source's tile; a new one when this is the first that is heard of it. */
function tileOf(key) {
  if (!tiles.has(key)) {
    const [station, source] = key.split("/");
    addTile(createSource({ key, station, source }));
    layOut();
  }
  return tiles.get(key);
}

function removeTile(key) {
  const tile = tiles.get(key);
  if (!tile) return;
  onScreen.unobserve(tile.root);
  visible.delete(key);
  tile.root.remove();
  tiles.delete(key);
  forgetDecisions(key);
  if (enlarged === key) enlarged = null;
}

function enlarge(key) {
  if (tiles.size < 2 && key !== null) return;
  const before = enlarged;
  enlarged = key;
  layOut();
  watchSoon();
  refresh();
  tiles
    .get(key ?? before)
    ?.root.querySelector(".enlarge")
    ?.focus({ preventScroll: key !== null });
}

function setMode(wanted) {
  mode = wanted;
  for (const tile of tiles.values()) tile.setMode(wanted);
  refresh();
}

function choose(wanted) {
  chosen = true;
  remember("mode", wanted);
  setMode(wanted);
}

function restyle({ show, tables }) {
  takeTables(tables);
  setMode(chosen ? mode : show);
  for (const tile of tiles.values()) tile.redraw();
  view.redraw();
}

const announced = new Map();
function announce() {
  for (const [key, { source }] of tiles) {
    const { state, reason } = condition(source, now());
    const before = announced.get(key);
    announced.set(key, state);
    if (before && before !== state)
      byId("announcer").textContent = `${source.name}: ${state}${reason ? `, ${reason}` : ""}`;
  }
}

function showBanner() {
  const away = connectedAt === null ? performance.now() - lost.at : 0;
  const banner = byId("banner");
  banner.hidden = !lost.ever || away < 300;
  root.classList.toggle("offline", !banner.hidden);
  const why = lost.reason || "The connection to the worker is lost";
  // Seconds are not announced again and again: only the words are the alert.
  if (!banner.hidden) banner.textContent = `${why}. Trying again …`;
  byId("welcome-text").textContent =
    connectedAt === null
      ? `${lost.reason || "The worker does not answer"}. Trying again, for ${age(performance.now() - lost.at)} so far.`
      : "The worker is connected. Pictures appear as soon as a source gives frames.";
}

function showCensus() {
  const all = [...tiles.values()].map(({ source }) => condition(source, now()));
  const live = all.filter(({ state, quiet }) => state === "live" && !quiet).length;
  const census = byId("census");
  census.hidden = tiles.size < 2;
  census.textContent = `${live} of ${all.length} live`;
  census.classList.toggle("short", live < all.length);
}

function showModes() {
  const shown = shownKeys().map((key) => tiles.get(key));
  for (const button of document.querySelectorAll("[data-mode]:is(button)")) {
    const wanted = button.dataset.mode;
    button.setAttribute("aria-pressed", String(wanted === mode));
    const can = shown.length === 0 || shown.some((tile) => tile.canShow(wanted));
    button.disabled = !can;
    button.title = can ? `Key ${MODES.indexOf(wanted) + 1}` : "Not published: there is nothing to draw it from";
  }
  const alone = shown.length === 1 ? shown[0] : null;
  showLegend(mode, alone?.source.summary?.scale ?? null);
}

let beat = 0;
function refresh() {
  const time = now();
  beat++;
  const online = connectedAt !== null;
  const connectedFor = online ? performance.now() - connectedAt : 0;
  showBanner();
  showCensus();
  showModes();
  announce();
  view.refresh();
  for (const [key, tile] of tiles) {
    forget(tile.source, time);
    const seen = !tile.root.hidden && visible.has(key);
    if (seen || beat % HIDDEN_EVERY === 0) tile.refresh(time, connectedFor, online, style);
  }
}

const hear = (message, isSnapshot) => {
  clockOffset = message.now - Date.now();
  for (const news of message.sources) update(tileOf(news.key).source, news, isSnapshot);
};

const connection = connect({
  hello(message) {
    connectedAt ??= performance.now();
    restyle(message.style);
    const present = new Set(message.sources.map(({ key }) => key));
    for (const key of keys()) if (!present.has(key)) removeTile(key);
    takeDecisions(message.decisions, true);
    hear(message, true);
    layOut();
    watchSoon();
  },
  style: (message) => restyle(message.style),
  news: (message) => hear(message, false),
  decisions: (message) => takeDecisions(message.news, false),
  gone(message) {
    for (const key of message.keys) removeTile(key);
    layOut();
  },
  async picture(header, parts, acknowledge) {
    await tileOf(header.key).show(header, parts);
    acknowledge();
  },
  lost(reason) {
    const at = connectedAt === null ? lost.at : performance.now();
    lost = { at, reason: reason || (connectedAt === null ? lost.reason : ""), ever: true };
    connectedAt = null;
  },
});

function showTheme() {
  style = getComputedStyle(root);
  byId("theme").setAttribute("aria-pressed", String(root.dataset.theme === "light"));
}
function toggleTheme() {
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  remember("theme", root.dataset.theme);
  showTheme();
  refresh();
}
addEventListener("theme", showTheme);

const toggleFullscreen = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else root.requestFullscreen?.().catch(() => {}); // A browser may refuse it: the page then stays as it is.
};

function step(by) {
  const all = keys();
  const at = all.indexOf(enlarged);
  if (at >= 0) enlarge(all[(at + by + all.length) % all.length]);
}

const KEYS = {
  1: () => choose("original"),
  2: () => choose("magnitude"),
  3: () => choose("signed"),
  4: () => choose("positive"),
  t: toggleTheme,
  f: toggleFullscreen,
  Escape: () => enlarge(null),
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (view.isOpen) return view.key(event);
  // A choice of the class has keys of its own.
  if (event.target.tagName === "SELECT") return;
  if (event.key === "Escape" && !enlarged) return;
  KEYS[event.key]?.();
});
for (const button of document.querySelectorAll("button[data-mode]")) {
  button.addEventListener("click", () => choose(button.dataset.mode));
}
byId("all").addEventListener("click", () => enlarge(null));
byId("theme").addEventListener("click", toggleTheme);
byId("fullscreen").addEventListener("click", toggleFullscreen);
byId("fullscreen").hidden = !document.fullscreenEnabled;

const remembered = recall("mode");
if (MODES.includes(remembered)) [mode, chosen] = [remembered, true];
showTheme();
refresh();
setInterval(refresh, REFRESH_MS);
