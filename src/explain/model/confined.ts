import { realpathSync } from "node:fs";
import path from "node:path";

const within = (file: string, folder: string): boolean =>
  file.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);

/**
 * Whether a file that another one names by what stands in it may be read: it lies in the folder of that one, also once
 * symbolic links are followed. Caches that keep every file of a model under a link, all of them in one store, work too: then
 * it may lie where the file that names it really lies.
 * @param file absolute path of a file that exists
 * @param namedBy the file that names it
 */
export function isConfined(file: string, namedBy: string): boolean {
  const folder = path.dirname(path.resolve(namedBy));
  if (!within(file, folder)) return false;
  const real = realpathSync(file);
  return within(real, realpathSync(folder)) || within(real, path.dirname(realpathSync(namedBy)));
}

/**
 * Whether a file that is looked for beside a model may be read: it really lies in its own folder, or where the model file
 * really lies, as in caches that keep every file under a link.
 */
export function isBeside(file: string, modelFile: string): boolean {
  const real = realpathSync(file);
  return (
    within(real, realpathSync(path.dirname(path.resolve(file)))) || within(real, path.dirname(realpathSync(modelFile)))
  );
}
