/** One source on the page. */
import { drawSpark, drawStrip, HISTORY_MS } from "./charts.js";
import { classColour } from "./colors.js";
import { decisionAt, decisionsOf } from "./decisions.js";
import { age, count, milliseconds, percent, probability, rate, shortLabel, text } from "./format.js";
import { createPicture } from "./picture.js";
import { condition, pace, shares } from "./source.js";
import { createStrip } from "./strip.js";
import { createTop } from "./top.js";
import { createTruth } from "./truth.js";
import { createWarnings } from "./warnings.js";

const STATES = {
  connecting: "Connecting",
  live: "Live",
  stalled: "Stalled",
  frozen: "Frozen",
  ended: "Ended",
  failed: "Failed",
  quiet: "No frames",
};
const SHARES = 4;
const LABELS_EVERY_MS = 2_000;

/** `onDecision(row, label)` is called with a decision that is to be shown large, and the class that the strip keeps to. */
export function createTile(source, { onEnlarge, onDecision }) {
  const root = document.getElementById("tile-template").content.firstElementChild.cloneNode(true);
  const part = (selector) => root.querySelector(selector);
  const canvas = part(".picture canvas");
  const picture = createPicture(canvas);
  const [strip, spark] = [part(".strip"), part(".spark")];
  const top = createTop(part(".top"));
  const check = createTruth(part(".truth"));
  const warn = createWarnings(part(".warnings"));
  const recent = createStrip(part(".recent"), source.key, onDecision);
  let shownAt = 0;
  let mode = "magnitude";
  let describedAt = 0;
  let broken = null;

  part(".enlarge").addEventListener("click", onEnlarge);
  part(".picture").addEventListener("click", onEnlarge);
  for (const lane of root.querySelectorAll(".lane-open")) {
    lane.addEventListener("click", ({ clientX, detail }) => {
      const { left, width } = lane.getBoundingClientRect();
      // By key it is the newest.
      const past = detail === 0 ? 0 : 1 - (clientX - left) / width;
      const row = decisionAt(source.key, shownAt - past * HISTORY_MS);
      if (row) onDecision(row, "");
    });
  }

  const showState = (now, online) => {
    const { state, quiet, silent, reason } = condition(source, now);
    const shown = state === "live" && quiet ? "quiet" : state;
    root.dataset.state = shown;
    root.classList.toggle("past", quiet || state === "stalled" || !online);
    text(part(".state span"), STATES[shown] ?? shown);
    const restarts = source.status?.restarts ?? 0;
    text(part(".since"), restarts > 0 ? `${count(restarts)} ${restarts === 1 ? "restart" : "restarts"}` : "");

    const notes = [];
    if (broken) notes.push(broken);
    if (shown === "frozen") notes.push("The camera repeats one picture");
    if (reason && shown !== "live") notes.push(reason);
    if (silent !== null && (quiet || state === "stalled")) notes.push(`Last frame ${age(silent)} ago`);
    else if (silent === null && notes.length === 0) notes.push("No frame yet");
    if (shown === "live" && !broken && picture.heatmapAlone) notes.push("Heatmap alone, as the model sees it");
    else if (shown === "live" && mode !== "original" && picture.classifiedOnly) notes.push("Only classified");
    const note = part(".note");
    note.hidden = notes.length === 0;
    text(note, notes.join(" · "));
    note.title = source.status?.ffmpeg?.slice(-3).join("\n") ?? "";
  };

  const showDecision = () => {
    const { classification, warnings = [], truth, lastInside } = source.summary ?? {};
    root.classList.toggle("undecided", !classification);
    root.classList.toggle("warned", warnings.length > 0);
    root.classList.toggle("checked", truth !== undefined);
    warn(warnings);
    check(truth, truth?.insideMask === undefined ? lastInside : truth);
    if (!classification) return;
    const { target } = classification;
    text(part(".decision-label"), shortLabel(target.label));
    part(".decision-label").title = target.label;
    text(part(".decision-percent"), probability(target.probability));
    root.style.setProperty("--decision", `var(${classColour(target.label)})`);
    top.show(classification);
  };

  const showBalance = () => {
    const last = source.rows.findLast((row) => row.positive !== null);
    const flows = last && last.positive - last.negative > 0;
    part(".balance").hidden = !last;
    if (!last) return;
    part(".for").style.width = `${last.positive * 100}%`;
    part(".against").style.width = `${-last.negative * 100}%`;
    text(part(".for-text"), flows ? `${percent(last.positive)} speaks for it` : "No relevance flows");
    text(part(".against-text"), flows ? `${percent(-last.negative)} against` : "");
    text(part(".concentration"), percent(last.concentration));
  };

  const showFacts = (now, connectedFor) => {
    const { rate: perSecond, latency } = pace(source, now, connectedFor);
    text(part(".rate"), perSecond === null ? "–" : `${rate(perSecond)}/s`);
    text(part(".latency"), latency === null ? "–" : milliseconds(latency));
    const { ledger } = source.status ?? {};
    if (!ledger) return;
    const reasons = Object.entries(ledger.dropped).filter(([, n]) => n > 0);
    const dropped = reasons.reduce((sum, [, n]) => sum + n, 0);
    text(part(".drops"), count(dropped));
    part(".drops-fact").title = `${count(dropped)} of ${count(ledger.captured)} frames captured`;
    const by = reasons.sort((a, b) => b[1] - a[1]).map(([reason, n]) => `${reason.replaceAll("_", " ")} ${count(n)}`);
    text(part(".drops-reasons"), by.length > 0 ? `Dropped: ${by.join(", ")}` : "");
  };

  const showTimeline = (now, style) => {
    drawStrip(strip, source.rows, now, style);
    drawSpark(spark, source.rows, now, style);
    shownAt = now;
    recent.refresh();
    const none = decisionsOf(source.key).length === 0;
    root.classList.toggle("kept", !none);
    for (const lane of root.querySelectorAll(".lane-open")) lane.disabled = none;
  };

  const describe = (now) => {
    if (now - describedAt < LABELS_EVERY_MS) return;
    describedAt = now;
    const all = shares(source);
    const list = part(".shares");
    list.replaceChildren(
      ...all.slice(0, SHARES).map(({ label, share }) => {
        const item = document.createElement("li");
        item.style.setProperty("--swatch", `var(${classColour(label)})`);
        item.textContent = `${shortLabel(label)} ${percent(share)}`;
        return item;
      }),
    );
    strip.setAttribute(
      "aria-label",
      `Top class over the last minute: ${all
        .slice(0, SHARES)
        .map((s) => `${s.label} ${percent(s.share)}`)
        .join(", ")}`,
    );
    const { target } = source.summary?.classification ?? {};
    if (target)
      canvas.setAttribute("aria-label", `${source.name}: ${target.label}, ${probability(target.probability)}`);
    const last = source.rows.at(-1);
    if (last?.concentration != null) {
      spark.setAttribute("aria-label", `Concentration over the last minute, now ${percent(last.concentration)}`);
    }
  };

  return {
    root,
    source,
    /** Draws a picture that has come; a broken one is named on the tile and costs nothing else. */
    async show(header, parts) {
      try {
        await picture.show(header, parts);
        this.setMode(mode);
        broken = null;
      } catch (error) {
        broken = `A picture could not be drawn (${error.message})`;
      }
    },
    setMode(wanted) {
      mode = wanted;
      const effective = picture.shows(wanted) ? wanted : "magnitude";
      if (root.dataset.mode === effective) return;
      root.dataset.mode = effective;
      picture.setMode(effective);
    },
    redraw: () => picture.redraw(),
    canShow: (wanted) => picture.shows(wanted),
    /** Brings name and buttons up to date. */
    name(withStation, enlarged, alone) {
      text(part(".name"), withStation ? `${source.station} / ${source.name}` : source.name);
      const button = part(".enlarge");
      button.hidden = alone;
      const does = enlarged ? "Show all sources" : `Enlarge ${source.name}`;
      button.setAttribute("aria-label", does);
      button.title = does;
      root.classList.toggle("clickable", !alone);
    },
    refresh(now, connectedFor, online, style) {
      showState(now, online);
      showDecision();
      showBalance();
      showFacts(now, connectedFor);
      showTimeline(now, style);
      describe(now);
    },
  };
}
