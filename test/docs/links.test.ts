import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/load.js";
import { parseCard } from "../../src/explain/model/card.js";
import { MESSAGE_KINDS } from "../../src/messages/message.js";
import { blocksOf, PAPERS, proseOf, ROOT, textOf } from "./papers.js";

/** The anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (text: string): string[] =>
  [...text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

describe("the papers", () => {
  it.each(PAPERS)("%s links to files and headings that are there", (paper) => {
    const links = [...proseOf(paper).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [path, anchor] = link.split("#") as [string, string?];
      const file = join(ROOT, path === "" ? paper : join(dirname(paper), path));
      if (!existsSync(file)) return true;
      return (
        anchor !== undefined && !(statSync(file).isFile() && anchorsOf(readFileSync(file, "utf8")).includes(anchor))
      );
    });
    expect(broken).toEqual([]);
  });

  it("are all reached from the README", () => {
    const linked = new Set([...textOf("README.md").matchAll(/\]\(([^)#\s]+)/g)].map((match) => match[1]!));
    const second = [...linked].filter((path) => /^docs\/.*\.md$/.test(path));
    for (const page of second)
      for (const [, path] of textOf(page).matchAll(/\]\(([^)#\s]+)/g)) linked.add(join("docs", path!));
    expect(PAPERS.filter((paper) => paper !== "README.md" && !linked.has(paper))).toEqual([]);
  });

  it.each(PAPERS)("%s names files of this repository that are there", (paper) => {
    const named = [
      ...proseOf(paper).matchAll(
        /`(?:node |npx vitest run )?((?:src|test|bench|scripts|config|docs|models|deploy)\/[\w./-]+)/g,
      ),
    ].map((match) => match[1]!.replace(/[./]+$/, ""));
    // NAME stands for what a reader adds.
    expect(named.filter((path) => !path.includes("NAME") && !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it("have every room of src in the house's table", () => {
    const rooms = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const rows = [...textOf("CONTRIBUTING.md").matchAll(/^\| `src\/([\w-]+)` /gm)].map((match) => match[1]!);
    expect(rows.sort()).toEqual(rooms.map(({ name }) => name).sort());
  });

  it.each(PAPERS)("%s names scripts of package.json that are there", (paper) => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: object };
    const named = [...textOf(paper).matchAll(/npm run (?:--silent )?([\w:]+)/g)].map((match) => match[1]!);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

describe("a configuration in the papers", () => {
  const WHOLE = { model: "model: { path: m.onnx }", sources: "sources: []", sinks: "sinks: [{ kind: nats }]" };

  it.each(blocksOf("yaml"))("of %s is valid by itself, or with the parts that it leaves out", (_, text) => {
    if (/^(labels|input):/m.test(text)) return void parseCard(text, "model.yaml");
    // Home Assistant's own: what is ours in it are the topics.
    const topics = /^mqtt:/.test(text) && [...text.matchAll(/topic: (\S+)/g)].map((match) => match[1]!.split("/"));
    if (topics) {
      const subjects = topics.map(([prefix, station, source]) => [prefix, station, source].join("/"));
      expect(new Set(subjects)).toEqual(new Set(["explain/line-3/cam-1"]));
      return void expect(MESSAGE_KINDS).toEqual(expect.arrayContaining(topics.map(([, , , kind]) => kind)));
    }
    const missing = Object.entries(WHOLE).filter(([key]) => !new RegExp(`^${key}:`, "m").test(text));
    parseConfig(`${text}\n${missing.map(([, part]) => part).join("\n")}\n`, "paper.yaml", {});
  });

  it("is one of at least six", () => {
    expect(blocksOf("yaml").length).toBeGreaterThanOrEqual(6);
  });
});
