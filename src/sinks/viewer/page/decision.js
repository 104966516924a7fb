/** One decision, large: its picture in four ways, and the figures of its summary. */
import { classColour } from "./colors.js";
import { age, clock, count, percent, perPixel, probability, shortLabel } from "./format.js";
import { createPicture } from "./picture.js";
import { createStrip } from "./strip.js";
import { createTop } from "./top.js";
import { createTruth } from "./truth.js";
import { createWarnings } from "./warnings.js";

const MODES = ["original", "magnitude", "signed", "positive"];
const PARTS = ["original", "overlay", "heatmap"];
const NEXT = { ArrowLeft: -1, ArrowRight: 1 };

async function fetched(address, read) {
  const response = await fetch(address);
  if (!response.ok) throw new Error((await response.text()).trim());
  return read(response);
}

/** `now` gives the worker's time in ms. */
export function createDecisionView(now) {
  const root = document.getElementById("decision");
  const part = (selector) => root.querySelector(selector);
  const canvas = part(".picture canvas");
  const picture = createPicture(canvas);
  const top = createTop(part(".top"));
  const check = createTruth(part(".truth"));
  const warn = createWarnings(part(".warnings"));
  let mode = "magnitude";
  let row = null;
  let asked = 0;

  const showModes = () => {
    for (const button of root.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === mode));
      button.disabled = !picture.shows(button.dataset.view);
    }
  };
  const setMode = (wanted) => {
    if (!picture.shows(wanted)) return;
    mode = wanted;
    picture.setMode(mode);
    showModes();
  };

  const note = (text) => {
    part(".note").hidden = text === "";
    part(".note").textContent = text;
  };

  const showFigures = ({ summary }) => {
    const { classification, relevance, model, sequence, capturedAt, warnings, truth } = summary;
    top.show(classification);
    warn(warnings);
    check(truth);
    part(".balance").hidden = !relevance;
    if (relevance) {
      const flows = relevance.positive - relevance.negative > 0;
      part(".for").style.width = `${relevance.positive * 100}%`;
      part(".against").style.width = `${-relevance.negative * 100}%`;
      part(".for-text").textContent = flows ? `${percent(relevance.positive)} speaks for it` : "No relevance flows";
      part(".against-text").textContent = flows ? `${percent(-relevance.negative)} against` : "";
    }
    const largest = relevance?.regions[0];
    const facts = [
      ["Concentration", relevance ? percent(relevance.concentration) : null],
      ["At the border", relevance?.border === undefined ? null : percent(relevance.border)],
      ["On the strongest pixels", relevance?.peakShare === undefined ? null : percent(relevance.peakShare)],
      ["In the area of interest", relevance?.inside === undefined ? null : percent(relevance.inside)],
      ["Largest region", largest ? `${percent(largest.share)} of the relevance` : null],
      ["End of the colours", relevance ? perPixel(relevance.scale) : null],
      ["Method", relevance?.method],
      ["Model", model.name],
      ["Frame", count(sequence)],
      ["Captured", clock(Date.parse(capturedAt), true)],
    ];
    part(".figures").replaceChildren(
      ...facts
        .filter(([, value]) => value != null)
        .map(([name, value]) => {
          const pair = document.createElement("div");
          pair.append(document.createElement("dt"), document.createElement("dd"));
          pair.children[0].textContent = name;
          pair.children[1].textContent = value;
          return pair;
        }),
    );
  };

  const showRow = () => {
    root.style.setProperty("--decision", `var(${classColour(row.label)})`);
    part(".decision-label").textContent = shortLabel(row.label);
    part(".decision-label").title = row.label;
    part(".decision-percent").textContent = probability(row.probability);
    part(".why").textContent = row.why.length > 0 ? `Explained for: ${row.why.join(", ")}` : "";
    part(".view-source").textContent = row.source;
  };
  const showAge = () => {
    if (row) part(".view-time").textContent = `${clock(row.at)}, ${age(now() - row.at)} ago`;
  };

  const load = async () => {
    const mine = ++asked;
    // What is still to be seen is another decision's.
    part(".picture").classList.add("stale");
    try {
      const details = await fetched(`decisions/${row.id}/details.json`, (response) => response.json());
      const blobs = await Promise.all(
        PARTS.map((name) => {
          const address = details.pictures[name];
          return address ? fetched(address, (response) => response.blob()) : null;
        }),
      );
      if (mine !== asked) return;
      showFigures(details);
      const parts = Object.fromEntries(PARTS.map((name, i) => [name, blobs[i]]));
      await picture.show({ frame: details.summary.frame, placement: details.placement }, parts);
      canvas.setAttribute("aria-label", `${row.source}: ${row.label}, ${probability(row.probability)}`);
      setMode(picture.shows(mode) ? mode : "magnitude");
      part(".picture").classList.remove("stale");
      note("");
    } catch (error) {
      if (mine === asked) note(`It cannot be shown: ${error.message}`);
    }
  };

  const strip = createStrip(part(".recent"), "", (chosen) => show(chosen));

  const showSteps = () => {
    const rows = strip.shown();
    const at = rows.findIndex(({ id }) => id === row.id);
    part(".older").disabled = at <= 0;
    part(".newer").disabled = at < 0 || at === rows.length - 1;
  };

  function show(next) {
    row = { ...next, source: row.source };
    showRow();
    showAge();
    strip.set({ current: row.id });
    showSteps();
    void load();
  }
  const step = (by) => {
    const rows = strip.shown();
    const at = rows.findIndex(({ id }) => id === row.id);
    const next = at < 0 ? undefined : rows[at + by];
    if (next) show(next);
  };

  for (const button of root.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => setMode(button.dataset.view));
  }
  part(".older").addEventListener("click", () => step(-1));
  part(".newer").addEventListener("click", () => step(1));
  part(".close").addEventListener("click", () => root.close());
  // A click beside the view is none on anything in it.
  root.addEventListener("click", ({ target }) => {
    if (target === root) root.close();
  });
  root.addEventListener("close", () => {
    asked++;
    row = null;
  });

  return {
    get isOpen() {
      return root.open;
    },
    /** Shows a decision of a source; the strip below keeps to `label`, "" being all. */
    open({ key, name }, chosen, pageMode, label = "") {
      mode = pageMode;
      row = { ...chosen, source: name };
      if (!root.open) root.showModal();
      strip.set({ source: key, label });
      show(chosen);
      setMode(mode);
    },
    key(event) {
      // A choice of the class has keys of its own.
      if (event.target.tagName === "SELECT") return;
      const wanted = MODES[Number(event.key) - 1];
      if (wanted) setMode(wanted);
      else if (NEXT[event.key]) step(NEXT[event.key]);
    },
    refresh() {
      if (!root.open) return;
      showAge();
      strip.refresh();
      showSteps();
    },
    redraw: () => picture.redraw(),
  };
}
