/** The list of the most probable classes. */
import { probability, shortLabel, text } from "./format.js";

const TOP = 5;

function topRow() {
  const row = document.createElement("li");
  row.innerHTML =
    '<span class="top-label"></span><span class="top-percent"></span><span class="top-bar"><i class="top-fill"></i></span>';
  return row;
}

export function createTop(list) {
  const rows = Array.from({ length: TOP }, topRow);
  list.append(...rows);
  return {
    show({ target, top }) {
      rows.forEach((row, i) => {
        const entry = top[i];
        row.hidden = !entry;
        if (!entry) return;
        const [label, share, bar] = row.children;
        text(label, shortLabel(entry.label));
        label.title = entry.label;
        text(share, probability(entry.probability));
        bar.firstElementChild.style.width = `${entry.probability * 100}%`;
        row.classList.toggle("target", entry.index === target.index);
      });
    },
  };
}
