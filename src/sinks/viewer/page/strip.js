/** A strip of thumbnails of a source's decisions, newest at the right, with a choice of the class. */
import { classColour } from "./colors.js";
import { decisionsOf } from "./decisions.js";
import { clock, percent, probability, shortLabel } from "./format.js";
import { verdict, within } from "./truth.js";

const ALL = "";

function thumbnail({ id, at, label, probability: sure, why, truth }) {
  const item = document.createElement("li");
  item.innerHTML =
    '<button type="button" class="thumb"><img alt="" decoding="async"><span class="thumb-label"></span><b class="truth-verdict" hidden></b></button>';
  const [button] = item.children;
  const [image, caption, mark] = button.children;
  image.src = `decisions/${id}/thumbnail.jpg`;
  image.onerror = () => image.remove();
  caption.textContent = shortLabel(label);
  item.style.setProperty("--swatch", `var(${classColour(label)})`);
  const known = truth ? `, ${verdict(truth)}` : "";
  const share = truth && within(truth);
  mark.hidden = !truth;
  if (truth) {
    mark.dataset.right = truth.right;
    mark.textContent = truth.insideMask === undefined ? "" : percent(truth.insideMask);
  }
  const reason = why.length > 0 ? `, explained for: ${why.join(", ")}` : "";
  button.setAttribute("aria-label", `${label}, ${probability(sure)}${known}, ${clock(at)}`);
  button.title = `${label}, ${probability(sure)}${known}, ${clock(at)}${share ? `, ${share}` : ""}${reason}`;
  button.dataset.id = id;
  return item;
}

/** `open(row)` is called with the decision that is clicked. */
export function createStrip(root, key, open) {
  const list = root.querySelector(".thumbs");
  const select = root.querySelector(".filter");
  const items = new Map();
  let source = key;
  let label = ALL;
  let current = null;
  let drawn = null;

  const shown = () => decisionsOf(source).filter((row) => label === ALL || row.label === label);

  const showClasses = (rows) => {
    const counts = new Map();
    for (const row of rows) counts.set(row.label, (counts.get(row.label) ?? 0) + 1);
    // What is chosen stays on offer, though none of it is left.
    if (label !== ALL && !counts.has(label)) counts.set(label, 0);
    const classes = [...counts].sort(([a], [b]) => a.localeCompare(b));
    const options = [[ALL, `All ${rows.length}`], ...classes.map(([of, n]) => [of, `${shortLabel(of)} ${n}`])];
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === label)));
  };

  const firstInView = () => {
    const { right } = list.getBoundingClientRect();
    return [...list.children].find((item) => item.getBoundingClientRect().right <= right);
  };

  const draw = () => {
    const rows = shown();
    const seen = list.scrollLeft < 0 ? firstInView() : undefined;
    const seenAt = seen?.offsetLeft;
    const wanted = new Set(rows.map(({ id }) => id));
    for (const [id, item] of items) {
      if (wanted.has(id)) continue;
      item.remove();
      items.delete(id);
    }
    // The list runs from the right to the left, so that its end is in view.
    let before = list.firstChild;
    for (const row of rows.toReversed()) {
      let item = items.get(row.id);
      if (!item) {
        item = thumbnail(row);
        items.set(row.id, item);
      }
      if (item === before) before = item.nextSibling;
      else list.insertBefore(item, before);
      if (row.id === current) item.firstChild.setAttribute("aria-current", "true");
      else item.firstChild.removeAttribute("aria-current");
    }
    // Who has scrolled back goes on to see what is there.
    if (seen?.isConnected) list.scrollLeft += seen.offsetLeft - seenAt;
  };

  select.addEventListener("change", () => {
    label = select.value;
    drawn = null;
    refresh();
  });
  list.addEventListener("click", ({ target }) => {
    const id = target.closest(".thumb")?.dataset.id;
    const row = decisionsOf(source).find((one) => one.id === id);
    if (row) open(row, label);
  });

  /** Draws what came, where there is room for the strip. */
  function refresh() {
    const rows = decisionsOf(source);
    root.hidden = rows.length === 0;
    if (rows === drawn || root.offsetParent === null) return;
    drawn = rows;
    showClasses(rows);
    draw();
  }

  return {
    refresh,
    shown,
    /** Another source, class or decision. */
    set(next) {
      if (next.source !== undefined) source = next.source;
      if (next.label !== undefined) label = next.label;
      current = next.current ?? null;
      drawn = null;
      refresh();
      items.get(current)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    },
  };
}
