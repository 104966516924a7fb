// Writes the JSON Schemas of config/ from the built zod schemas: npm run build && node scripts/generate-schemas.mjs
import { writeFileSync } from "node:fs";
import { serviceSchema } from "../dist/control/json-schema.js";
import { jsonSchemas, schemaText } from "../dist/sinks/json-schemas.js";

for (const [name, schema] of Object.entries({ ...jsonSchemas(), "service.schema.json": serviceSchema() })) {
  const file = new URL(`../config/${name}`, import.meta.url);
  writeFileSync(file, schemaText(schema));
  console.log(`config/${name}`);
}
