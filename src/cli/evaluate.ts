import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { InputError } from "../errors.js";
import { evaluate } from "../evaluate/evaluate.js";
import { reportPage } from "../evaluate/html/page.js";
import { plainName } from "../evaluate/map-names.js";
import type { EvaluatedMethod } from "../evaluate/methods.js";
import { METHOD_SETS, readMethods } from "../evaluate/methods.js";
import { METRIC_NAMES, type MetricName } from "../evaluate/metrics/names.js";
import { redact } from "../redact.js";
import { replaceFile } from "../replace-file.js";
import { systemReason } from "../system-error.js";
import { modelOutputOption, threadsOption, wholeNumber } from "./arguments.js";
import { addCardOptions, type CardOptions, givenCard } from "./card-options.js";
import { evaluationTable } from "./evaluate-table.js";
import { interruptible } from "./interrupt.js";
import { writeNpy } from "./npy.js";
import { createProgress, noProgress } from "./progress.js";

interface EvaluateCommandOptions extends Omit<CardOptions, "labels"> {
  images: string[];
  masks: string[];
  labels?: string;
  classes?: string[];
  onlyRight?: boolean;
  methods: EvaluatedMethod[];
  metrics: MetricName[];
  limit?: number;
  seed: number;
  steps: number;
  json?: string;
  html?: string;
  maps?: string;
  modelOutput?: string;
  engine: string;
  threads: number;
  quiet?: boolean;
}

const collected = (value: string, all: string[] = []): string[] => [...all, value];
const words = (text: string): string[] => text.split(",").map((word) => word.trim());

function metricsOf(text: string): MetricName[] {
  const wanted = words(text);
  const unknown = wanted.find((name) => !(METRIC_NAMES as string[]).includes(name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`metric "${unknown}" is not known; known are ${METRIC_NAMES.join(", ")}`);
  return METRIC_NAMES.filter((name) => wanted.includes(name));
}

const cannotWrite = (path: string, why: string, cause?: unknown): InputError =>
  new InputError("output", `${path} cannot be written (${why}); give another path`, { cause });

/** Before hours are spent. @throws InputError where nothing can be written there */
function requirePlace(path: string): void {
  const probe = `${path}.${process.pid}.part`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    closeSync(openSync(probe, "w"));
    rmSync(probe);
  } catch (cause) {
    throw cannotWrite(path, systemReason(cause), cause);
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw cannotWrite(path, "it is a folder");
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    await replaceFile(path, `${path}.${process.pid}.part`, (to) => writeFile(to, content));
  } catch (cause) {
    throw cannotWrite(path, systemReason(cause), cause);
  }
}

async function evaluateCommandAction(model: string, options: EvaluateCommandOptions): Promise<void> {
  const { images, masks, maps, json, html } = options;
  if (masks.length > images.length)
    throw new InputError(
      "range",
      `--masks is given ${masks.length} times and --images ${images.length}; give the masks of each folder of images behind it`,
    );
  if (json !== undefined && html !== undefined && resolve(json) === resolve(html))
    throw new InputError("output", `--json and --html both name ${json}; give each a file of its own`);
  for (const path of [json, html, maps && join(maps, "map.npy")]) if (path !== undefined) requirePlace(path);
  const progress = options.quiet ? noProgress : createProgress(process.stderr, "images");
  process.exitCode = await interruptible(async (stop) => {
    try {
      const { report, samples } = await evaluate(
        {
          ...options,
          ...{
            model,
            output: options.modelOutput,
            given: givenCard({ ...options, labels: undefined }),
            draws: html !== undefined,
          },
          folders: images.map((folder, k) => ({ images: folder, masks: masks[k] })),
        },
        {
          stop,
          progress: {
            start(name, total) {
              progress.stop();
              progress.start(name, total);
            },
            at: (done) => progress.at(done),
          },
          onMap:
            maps === undefined
              ? undefined
              : (map, { method, name, width, height }) =>
                  write(join(maps, plainName(method), `${name}.npy`), writeNpy([height, width], map)),
        },
      );
      progress.stop();
      if (json !== undefined) await write(json, `${JSON.stringify(report)}\n`);
      if (html !== undefined) await write(html, reportPage(report, samples));
      process.stdout.write(redact(evaluationTable(report)));
    } finally {
      progress.stop();
    }
  });
}

/** `video-explainer evaluate MODEL` */
export const evaluateCommand = (): Command => {
  const command = new Command("evaluate")
    .description("measure explanations on your own images: how good each method's maps are for this model")
    .argument("<model>", "ONNX, TensorFlow Lite or model.json file, or folder with one")
    .requiredOption("--images <folder>", "images; of several folders, one --images each", collected)
    .option("--masks <folder>", "their masks, white where the class is: NAME.png, or NAME.CLASS.png", collected, [])
    .option("--labels <file>", "CSV of FILE,LABEL lines, or none (default: labels.csv there, else names of folders)")
    .option("--classes <names>", "only images of these classes", words)
    .option("--only-right", "only images whose classes are the network's most probable ones: of one, its decision")
    .option(
      "--methods <names>",
      `methods, as r-lrp:start=contrast:inputRule=flat; for several ${METHOD_SETS.join(", ")}`,
      readMethods,
      readMethods(
        "r-lrp-all,epsilon-plus-flat,epsilon-gamma-box,epsilon-alpha2-beta1-flat,gradient-x-input,baselines-all",
      ),
    )
    .option("--metrics <names>", "metrics (default: all)", metricsOf, METRIC_NAMES)
    .option("--limit <n>", "images, spread over the classes (default: all)", wholeNumber(1, 1e6))
    .option("--seed <n>", "of all that is random", wholeNumber(0, 2 ** 31 - 1), 0)
    .option("--steps <n>", "points of a curve of insertion or deletion", wholeNumber(2, 200), 16)
    .option("--json <file>", "write the report with every value here")
    .option("--html <file>", "write the report for the browser here: one file, plots and maps in it")
    .option("--maps <folder>", "write each map here: METHOD/NAME.npy")
    .option("--engine <name>", "engine, on the processor", "auto")
    .addOption(threadsOption())
    .option("--quiet", "no progress")
    .addHelpText(
      "after",
      `
Prints a table; docs/evaluation.md has the formula of each number. A metric that lacks what it needs (masks, images of
several classes) is left out with a sentence, and so is a method that does not know its way through the network.

Example:
  $ video-explainer evaluate models/inspection-cnn --images parts/images --masks parts/masks --html report.html`,
    )
    .action(evaluateCommandAction);
  command.addOption(modelOutputOption());
  // Its `--labels` are those of the images.
  addCardOptions(command, { labels: false });
  return command;
};
