import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { prometheusProgram } from "../../scripts/deploy-tools.mjs";
import { INSPECTION, ROOT, startWorker } from "../e2e/worker.js";
import { startCamera } from "../faults/camera.js";
import { temporaryFolder } from "../support/folders.js";
import { startNatsServer } from "../support/nats-server.js";
import { freePort } from "../support/ports.js";
import { until } from "../support/sinks.js";

const FILES = join(ROOT, "deploy/helm/video-explainer/files");
const promtool = prometheusProgram("promtool");
const prometheus = prometheusProgram("prometheus");
if (!promtool || !prometheus) console.log("no Prometheus here: npm test fetches it on Debian and Ubuntu");
const LONG = 90_000;

interface Rule {
  alert: string;
  expr: string;
  for?: string;
}
const alerts: { groups: { rules: Rule[] }[] } = parse(readFileSync(join(FILES, "alerts.yaml"), "utf8"));
const rules = alerts.groups.flatMap((group) => group.rules);

interface Panel {
  title: string;
  targets?: { expr: string }[];
}
const dashboard: { panels: Panel[] } = JSON.parse(readFileSync(join(FILES, "dashboard.json"), "utf8"));
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));

/** What shows something only where it happened: a fault, a choice, a request, a card, an alert; or where there is a fleet. */
const ON_OCCASION =
  /ALERTS|_dropped_total|_restarts_total|_chosen_total|_warnings_total|requests_total|device_|concentration|fleet_|role_info/;

describe.skipIf(!promtool)("the alert rules", () => {
  it("are found without a fault by promtool, and fire when they shall", () => {
    const run = (...words: string[]) => execFileSync(promtool!, words, { encoding: "utf8", cwd: ROOT });
    expect(run("check", "rules", join(FILES, "alerts.yaml"))).toContain(`SUCCESS: ${rules.length} rules found`);
    expect(run("test", "rules", "test/deploy/alerts.promtool.yaml")).toContain("SUCCESS");
  });

  it("each have a test of theirs", () => {
    const tests = readFileSync(join(import.meta.dirname, "alerts.promtool.yaml"), "utf8");
    expect(rules.map(({ alert }) => alert).filter((name) => !tests.includes(name))).toEqual([]);
  });
});

let running: ChildProcess | undefined;
const ends: (() => unknown)[] = [() => running?.kill("SIGKILL")];
afterAll(async () => {
  for (const end of ends) await end();
});

type Series = { metric: Record<string, string>; value: [number, string] }[];

/** A Prometheus that reads a worker's metrics each second, and whose alerts fire after a second. */
async function startPrometheus(target: string) {
  const folder = temporaryFolder();
  const at = `127.0.0.1:${await freePort()}`;
  // What a machine that is busy with other tests does by itself keeps its minutes.
  const isOfPace = ({ alert }: Rule) =>
    /Down$|Overloaded|EventLoopSlow|Stuck/.test(alert) && alert !== "VideoExplainerSourceDown";
  const quick = (rule: Rule): Rule => (rule.for && !isOfPace(rule) ? { ...rule, for: "1s" } : rule);
  writeFileSync(join(folder, "alerts.yaml"), stringify({ groups: [{ name: "quick", rules: rules.map(quick) }] }));
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "500ms" },
    rule_files: ["alerts.yaml"],
    scrape_configs: [{ job_name: "line", static_configs: [{ targets: [target] }] }],
  };
  writeFileSync(join(folder, "prometheus.yaml"), stringify(config));
  const words = [
    `--config.file=${join(folder, "prometheus.yaml")}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=${at}`,
  ];
  running = spawn(prometheus!, words, { stdio: "ignore" });
  const query = async (expr: string): Promise<Series> => {
    const answer = await fetch(`http://${at}/api/v1/query?query=${encodeURIComponent(expr)}`);
    const { data, error } = (await answer.json()) as { data?: { result: Series }; error?: string };
    if (!data) throw new Error(`${expr}: ${error}`);
    return data.result;
  };
  await until(
    "Prometheus to answer",
    () =>
      fetch(`http://${at}/-/ready`).then(
        (r) => r.ok,
        () => false,
      ),
    LONG,
  );
  return { query };
}

describe.skipIf(!prometheus)("a Prometheus that watches a worker", () => {
  it(
    "reads all that dashboard and alerts show, and tells of a dead camera and a dead NATS alone",
    async () => {
      const nats = await startNatsServer();
      ends.push(() => nats.stop());
      const camera = await startCamera();
      ends.push(() => camera.kill());
      const worker = startWorker({
        model: INSPECTION,
        sources: [
          { name: "camera", url: `rtsp://127.0.0.1:${camera.port}/cam`, stallSeconds: 60 },
          { name: "picture", url: "testsrc", fps: 10, width: 320, height: 240, stallSeconds: 60 },
        ],
        sinks: [{ kind: "nats", servers: [nats.url] }],
      });
      const isLive = async () => (await worker.metrics()).value("source_state", { state: "live" }) === 2;
      await until("both sources to be live", isLive, LONG);

      const { families } = await worker.metrics();
      const names = [...rules, ...expressions].flatMap(({ expr }) =>
        [...expr.matchAll(/\b(?:video_explainer|process|nodejs)_\w+/g)].map(([name]) => name),
      );
      const isThere = (name: string) => families.has(name) || families.has(name.replace(/_(bucket|sum|count)$/, ""));
      expect(new Set(names).size).toBeGreaterThan(30);
      expect(names.filter((name) => !isThere(name))).toEqual([]);

      const target = worker.log.map(({ msg }) => /^metrics: http:\/\/(\S+)\/metrics$/.exec(msg)?.[1]).find(Boolean)!;
      const { query } = await startPrometheus(target);
      await until(
        "the engine's rate to be known",
        async () => (await query("rate(video_explainer_engine_batches_total[10s]) > 0")).length > 0,
        LONG,
      );
      for (const { title, expr } of expressions) {
        const filled = expr.replace(/\$__rate_interval/g, "30s").replace(/\$(job|instance|source)\b/g, ".*");
        // One scrape that is late leaves a gap.
        if (ON_OCCASION.test(expr)) await query(filled);
        else await until(`something in ${title}`, async () => (await query(filled)).length > 0, LONG);
      }

      const firing = async () => {
        const result = await query('ALERTS{alertstate="firing"}');
        return result.map(({ metric }) => `${metric.alertname} ${metric.source ?? metric.sink}`).sort();
      };
      expect(await firing()).toEqual([]);
      /** At one look: the next may find a scrape that this machine was too busy for. */
      const told = async (count: number): Promise<string[]> => {
        let names: string[] = [];
        const isThere = async () => {
          names = await firing();
          return names.length >= count;
        };
        await until(`${count} alerts`, isThere, LONG);
        return names;
      };
      await camera.kill();
      expect(await told(1)).toEqual(["VideoExplainerSourceDown camera"]);
      await nats.kill();
      const both = ["VideoExplainerSinkDisconnected nats", "VideoExplainerSourceDown camera"];
      expect(await told(2)).toEqual(both);
      const ever = await query('count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))');
      expect(ever.map(({ metric }) => metric.alertname).sort()).toEqual(both.map((text) => text.split(" ")[0]));
    },
    6 * LONG,
  );
});
