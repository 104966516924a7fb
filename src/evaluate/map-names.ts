/** A text as a part of a file's name: letters and digits of any script, and few signs. */
export const plainName = (text: string): string => text.replace(/[^\p{L}\p{N}_.=-]+/gu, "_");

/** Names of files for as many maps, each another one, whatever the maps are called; also where capitals are not told apart. */
export function mapNames(names: readonly string[]): string[] {
  const taken = new Map<string, number>();
  return names.map((name) => {
    const plain = plainName(name);
    const place = (taken.get(plain.toLowerCase()) ?? 0) + 1;
    taken.set(plain.toLowerCase(), place);
    // No name has that sign of its own.
    return place === 1 ? plain : `${plain}~${place}`;
  });
}
