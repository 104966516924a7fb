/// <reference lib="dom" />
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort, type NatsServer, startNatsServer } from "../support/nats-server.js";
import { pause, until } from "../support/sinks.js";
import { BOTTLE, BOTTLE_STANDS, type Box, isIn } from "./bottle.js";
import { publishedBy } from "./topics.js";
import { REGION, ROOT, startWorker } from "./worker.js";

const MODES = ["original", "magnitude", "signed", "positive"] as const;
const QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const FRAME = { width: 640, height: 360 };
/** Side of the squares that pictures are compared by, in frame pixels. */
const CELL = 10;

let browser: Browser;
let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer({ jetstream: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", ...QUIET],
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

/** Mean colours of the picture's squares, row by row. */
const cells = (page: Page): Promise<number[][]> =>
  page.evaluate(
    ([frameWidth, frameHeight, cell]) => {
      const canvas = document.querySelector<HTMLCanvasElement>(".picture canvas")!;
      const small = new OffscreenCanvas(frameWidth! / cell!, frameHeight! / cell!);
      const context = small.getContext("2d")!;
      context.imageSmoothingQuality = "high";
      context.drawImage(canvas, 0, 0, small.width, small.height);
      const { data } = context.getImageData(0, 0, small.width, small.height);
      return Array.from({ length: data.length / 4 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
    },
    [FRAME.width, FRAME.height, CELL],
  );

const centre = (i: number): [number, number] => {
  const columns = FRAME.width / CELL;
  return [((i % columns) + 0.5) * CELL, (Math.floor(i / columns) + 0.5) * CELL];
};
const differences = (a: number[][], b: number[][]): number[] =>
  a.map((colour, i) => Math.hypot(...colour.map((v, c) => v - b[i]![c]!)));
const sumIn = (values: number[], box: Box): number =>
  values.reduce((sum, v, i) => sum + (isIn(centre(i), box) ? v : 0), 0);

it("shows the demo live, the heat of every mode on the bottle", async () => {
  const folder = process.env.SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "video-explainer-screenshots-"));
  const [viewer, metrics] = [await freePort(), await freePort()];
  const worker = startWorker(join(ROOT, "config/demo.yaml"), {
    NATS_URL: server.url,
    VIEWER_PORT: String(viewer),
    METRICS_PORT: String(metrics),
  });
  const captured = async (): Promise<number> => (await worker.metrics()).value("frames_captured_total");
  await until("the first frames", async () => (await captured()) > 20);

  const page = await browser.newPage({ viewport: { width: 1600, height: 900 }, colorScheme: "dark" });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => void (message.type() === "error" && complaints.push(message.text())));
  await page.goto(`http://127.0.0.1:${viewer}/`);
  await until("a picture to be drawn", async () => {
    if ((await page.locator(".picture canvas").count()) === 0) return false;
    return (
      sumIn(
        (await cells(page)).map((c) => Math.max(...c)),
        { x: 0, y: 0, ...FRAME },
      ) > 1000
    );
  });
  for (const mode of MODES) {
    await page.click(`button[data-mode=${mode}]`);
    await pause(1000);
    await page.screenshot({ path: join(folder, `${mode}.png`) });
  }
  expect(await page.locator(".decision-label").first().textContent()).toBe("water bottle");
  expect(await page.locator(".state span").first().textContent()).toBe("Live");

  // A worker that stands still leaves one frame on the page, so its modes can be compared.
  worker.kill("SIGSTOP");
  await pause(500);
  const pictures = new Map<string, number[][]>();
  for (const mode of MODES) {
    await page.click(`button[data-mode=${mode}]`);
    await pause(200);
    pictures.set(mode, await cells(page));
  }
  worker.kill("SIGCONT");
  expect(await captured()).toBeLessThan(BOTTLE_STANDS);

  for (const mode of ["magnitude", "signed", "positive"]) {
    const heat = differences(pictures.get(mode)!, pictures.get("original")!);
    const [onBottle, inRegion] = [sumIn(heat, BOTTLE), sumIn(heat, REGION)];
    const hottest = heat.indexOf(Math.max(...heat));
    console.log(
      `${mode}: hottest at ${centre(hottest)}, ${((100 * onBottle) / inRegion).toFixed(0)} % of the change on the bottle (20 % of the region)`,
    );
    expect(heat[hottest]).toBeGreaterThan(40);
    expect(isIn(centre(hottest), BOTTLE), `${mode}, ${centre(hottest)}`).toBe(true);
    expect(onBottle / inRegion).toBeGreaterThan(0.5);
    const outside = Math.max(...heat.filter((_, i) => !isIn(centre(i), grown(REGION))));
    expect(outside).toBeLessThan(3);
  }

  await page.click("button[data-mode=magnitude]");
  await page.emulateMedia({ colorScheme: "light" });
  await pause(1500);
  await page.screenshot({ path: join(folder, "light.png") });
  const phone = await browser.newPage({ viewport: { width: 390, height: 844 }, isMobile: true, deviceScaleFactor: 2 });
  await phone.goto(`http://127.0.0.1:${viewer}/`);
  await until("the phone to show a source", async () => (await phone.locator(".tile").count()) > 0);
  await pause(1500);
  await phone.screenshot({ path: join(folder, "phone.png") });
  console.log(`screenshots in ${folder}`);
  await phone.close();
  await page.close();
  expect(complaints).toEqual([]);

  worker.kill("SIGTERM");
  expect(await worker.ended).toEqual({ code: 0, signal: null });
  const { summaries } = await publishedBy(server.url, "demo", "bottles");
  // As many as this machine had time for; all were about the region.
  expect(summaries.length).toBeGreaterThan(10);
  for (const { relevance } of summaries) expect(isIn(relevance!.centroid, REGION)).toBe(true);
});

const grown = ({ x, y, width, height }: Box): Box => ({
  x: x - CELL,
  y: y - CELL,
  width: width + 2 * CELL,
  height: height + 2 * CELL,
});
