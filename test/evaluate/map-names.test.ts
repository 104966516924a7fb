import { describe, expect, it } from "vitest";
import { mapNames } from "../../src/evaluate/map-names.js";

describe("names of files for maps", () => {
  it("keep letters of any script, and nothing that leads elsewhere", () => {
    expect(mapNames(["\u65e5\u672c 1", "dent/1.2", "..\\\u001b[31m"])).toEqual([
      "\u65e5\u672c_1",
      "dent_1.2",
      ".._31m",
    ]);
  });

  it("are each another one, also where capitals are not told apart", () => {
    expect(mapNames(["a b", "a_b", "A/B", "a~2", "c"])).toEqual(["a_b", "a_b~2", "A_B~3", "a_2", "c"]);
  });
});
