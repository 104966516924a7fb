import type { z } from "zod";
import type { Path } from "../yaml-locate.js";

/** What of a zod schema's inside is read here. */
interface Inside extends z.core.$ZodTypeDef {
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  innerType?: z.ZodType;
  options?: readonly z.ZodType[];
  discriminator?: string;
  values?: readonly unknown[];
}

const inside = (schema: z.ZodType): Inside => schema.def as Inside;

function unwrap(schema: z.ZodType): z.ZodType {
  const { innerType } = inside(schema);
  return innerType ? unwrap(innerType) : schema;
}

/** The member of a union that the data chose by its discriminator, if it did. */
function chosen(schema: z.ZodType, data: unknown): z.ZodType {
  const bare = unwrap(schema);
  const { discriminator, options } = inside(bare);
  if (!discriminator || !options || typeof data !== "object" || data === null) return bare;
  const value = (data as Record<string, unknown>)[discriminator];
  const matches = (option: z.ZodType) => inside(inside(option).shape![discriminator]!).values?.includes(value);
  return options.find(matches) ?? bare;
}

/** The schema that governs a path, with wrappers still around it, or undefined where the schema has no such place. */
export function schemaAt(root: z.ZodType, path: Path, data: unknown): z.ZodType | undefined {
  let schema: z.ZodType | undefined = root;
  let at = data;
  for (const part of path) {
    const { shape, element }: Inside = inside(chosen(schema, at));
    schema = typeof part === "number" ? element : shape && Object.hasOwn(shape, part) ? shape[String(part)] : undefined;
    if (!schema) return undefined;
    at = typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined;
  }
  return schema;
}

/** Keys that a mapping at this path may have. */
export function keysAt(root: z.ZodType, path: Path, data: unknown): string[] {
  const schema = schemaAt(root, path, data);
  let at = data;
  for (const part of path) at = (at as Record<PropertyKey, unknown> | undefined)?.[part];
  return schema ? Object.keys(inside(chosen(schema, at)).shape ?? {}) : [];
}

/** Every place of the schema where a key may stand, e.g. `fps` → `sources[].fps`. */
export function placesOf(root: z.ZodType): Map<string, string[]> {
  const places = new Map<string, string[]>();
  const walk = (schema: z.ZodType, path: string): void => {
    const { shape, element, options } = inside(unwrap(schema));
    for (const [key, member] of Object.entries(shape ?? {})) {
      const place = path ? `${path}.${key}` : key;
      const known = places.get(key) ?? [];
      if (!known.includes(place)) places.set(key, [...known, place]);
      walk(member, place);
    }
    if (element) walk(element, `${path}[]`);
    for (const option of options ?? []) walk(option, path);
  };
  walk(root, "");
  return places;
}

/** The field's own words: the first clause of its description, when short enough to stand in a sentence. */
export function wordsOf(schema: z.ZodType | undefined): string | undefined {
  if (!schema) return undefined;
  const words = (schema.description ?? unwrap(schema).description)?.split(/[;.]\s|: /)[0]?.trim();
  if (!words || words.length > 80) return undefined;
  return /^[A-Z][a-z ]/.test(words) ? words[0]!.toLowerCase() + words.slice(1) : words;
}
