/** Whether decisions are those that the source's `truth` knows of, in words. */
import { percent, shortLabel, text } from "./format.js";

/** `right`, or `wrong, it is ok`. */
export const verdict = ({ right, label }) => (right ? "right" : `wrong, it is ${shortLabel(label)}`);

/** `71 % of the relevance within its mask, which is 3 % of the picture`; nothing where there is none. */
export const within = ({ insideMask, maskArea } = {}) =>
  insideMask === undefined
    ? ""
    : `${percent(insideMask)} of the relevance within its mask, which is ${percent(maskArea)} of the picture`;

/**
 * What is shown in `root`: of the truth of this frame whether it was decided right, and of that of the last explained frame with a mask
 * how much of the relevance lay in it. Hidden while nothing is known.
 */
export function createTruth(root) {
  const [mark, words] = [root.querySelector(".truth-verdict"), root.querySelector(".truth-inside")];
  return (truth, inside = truth) => {
    root.hidden = !truth;
    if (!truth) return;
    mark.dataset.right = truth.right;
    text(mark, truth.right ? "Right" : `Wrong, it is ${shortLabel(truth.label)}`);
    const share = within(inside);
    text(words, share === "" || inside === truth ? share : `Last ${shortLabel(inside.label)}: ${share}`);
  };
}
