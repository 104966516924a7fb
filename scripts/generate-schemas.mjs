// Writes the JSON Schemas of config/ from the built zod schemas: npm run build && node scripts/generate-schemas.mjs
import { writeFileSync } from "node:fs";
import { configJsonSchema } from "../dist/config/json-schema.js";
import { serviceSchema } from "../dist/control/json-schema.js";
import { jsonSchemas, schemaText } from "../dist/messages/json-schemas.js";

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
