/** What to beware of when an explanation is read, in words. */
const WORDS = {
  "no-relevance": [
    "No relevance flows",
    "Nothing of the decision leads back to the picture: is the lens covered, or the picture black?",
  ],
  border: [
    "Rests on the border",
    "Much of the relevance lies at the border of what the model sees: what decides may be cut off, or be the padding.",
  ],
  "few-pixels": [
    "Rests on a few pixels",
    "Much of the relevance lies on very few pixels: is there a dead pixel, a reflection or a caption in the picture?",
  ],
  outside: ["Rests on the background", "Much of the relevance lies outside of the source's region of interest."],
  drift: [
    "Unlike what was learned",
    "For some time the relevance has lain elsewhere, or otherwise, than while the worker learned what is usual of this source: has the camera moved, or the light changed?",
  ],
};

/** The list of warnings in `list`; hidden while there is none. Changed only when they change. */
export function createWarnings(list) {
  let shown = "";
  return (warnings = []) => {
    const key = warnings.join();
    if (key === shown) return;
    shown = key;
    list.hidden = warnings.length === 0;
    // For those that have no room to be shown.
    if (warnings.length > 1) list.dataset.more = warnings.length - 1;
    else delete list.dataset.more;
    list.replaceChildren(
      ...warnings.map((warning) => {
        const [words, title] = WORDS[warning] ?? [warning, ""];
        const item = document.createElement("li");
        item.textContent = words;
        item.title = title;
        return item;
      }),
    );
  };
}
