/** Whether decisions are those that the source's `truth` knows of, in words. */
import { percent, shortLabel, text } from "./format.js";

/** `right`, or `wrong, it is ok`. */
export const verdict = ({ right, label }) => (right ? "right" : `wrong, it is ${shortLabel(label)}`);

/** `71 % of the relevance lies in the mask, on 3 % of the picture`; nothing where there is none. */
export const within = ({ insideMask, maskArea } = {}) =>
  insideMask === undefined
    ? ""
    : `${percent(insideMask)} of the relevance lies in the mask, on ${percent(maskArea)} of the picture`;

/**
 * What is shown in `root`: of the truth of this frame whether it was decided right, and of that of the last explained frame with a mask
 * how much of the relevance lay in it. Hidden while nothing is known.
 */
export function createTruth(root) {
  const part = (name) => root.querySelector(`.truth-${name}`);
  return (truth, inside = truth) => {
    root.hidden = !truth;
    if (!truth) return;
    part("verdict").dataset.right = truth.right;
    text(part("verdict"), truth.right ? "Right" : `Wrong, it is ${shortLabel(truth.label)}`);
    part("inside").hidden = inside?.insideMask === undefined;
    if (part("inside").hidden) return;
    part("inside").classList.toggle("past", inside !== truth);
    text(part("before"), inside === truth ? "" : `Last ${shortLabel(inside.label)}: `);
    text(part("share"), percent(inside.insideMask));
    text(part("area"), `, on ${percent(inside.maskArea)} of the picture`);
  };
}
