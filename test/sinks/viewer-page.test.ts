/// <reference lib="dom" />
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { viewerSinkSchema } from "../../src/config/schema.js";
import type { Summary } from "../../src/messages/summary.js";
import { createViewerSink, type ViewerSink } from "../../src/sinks/viewer/index.js";
import { freePort } from "../support/nats-server.js";
import { pause, recordingContext, until } from "../support/sinks.js";
import { FRAME, frame, PLACEMENT, REGION, type Shot, shots, status, summary, UPCOMING } from "./viewer-stream.js";

const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const DESKTOP: BrowserContextOptions = { viewport: { width: 1920, height: 1080 }, colorScheme: "dark" };
const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, isMobile: true, deviceScaleFactor: 2 };
const MODES = ["original", "magnitude", "signed", "positive"] as const;

let browser: Browser;
let film: Shot[];
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  film = await shots(8);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", ...QUIET],
  });
});
afterAll(() => browser?.close());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(port = 0, decisions = {}): Promise<ViewerSink> {
  const sink = createViewerSink(
    viewerSinkSchema.parse({ kind: "viewer", port, decisions }),
    recordingContext().context,
  );
  await sink.connect();
  cleanups.push(() => sink.close(500));
  return sink;
}

/** Opens the page; whatever the console complains about, or is asked of another host, fails the test at its end. */
async function visit(sink: ViewerSink, options: BrowserContextOptions): Promise<Page> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("ERR_CONNECTION_REFUSED"))
      complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(sink.url ?? request.url())) complaints.push(`asked for ${request.url()}`);
  });
  cleanups.push(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });
  await page.goto(sink.url!);
  return page;
}

let sequence = 0;
const shot = (i: number): Shot => film[i % film.length]!;
const send = (sink: ViewerSink, source: string, i = sequence++) =>
  sink.write(frame(summary(source, i), { ...shot(0), placement: PLACEMENT }));

const text = (page: Page, selector: string) => page.locator(selector).first().textContent();

/** Mean colour of a place on the picture, given in frame pixels. */
const colourAt = (page: Page, x: number, y: number, size = 12) =>
  page.evaluate(
    ([left, top, side, width]) => {
      const canvas = document.querySelector<HTMLCanvasElement>(".picture canvas")!;
      const scale = canvas.width / width!;
      const place = [left! * scale, top! * scale, side! * scale, side! * scale].map(Math.round);
      const { data } = canvas.getContext("2d")!.getImageData(place[0]!, place[1]!, place[2]!, place[3]!);
      return [0, 1, 2].map((c) => data.filter((_, i) => i % 4 === c).reduce((a, b) => a + b, 0) / (data.length / 4));
    },
    [x, y, size, FRAME.width],
  );

/** Where a shot's heatmap is strongest, in frame pixels. */
async function hottest(of: Shot): Promise<[number, number]> {
  const { default: sharp } = await import("sharp");
  const { data, info } = await sharp(of.heatmap).blur(3).extractChannel(0).raw().toBuffer({ resolveWithObject: true });
  let best = 0;
  for (let i = 0; i < data.length; i++) if (data[i]! > data[best]!) best = i;
  const scale = REGION.width / info.width;
  return [REGION.x + (best % info.width) * scale - 6, REGION.y + Math.floor(best / info.width) * scale - 6];
}

const distance = (a: number[], b: number[]) => Math.hypot(...a.map((v, i) => v - b[i]!));

/** Shows a picture and waits until it is on the canvas. */
async function show(sink: ViewerSink, page: Page, source: string) {
  await until("the picture", async () => {
    await send(sink, source);
    await pause(60);
    // A busy browser has no tile for it yet.
    return (await page.locator(".picture canvas").count()) > 0 && sum(await colourAt(page, 20, 300)) > 30;
  });
}
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

describe("the live page", () => {
  it("shows a tile for each source, with its decision, classes, figures and state", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    await expect.poll(() => page.locator("#welcome").isVisible()).toBe(true);
    for (let i = 0; i < 20; i++) {
      for (const source of ["belt", "cam-2", "cam-10", "cam-3"]) await send(sink, source, i);
      await pause(40);
    }
    await sink.write(status("belt"));
    await expect.poll(() => page.locator(".name").allTextContents()).toEqual(["belt", "cam-2", "cam-3", "cam-10"]);
    await expect.poll(() => text(page, ".drops")).toBe("290");
    expect(await text(page, ".decision-label")).toBe("water bottle");
    expect(await text(page, ".decision-percent")).toMatch(/^\d\d %$/);
    expect(await page.locator(".tile:first-child .top-label").allTextContents()).toContain("pop bottle");
    expect(await text(page, ".state span")).toBe("Live");
    expect(await text(page, ".latency")).toMatch(/^5\d ms$/);
    expect(await text(page, ".rate")).toMatch(/^\d+(\.\d)?\/s$/);
    expect(await text(page, ".drops-reasons")).toBe("Dropped: superseded 264, stale 26");
    expect(await text(page, ".for-text")).toMatch(/^\d\d % speaks for it$/);
    expect(await text(page, "#census")).toMatch(/^\d of 4 live$/);
  });

  it("draws original, magnitude, signed and positive differently where relevance is, and alike where none is", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    await show(sink, page, "belt");
    const [x, y] = await hottest(shot(0));
    const inside: Record<string, number[]> = {};
    const outside: Record<string, number[]> = {};
    for (const mode of MODES) {
      await page.click(`button[data-mode=${mode}]`);
      expect(await page.getAttribute(`button[data-mode=${mode}]`, "aria-pressed")).toBe("true");
      inside[mode] = await colourAt(page, x, y);
      outside[mode] = await colourAt(page, 120, 40);
    }
    for (const mode of MODES.slice(1)) {
      expect(distance(inside[mode]!, inside.original!), mode).toBeGreaterThan(40);
      expect(distance(outside[mode]!, outside.original!), mode).toBeLessThan(0.5);
    }
    expect(distance(inside.signed!, inside.magnitude!)).toBeGreaterThan(20);
    expect(distance(inside.positive!, inside.magnitude!)).toBeLessThan(5);
    expect(inside.signed![0]!, "what speaks for it is red").toBeGreaterThan(inside.signed![2]! + 60);
  });

  it("draws heat as overlays are drawn, colours, opacity and what is shown, also when they change", async () => {
    const { default: sharp } = await import("sharp");
    const full = { width: 48, height: 48, channels: 3, background: "#ffffff" } as const;
    const heatmap = await sharp({ create: full }).toColourspace("b-w").png().toBuffer();
    const style = { show: "magnitude", colormap: "viridis", opacity: 1, quality: 80 } as const;
    const sink = await serve();
    sink.restyle!(style);
    const page = await visit(sink, DESKTOP);
    const [x, y] = [REGION.x + REGION.width / 2, REGION.y + REGION.height / 2];
    const drawn = () => colourAt(page, x, y);
    await show(sink, page, "belt");
    await page.keyboard.press("1");
    const original = await drawn();
    const over = (colour: number[], opacity: number) => original.map((v, c) => v + (colour[c]! - v) * opacity);
    const isPressed = (mode: string) => page.getAttribute(`button[data-mode=${mode}]`, "aria-pressed");
    const expectDrawn = (colour: number[]) =>
      expect.poll(async () => distance(await drawn(), colour), { timeout: 20_000 }).toBeLessThan(4);

    await page.keyboard.press("2");
    await until("the picture with full heat", async () => {
      await sink.write(frame(summary("belt", sequence++), { ...shot(0), heatmap, placement: PLACEMENT }));
      await pause(60);
      return distance(await drawn(), [253, 231, 37]) < 4;
    });
    // No picture comes any more: what is there is drawn anew.
    sink.restyle!({ ...style, colormap: "inferno", opacity: 0.5 });
    await expectDrawn(over([252, 255, 164], 0.5));
    sink.restyle!({ ...style, opacity: 0 });
    await expectDrawn(original);

    // Who has chosen what to see goes on seeing it, who has not sees what overlays show.
    sink.restyle!({ ...style, show: "signed" });
    await expectDrawn([253, 231, 37]);
    expect(await isPressed("magnitude")).toBe("true");
    await page.evaluate(() => localStorage.clear());
    await page.reload();
    await expect.poll(() => isPressed("signed"), { timeout: 20_000 }).toBe("true");
    await expectDrawn([224, 16, 31]);
    sink.restyle!({ ...style, show: "positive" });
    await expect.poll(() => isPressed("positive"), { timeout: 20_000 }).toBe("true");
  });

  it("remembers the chosen view and theme, which keys choose too", async () => {
    const sink = await serve();
    const page = await visit(sink, { ...DESKTOP, colorScheme: "light" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const lightness = async () => sum((await ground()).match(/\d+/g)!.map(Number));
    expect(await lightness()).toBeGreaterThan(600);
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(lightness).toBeLessThan(150);
    await page.keyboard.press("t");
    await expect.poll(lightness).toBeGreaterThan(600);
    await page.keyboard.press("3");
    await page.reload();
    expect(await lightness()).toBeGreaterThan(600);
    expect(await page.getAttribute("button[data-mode=signed]", "aria-pressed")).toBe("true");
    await page.click("#theme");
    expect(await lightness()).toBeLessThan(150);
  });

  it("lets the history grow, and has the last minute at once when it is opened again", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    const drawn = () =>
      page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>(".strip");
        if (!canvas?.width) return 0;
        const row = canvas.getContext("2d")!.getImageData(0, canvas.height - 2, canvas.width, 1).data;
        const empty = row.slice(0, 3).join();
        let n = 0;
        for (let i = 0; i < row.length; i += 4) if (row.slice(i, i + 3).join() !== empty) n++;
        return n;
      });
    for (let i = 0; i < 10; i++) await send(sink, "belt").then(() => pause(50));
    await expect.poll(drawn).toBeGreaterThan(0);
    const early = await drawn();
    for (let i = 0; i < 40; i++) await send(sink, "belt").then(() => pause(50));
    await expect.poll(drawn).toBeGreaterThan(early + 20);
    await page.reload();
    await expect.poll(drawn).toBeGreaterThan(early + 20);
    await expect.poll(() => page.locator(".shares li").allTextContents()).not.toEqual([]);
  });

  it("enlarges a source by click, goes on by arrow key, returns by Escape, and asks for no picture it does not show", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    for (const source of ["a", "b", "c"]) await send(sink, source);
    await page.locator(".tile:nth-child(2) .picture").click();
    const names = () => page.locator(".tile:visible .name").allTextContents();
    await expect.poll(names).toEqual(["b"]);
    await until("only b to be wanted", () => sink.wantsOriginal!("b", UPCOMING) && !sink.wantsOriginal!("a", UPCOMING));
    await page.keyboard.press("ArrowRight");
    await expect.poll(names).toEqual(["c"]);
    await page.keyboard.press("Escape");
    await expect.poll(names).toEqual(["a", "b", "c"]);
    await until("all to be wanted", () => ["a", "b", "c"].every((source) => sink.wantsOriginal!(source, UPCOMING)));
  });

  it("keeps decisions in a strip for who comes later, by class, and opens one large, by mouse and by keys", async () => {
    const sink = await serve();
    // A water bottle, a pop bottle, a beaker, a water bottle.
    for (const i of [10, 100, 125, 130]) await send(sink, "belt", i);
    const page = await visit(sink, DESKTOP);
    const thumbs = () => page.locator(".tile .thumb-label").allTextContents();
    await expect.poll(thumbs).toEqual(["water bottle", "beaker", "pop bottle", "water bottle"]);
    const loaded = () =>
      page.evaluate(() =>
        [...document.querySelectorAll<HTMLImageElement>(".tile .thumb img")].map((i) => i.naturalWidth),
      );
    await expect.poll(loaded).toEqual([213, 213, 213, 213]);
    await page.locator(".tile .filter").selectOption({ label: "water bottle 2" });
    await expect.poll(thumbs).toEqual(["water bottle", "water bottle"]);
    await page.locator(".tile .filter").selectOption({ label: "All 4" });
    await page.locator(".tile .thumb").nth(1).click();
    const view = page.locator("#decision");
    await expect.poll(() => view.locator(".decision-label").textContent()).toBe("beaker");
    await expect.poll(() => view.locator(".top-label").first().textContent()).toBe("beaker");
    expect(await view.locator(".figures").textContent()).toMatch(/Concentration\d\d %.*Methodr-lrp.*Frame125/);
    const drawn = () =>
      page.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>("#decision canvas")!;
        return canvas
          .getContext("2d")!
          .getImageData(0, 0, canvas.width, canvas.height)
          .data.reduce((a, b) => a + b, 0);
      });
    const looks = new Set<number>();
    for (const mode of MODES) {
      await view.locator(`[data-view=${mode}]`).click();
      looks.add(await drawn());
    }
    expect(looks.size).toBe(4);
    await page.keyboard.press("1");
    expect(await view.locator("[data-view=original]").getAttribute("aria-pressed")).toBe("true");
    // The page behind keeps its own.
    expect(await page.getAttribute("button[data-mode=magnitude]", "aria-pressed")).toBe("true");
    await page.keyboard.press("ArrowLeft");
    await expect.poll(() => view.locator(".decision-label").textContent()).toBe("pop bottle");
    expect(await view.locator("[aria-current=true] .thumb-label").textContent()).toBe("pop bottle");
    await page.keyboard.press("Escape");
    await expect.poll(() => view.isVisible()).toBe(false);
  });

  it("opens the decision of the moment that is clicked in the time line", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    await send(sink, "belt", 125);
    await pause(100);
    await send(sink, "belt", 10);
    await expect.poll(() => page.locator(".tile .thumb").count()).toBe(2);
    const lane = page.locator(".lane-open").first();
    const label = () => page.locator("#decision .decision-label").textContent();
    // A minute ago the beaker was the nearest; by key it is the newest.
    await lane.click({ position: { x: 3, y: 5 } });
    await expect.poll(label).toBe("beaker");
    await page.keyboard.press("Escape");
    await lane.focus();
    await page.keyboard.press("Enter");
    await expect.poll(label).toBe("water bottle");
  });

  it("shows a source's film in an image", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    await sink.write(frame(summary("belt", 1), { heatmap: shot(0).heatmap, overlay: shot(0).original }));
    const width = () =>
      page.evaluate(() => {
        const image = document.querySelector<HTMLImageElement>("#film") ?? document.createElement("img");
        if (!image.isConnected) document.body.append(Object.assign(image, { id: "film", src: "belt.mjpg" }));
        return image.naturalWidth;
      });
    await expect.poll(width, { timeout: 15_000 }).toBe(FRAME.width);
  });

  it("tells why a frame was explained, and shows an overlay where no original was kept", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    const of = summary("belt", 1, { why: ["changed", "below"] });
    await sink.write(frame(of, { heatmap: shot(0).heatmap, overlay: shot(0).original, placement: PLACEMENT }));
    await page.locator(".tile .thumb").first().click();
    await expect.poll(() => text(page, "#decision .why")).toBe("Explained for: changed, below");
    await expect.poll(() => page.locator("#decision [data-view=original]").isDisabled()).toBe(true);
    expect(await page.locator("#decision [data-view=signed]").isDisabled()).toBe(false);
  });

  it("tells in words what to beware of, on the tile until an explained frame has none, and of a decision", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    const send = (sequence: number, more: Partial<Summary>) =>
      sink.write(frame(summary("belt", sequence, more), { ...shot(0), placement: PLACEMENT }));
    const told = (within: string) => page.locator(`${within} .warnings:visible li`).allTextContents();
    await send(1, { warnings: ["border", "drift"] });
    await expect.poll(() => told(".tile")).toEqual(["Rests on the border", "Unlike what was learned"]);
    expect(await page.locator(".tile .warnings li").first().getAttribute("title")).toMatch(/^Much of the relevance/);
    const relevance = summary("belt", 2).relevance;
    // Only classified: what was said of the last explanation still holds.
    await send(2, { relevance: null });
    await expect.poll(() => page.locator(".tile .thumb").count()).toBe(1);
    expect(await told(".tile")).toHaveLength(2);
    await page.locator(".tile .thumb").click();
    await expect.poll(() => told("#decision")).toEqual(["Rests on the border", "Unlike what was learned"]);
    await send(3, { relevance, warnings: [] });
    await expect.poll(() => told(".tile")).toEqual([]);
    expect(await told("#decision")).toHaveLength(2);
  });

  it("tells whether a decision is right and how much relevance lies in the mask, on the tile, in the strip and large", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    const send = (sequence: number, more: Partial<Summary>) =>
      sink.write(frame(summary("belt", sequence, more), { ...shot(0), placement: PLACEMENT }));
    const told = (within: string) => text(page, `${within} .truth:visible`);
    await send(1, {});
    await expect.poll(() => page.locator(".tile .thumb").count()).toBe(1);
    expect(await page.locator(".truth:visible, .tile .thumb .truth-verdict:visible").count()).toBe(0);
    await send(2, { why: ["below"], truth: { label: "water bottle", right: true, insideMask: 0.714, maskArea: 0.03 } });
    await expect.poll(() => told(".tile")).toBe("Right 71 % of the relevance lies in the mask, on 3 % of the picture");
    const marks = () => page.locator(".tile .thumb .truth-verdict:visible").allTextContents();
    await expect.poll(marks).toEqual(["71 %"]);
    await page.locator(".tile .thumb").first().click();
    await expect.poll(() => told("#decision")).toMatch(/^Right 71 % of the relevance lies in the mask/);
    await page.keyboard.press("Escape");
    // Of the last mask it is said that it is another's.
    await send(3, { why: ["below"], truth: { label: "beer, ale", right: false } });
    await expect
      .poll(() => told(".tile"))
      .toBe("Wrong, it is beer Last water bottle: 71 % of the relevance lies in the mask, on 3 % of the picture");
    await expect
      .poll(() => page.locator(".tile .thumb").first().getAttribute("title"))
      .toMatch(/, wrong, it is beer, /);
  });

  it("says that a source sends no more, how long ago the last frame was, and why when it is told", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    await send(sink, "belt");
    await expect.poll(() => text(page, ".state span"), { timeout: 15_000 }).toBe("No frames");
    const first = await text(page, ".note");
    expect(first).toMatch(/^Last frame \d+\.\d s ago$/);
    await expect.poll(() => text(page, ".note")).not.toBe(first);
    await sink.write(status("belt", { state: "failed", reason: "the camera refuses the password", restarts: 2 }));
    await expect.poll(() => text(page, ".state span")).toBe("Failed");
    expect(await text(page, ".note")).toMatch(/^the camera refuses the password · Last frame /);
    expect(await text(page, ".since")).toBe("2 restarts");
    expect(await text(page, "#announcer")).toBe("belt: failed, the camera refuses the password");
  });

  it("says that the connection is lost, and comes back by itself", async () => {
    const port = await freePort();
    const sink = await serve(port);
    const page = await visit(sink, DESKTOP);
    await send(sink, "belt");
    await expect.poll(() => page.locator(".tile").count()).toBe(1);
    // A thumbnail on its way would be one more complaint of the console.
    const loaded = () => page.evaluate(() => document.querySelector<HTMLImageElement>(".thumb img")?.naturalWidth);
    await expect.poll(loaded).toBe(213);
    await sink.close(500);
    await expect.poll(() => page.locator("#banner").isVisible()).toBe(true);
    expect(await text(page, "#banner")).toBe("The connection to the worker is lost. Trying again …");
    const again = await serve(port);
    await send(again, "belt", 5);
    await expect.poll(() => page.locator("#banner").isVisible(), { timeout: 15_000 }).toBe(false);
    await show(again, page, "belt");
  });

  it("shows the published overlay where there is no original, and disables what it cannot draw", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    const send = () => sink.write(frame(summary("belt", 1), { overlay: shot(0).original, heatmap: shot(0).heatmap }));
    await until("the overlay", async () => {
      await send();
      await pause(60);
      return (await page.locator(".tile").count()) > 0 && sum(await colourAt(page, 20, 300)) > 30;
    });
    await expect.poll(() => page.isDisabled("button[data-mode=original]")).toBe(true);
    expect(await page.isEnabled("button[data-mode=signed]")).toBe(true);
    const overlay = await colourAt(page, 20, 300);
    await page.click("button[data-mode=signed]");
    expect(distance(await colourAt(page, 20, 300), overlay)).toBeGreaterThan(40);
    await expect.poll(() => text(page, ".note")).toContain("Heatmap alone");
  });

  it("treats labels and reasons as text", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    const of = summary("belt", 1);
    const label = "<img src=x onerror=alert(1)>";
    of.classification.target.label = label;
    of.classification.top[0]!.label = label;
    await sink.write(frame(of, { ...shot(0), placement: PLACEMENT }));
    await expect.poll(() => text(page, ".decision-label")).toBe(label);
    await page.locator(".tile .thumb").click();
    await expect.poll(() => text(page, "#decision .top-label")).toBe(label);
    expect(await page.locator("#decision .thumb-label, .tile .thumb-label").allTextContents()).toEqual([label, label]);
    expect(await page.locator("img[src=x]").count()).toBe(0);
  });

  it("survives a picture that is none", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    const broken = { original: Buffer.from("no jpeg"), heatmap: shot(0).heatmap, placement: PLACEMENT };
    await sink.write(frame(summary("belt", 1), broken));
    await expect.poll(() => text(page, ".note")).toContain("A picture could not be drawn");
    await show(sink, page, "belt");
  });

  for (const [name, options] of [
    ["a phone", PHONE],
    ["a full-HD monitor", DESKTOP],
    ["a 4K monitor", { ...DESKTOP, viewport: { width: 3840, height: 2160 } }],
    ["a small laptop", { ...DESKTOP, viewport: { width: 1024, height: 640 } }],
    ["a laptop", { ...DESKTOP, viewport: { width: 1366, height: 768 } }],
  ] as const) {
    it(`fits ${name} with one, four and nine sources, without scrolling sideways or cutting figures off`, async () => {
      const sink = await serve();
      const page = await visit(sink, options);
      for (const count of [1, 4, 9]) {
        const truth = { label: "beer", right: false, insideMask: 0.5, maskArea: 0.02 };
        for (let i = 0; i < count; i++) {
          const warnings: Summary["warnings"] = i % 2 === 0 ? ["border", "drift"] : [];
          const of = summary(`cam-${i}`, 1, { warnings, ...(i % 3 === 0 && { truth }) });
          await sink.write(frame(of, { ...shot(0), placement: PLACEMENT }));
        }
        await expect.poll(() => page.locator(".tile").count()).toBe(count);
        await expect.poll(() => page.locator(".tile:has(.thumb)").count(), { timeout: 15_000 }).toBe(count);
        await pause(250);
        const cut = await page.evaluate(() => {
          const wide = document.documentElement.scrollWidth > innerWidth ? ["the page is too wide"] : [];
          const boxes = [...document.querySelectorAll<HTMLElement>(".side, .tile-body")];
          return [...wide, ...boxes.filter((b) => b.scrollHeight > b.clientHeight + 1).map((b) => b.className)];
        });
        expect(cut, `${count} sources`).toEqual([]);
      }
    });
  }

  it("names its buttons, pictures and charts for those who do not see them, with text that stands out", async () => {
    const sink = await serve();
    const page = await visit(sink, DESKTOP);
    for (const source of ["a", "b"]) await send(sink, source);
    await expect.poll(() => page.locator(".tile").count()).toBe(2);
    const nameless = await page.evaluate(
      () =>
        [...document.querySelectorAll("button, canvas[role=img]")].filter(
          (e) => !e.getAttribute("aria-label") && !e.textContent?.trim(),
        ).length,
    );
    expect(nameless).toBe(0);
    for (const theme of ["dark", "light"]) {
      const ratios = await page.evaluate((chosen) => {
        document.documentElement.dataset.theme = chosen;
        const style = getComputedStyle(document.documentElement);
        const luminance = (name: string) => {
          const hex = style.getPropertyValue(name).trim().slice(1);
          const full = hex.length === 3 ? [...hex].map((c) => c + c).join("") : hex;
          const [r, g, b] = [0, 2, 4].map((i) => {
            const v = Number.parseInt(full.slice(i, i + 2), 16) / 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
        };
        const ratio = (a: string, b: string) => {
          const [x, y] = [luminance(a), luminance(b)].sort((m, n) => n - m);
          return (x! + 0.05) / (y! + 0.05);
        };
        const onSurface = ["--text", "--muted", "--live", "--wait", "--warn", "--cold", "--rest", "--bad"];
        return [
          ...onSurface.map((name) => [name, ratio(name, "--surface")] as const),
          ["--muted on ground", ratio("--muted", "--ground")] as const,
          ["--on-accent", ratio("--on-accent", "--accent")] as const,
        ];
      }, theme);
      for (const [name, ratio] of ratios) expect(ratio, `${name}, ${theme}`).toBeGreaterThan(4.5);
    }
  });
});
