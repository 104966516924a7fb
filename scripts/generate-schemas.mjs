// Writes the JSON Schemas of config/, that of a configuration within the Helm chart's, and docs/configuration.md:
// npm run build && node scripts/generate-schemas.mjs
import { readFileSync, writeFileSync } from "node:fs";
import { configJsonSchema } from "../dist/config/json-schema.js";
import { serviceSchema } from "../dist/control/json-schema.js";
import { jsonSchemas, schemaText } from "../dist/messages/json-schemas.js";
import { chartSchema } from "./chart-schema.mjs";
import { configurationPage } from "./configuration-page.mjs";

const CHART = "deploy/helm/video-explainer/values.schema.json";
const at = (name) => new URL(`../${name}`, import.meta.url);
const schemas = {
  ...jsonSchemas(),
  "video-explainer.schema.json": configJsonSchema(),
  "service.schema.json": serviceSchema(),
};
const write = (name, schema) => {
  writeFileSync(at(name), schemaText(schema));
  console.log(name);
};
for (const [name, schema] of Object.entries(schemas)) write(`config/${name}`, schema);
write(CHART, chartSchema(JSON.parse(readFileSync(at(CHART), "utf8")), configJsonSchema()));
writeFileSync(new URL("../docs/configuration.md", import.meta.url), configurationPage(configJsonSchema()));
console.log("docs/configuration.md");
