/** docs/configuration.md, from the JSON Schema of a configuration: a table for each part, every key a row. */
export function configurationPage(schema) {
  const parts = [];
  const { rest, objects } = split(schema.properties);
  parts.push(table(rest, schema.required ?? []));
  for (const [name, part] of objects) addPart(parts, name, part);
  return `${HEAD}\n${parts.join("\n")}`;
}

const HEAD = `# Configuration reference

Written by \`node scripts/generate-schemas.mjs\` from the schema that reads a configuration; do not edit it by hand. The same as
JSON Schema, for completion in an editor: [config/video-explainer.schema.json](../config/video-explainer.schema.json). Whole
configurations: [config/demo.yaml](../config/demo.yaml), [config/inspection.yaml](../config/inspection.yaml) and [config/examples](../config/examples).

- A file is YAML or JSON. \`\${NAME}\` takes the value of an environment variable, \`\${NAME:-default}\` the default where it is not set.
- Relative paths are relative to the configuration file.
- \`video-explainer validate FILE\` names every fault at once, with line and column, and prints the configuration with all
  defaults, secrets masked. A key that is not known is a fault.
- **Bold** keys are required.
`;

/** Keys with a table of their own apart from those with a plain value. */
function split(properties) {
  const entries = Object.entries(properties ?? {});
  return {
    rest: entries.filter(([, value]) => !isPart(value)),
    objects: entries.filter(([, value]) => isPart(value)),
  };
}

const isObject = (value) => value.type === "object" && value.properties !== undefined;
const isPart = (value) => isObject(value) || (value.type === "array" && isPartItem(value.items));
const isPartItem = (items) => isObject(items) || (items.oneOf ?? items.anyOf ?? []).some(isObject);

function addPart(parts, path, part) {
  if (part.type !== "array") {
    parts.push(`## \`${path}\`\n`);
    return addObject(parts, part);
  }
  const kinds = part.items.oneOf ?? part.items.anyOf;
  parts.push(`## \`${path}[]\`\n`);
  if (part.description) parts.push(`${sentence(part.description)}\n`);
  if (!kinds) return addObject(parts, part.items);
  for (const kind of kinds) {
    parts.push(`### \`kind: ${kind.properties.kind.const}\`\n`);
    addObject(parts, kind, ["kind"]);
  }
}

/** Objects within an object are rows of its table, their keys with a dot before. */
function addObject(parts, part, without = []) {
  if (part.description) parts.push(`${sentence(part.description)}\n`);
  const rows = rowsOf(part, "").filter(([name]) => !without.includes(name));
  if (rows.length > 0) parts.push(table(rows, part.required ?? []));
}

function rowsOf(part, prefix) {
  return Object.entries(part.properties).flatMap(([name, value]) => {
    const own = `${prefix}${name}`;
    const object = objectOf(value);
    if (!object) return [[own, value]];
    const inner = rowsOf(object, `${own}.`);
    const { description } = value;
    // Other objects are what their keys are.
    const unset = object === value ? {} : { default: value.default };
    return description ? [[own, { description, type: "object", ...unset }], ...inner] : inner;
  });
}

/** An object, or one that may be null; undefined of any other value. */
function objectOf(value) {
  if (isObject(value)) return value;
  const [first, second, ...more] = value.anyOf ?? [];
  return second?.type === "null" && more.length === 0 && isObject(first) ? first : undefined;
}

function table(rows, required) {
  const lines = rows.map(([name, value]) => {
    const key = required.includes(name) && value.default === undefined ? `**\`${name}\`**` : `\`${name}\``;
    return `| ${key} | ${typeText(value)} | ${defaultText(value)} | ${cell(sentence(value.description ?? ""))} |`;
  });
  return `| key | value | default | meaning |\n| --- | --- | --- | --- |\n${lines.join("\n")}\n`;
}

function typeText(value) {
  if (value.const !== undefined) return code(value.const);
  if (value.enum) return value.enum.map(code).join(", ");
  const kinds = value.anyOf ?? value.oneOf;
  if (kinds) return kinds.map(typeText).join(" or ");
  if (value.type === "array") return `list of ${typeText(value.items)}`;
  if (value.type === "object") return "keys below";
  if (value.type === "boolean") return "`true`, `false`";
  if (value.type === "integer") return `whole number${range(value)}`;
  if (value.type === "number") return `number${range(value)}`;
  return "text";
}

const MAX_SAFE = Number.MAX_SAFE_INTEGER;

function range({ minimum, exclusiveMinimum, maximum, type }) {
  const low = minimum ?? (type === "integer" && exclusiveMinimum !== undefined ? exclusiveMinimum + 1 : undefined);
  const high = maximum === MAX_SAFE ? undefined : maximum;
  const from = low === undefined || low === -MAX_SAFE ? undefined : `${low}`;
  if (from !== undefined && high !== undefined) return `, ${from} to ${high}`;
  if (from !== undefined) return `, ${from} or more`;
  const above = exclusiveMinimum === undefined ? "" : `, above ${exclusiveMinimum}`;
  return high === undefined ? above : `${above}, ${high} at most`;
}

const defaultText = (value) => (value.default === undefined ? "" : code(JSON.stringify(value.default)));
const code = (value) => `\`${value}\``;
const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");
const sentence = (text) => (text === "" || /[.!?]$/.test(text) ? text : `${text}.`);
