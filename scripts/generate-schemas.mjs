// Writes the JSON Schemas of config/, and docs/configuration.md, from the built zod schemas:
// npm run build && node scripts/generate-schemas.mjs
import { writeFileSync } from "node:fs";
import { configJsonSchema } from "../dist/config/json-schema.js";
import { serviceSchema } from "../dist/control/json-schema.js";
import { jsonSchemas, schemaText } from "../dist/messages/json-schemas.js";
import { configurationPage } from "./configuration-page.mjs";

const schemas = {
  ...jsonSchemas(),
  "video-explainer.schema.json": configJsonSchema(),
  "service.schema.json": serviceSchema(),
};
for (const [name, schema] of Object.entries(schemas)) {
  const file = new URL(`../config/${name}`, import.meta.url);
  writeFileSync(file, schemaText(schema));
  console.log(`config/${name}`);
}
writeFileSync(new URL("../docs/configuration.md", import.meta.url), configurationPage(configJsonSchema()));
console.log("docs/configuration.md");
