import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { ENDPOINTS } from "../../src/control/endpoints/registry.js";
import { CONTENT, headersFor, subjectFor } from "../../src/messages/headers.js";
import { jsonSchemas, schemaText } from "../../src/messages/json-schemas.js";
import type { MessageKind } from "../../src/messages/message.js";
import { type SourceStatus, type Summary, statusSchema, summarySchema } from "../../src/messages/summary.js";
import { message } from "../support/sinks.js";

const fileOf = (name: string): string => readFileSync(new URL(`../../config/${name}`, import.meta.url), "utf8");
const validator = (name: string) => new Ajv2020({ allErrors: true }).compile(JSON.parse(fileOf(name)));

const summary: Summary = {
  schema: "explanation-summary/1",
  id: "line-3-cam-1-1760000000000-42-summary",
  station: "line-3",
  source: "cam-1",
  sequence: 42,
  capturedAt: "2026-01-02T03:04:05.678Z",
  publishedAt: "2026-01-02T03:04:05.750Z",
  pts: 1.68,
  frame: { width: 1280, height: 720 },
  model: { name: "efficientnet-lite0", sha256: "0".repeat(64), engine: "onnxruntime-cpu" },
  classification: {
    top: [{ index: 898, label: "water bottle", probability: 0.91 }],
    target: { index: 898, label: "water bottle", probability: 0.91, logit: 9.25 },
  },
  relevance: {
    method: "r-lrp",
    positive: 0.8,
    negative: -0.2,
    concentration: 0.63,
    centroid: [512.5, 219],
    scale: 0.00031,
    grid: { rows: 1, columns: 2, values: [0.8, -0.2] },
    regions: [{ x: 380, y: 100, width: 120.5, height: 200, share: 0.4 }],
  },
  timing: { queueMs: 1, explainMs: 30, overlayMs: 8, totalMs: 45, batchSize: 2 },
};

const status: SourceStatus = {
  schema: "source-status/1",
  station: "line-3",
  source: "cam-1",
  time: "2026-01-02T03:04:05.678Z",
  state: "stalled",
  reason: "no frame for 10 s",
  since: "2026-01-02T03:03:55Z",
  restarts: 1,
  lastFrameAt: null,
  ledger: { captured: 10, explained: 6, classified: 1, dropped: { stale: 2 }, inFlight: 1 },
  ffmpeg: ["Connection timed out"],
};

it.each(Object.entries(jsonSchemas()))(
  "config/%s is current (else: npm run build && node scripts/generate-schemas.mjs)",
  (name, schema) => {
    expect(fileOf(name)).toBe(schemaText(schema));
  },
);

it("a summary and a status as published satisfy the published schemas, under a validator's strict defaults", () => {
  const isSummary = validator("explanation-summary.schema.json");
  const isStatus = validator("source-status.schema.json");
  expect([isSummary(summary), isSummary.errors]).toEqual([true, null]);
  expect([isSummary({ ...summary, relevance: null }), isSummary.errors]).toEqual([true, null]);
  expect([isStatus(status), isStatus.errors]).toEqual([true, null]);
});

it.each([
  ["an unknown key", { extra: 1 }],
  ["a missing part", { timing: undefined }],
  ["a time that is none", { capturedAt: "2026-02-30T00:00:00Z" }],
  ["a fractional sequence", { sequence: 1.5 }],
  ["another schema", { schema: "explanation-summary/2" }],
  ["no class", { classification: { ...summary.classification, top: [] } }],
])("a summary with %s is refused by the published schema and by our own", (_what, change) => {
  const broken = JSON.parse(JSON.stringify({ ...summary, ...change }));
  expect(validator("explanation-summary.schema.json")(broken)).toBe(false);
  expect(summarySchema.safeParse(broken).success).toBe(false);
});

it("published schema and our own agree on damaged summaries and statuses", () => {
  for (const [name, own, whole] of [
    ["explanation-summary.schema.json", summarySchema, summary],
    ["source-status.schema.json", statusSchema, status],
  ] as const) {
    const validate = validator(name);
    const value = fc.oneof(
      fc.constant(null),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(whole)), value, (key, damage) => {
        const damaged = { ...whole, [key]: damage };
        expect(validate(damaged)).toBe(own.safeParse(damaged).success);
      }),
      {
        // Beyond the safe integers a JSON number is no longer exact.
        examples: Object.entries(whole).flatMap(([key, v]): [string, number][] =>
          Number.isInteger(v) ? [[key, Number.MAX_SAFE_INTEGER + 1]] : [],
        ),
      },
    );
  }
});

interface AsyncApi {
  channels: Record<string, { address: string; messages: Record<string, { $ref: string }> }>;
  components: {
    messages: Record<
      string,
      { contentType: string; headers: { $ref: string }; payload: { schema?: { $ref: string } } }
    >;
    schemas: Record<
      string,
      { required: string[]; properties: object; allOf: { properties?: { Schema: { const: string } } }[] }
    >;
  };
}

it("the AsyncAPI document tells the topics, headers and schemas that the program uses", () => {
  const document = parse(fileOf("asyncapi.yaml")) as AsyncApi;
  const kinds = Object.keys(CONTENT) as MessageKind[];
  const requests = ENDPOINTS.map(({ name }) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()));
  const channels = [...kinds, ...requests, ...requests.map((name) => `${name}Reply`)];
  expect(Object.keys(document.channels).toSorted()).toEqual(channels.toSorted());
  for (const [i, { subject }] of ENDPOINTS.entries()) {
    expect(document.channels[requests[i]!]!.address).toBe(`video-explainer.{station}.${subject}`);
  }
  for (const kind of kinds) {
    const address = document.channels[kind]!.address;
    const filled = address.replace("{prefix}", "explain").replace("{station}", "line-3").replace("{source}", "cam-1");
    expect(filled).toBe(subjectFor("explain", "line-3", "cam-1", kind));
    const described = document.components.messages[kind]!;
    expect(described.contentType).toBe(CONTENT[kind].contentType);
    const headers = document.components.schemas[described.headers.$ref.split("/").at(-1)!]!;
    expect(headers.allOf[1]?.properties?.Schema.const).toBe(CONTENT[kind].schema);
    const file = described.payload.schema?.$ref;
    if (file) expect(JSON.parse(fileOf(file)).title).toBe(CONTENT[kind].schema);
  }
  const common = document.components.schemas.headers!;
  expect(common.required.toSorted()).toEqual(Object.keys(headersFor(message("summary", "cam-1", 0))).toSorted());
});

it("the AsyncAPI document is one, as the schema of AsyncAPI 3.0 has it", () => {
  const file = new URL("../../node_modules/@asyncapi/specs/schemas/3.0.0.json", import.meta.url);
  const schema = JSON.parse(readFileSync(file, "utf8"));
  // The validator has that of draft 7 itself.
  delete schema.definitions["http://json-schema.org/draft-07/schema"];
  const isValid = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  const document = parse(fileOf("asyncapi.yaml"));
  expect([isValid(document), isValid.errors]).toEqual([true, null]);
  delete document.operations.explain.action;
  expect(isValid(document)).toBe(false);
});

it("every reference inside the AsyncAPI document leads somewhere", () => {
  const document = parse(fileOf("asyncapi.yaml")) as Record<string, unknown>;
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
  expect(references.length).toBeGreaterThan(20);
  for (const reference of references) {
    const [file, within = "/"] = reference.split("#") as [string, string?];
    const whole: unknown = file ? JSON.parse(fileOf(file)) : document;
    if (file) expect(whole).toHaveProperty("$id");
    const target = within
      .split("/")
      .filter(Boolean)
      .reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], whole);
    expect(target, reference).toBeDefined();
  }
});
