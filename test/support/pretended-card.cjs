// node --require pretended-card.cjs: a machine with a graphics card, made of the processor. Drivers show one card; what onnxruntime would run
// on `webgpu` runs on the processor, and in trials all else takes longer. PRETENDED_CARD is JSON: `failsAfter`, runs of the worker after
// which it is lost.
const fs = require("node:fs");
const Module = require("node:module");
const { isMainThread } = require("node:worker_threads");

const { failsAfter = Number.POSITIVE_INFINITY } = JSON.parse(process.env.PRETENDED_CARD ?? "{}");
const isProcess = (name) => process.argv[1]?.endsWith(name) ?? false;
/** What a run on the processor takes in a trial, beside its own time. */
const SLOW_MS = 100;

const readdir = fs.readdirSync;
fs.readdirSync = (folder, ...more) => (folder === "/dev/dri" ? ["renderD128"] : readdir(folder, ...more));
Module.syncBuiltinESMExports();

if (isProcess("look-process.js")) {
  const send = process.send.bind(process);
  const card = { name: "Pretended Card", driver: "1:2:3", software: false };
  process.send = (seen, done) => send({ ...seen, vulkan: [card] }, done);
}

let runs = 0;
const pretend = ({ InferenceSession }) => {
  const create = InferenceSession.create.bind(InferenceSession);
  InferenceSession.create = async (model, options) => {
    const isCard = options.executionProviders.includes("webgpu");
    const session = await create(model, { ...options, executionProviders: ["cpu"] });
    const run = session.run.bind(session);
    session.run = async (feeds) => {
      if (!isCard && isProcess("trial-process.js")) await new Promise((done) => setTimeout(done, SLOW_MS));
      if (isCard && !isMainThread && ++runs > failsAfter) throw new Error("the device was lost");
      return run(feeds);
    };
    return session;
  };
};

const load = Module._load;
let patched;
Module._load = (name, ...more) => {
  const loaded = load(name, ...more);
  if (name === "onnxruntime-node" && patched !== loaded) {
    patched = loaded;
    pretend(loaded);
  }
  return loaded;
};
