/** Pictures in the order of their names, `picture2` before `picture10`. */
export const inOrder = new Intl.Collator("en", { numeric: true, sensitivity: "variant" });
