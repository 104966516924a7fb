import { type Dirent, existsSync, readdirSync, statSync } from "node:fs";
import { basename, extname, join, relative, resolve } from "node:path";
import { InputError } from "../errors.js";
import { inOrder } from "../pictures/in-order.js";
import { systemPredicate } from "../system-error.js";
import { type Classes, isImageName, labelsPlaces, readLabelsFile } from "./labels.js";
import { shuffled, uniform } from "./random.js";

/** A class of an image, and where its mask lies. */
export interface Target {
  index: number;
  mask?: string;
}

export interface EvaluatedImage {
  path: string;
  /** As sentences and reports name it. */
  shown: string;
  /** Its path within its folder, `/` between the parts, without its ending. */
  name: string;
  /** None: the network's own decision is explained. */
  targets: Target[];
  /** Of an image without a class: where what it shows lies. */
  mask?: string;
}

export interface ImageFolder {
  images: string;
  masks?: string;
}

export interface FoundImages {
  images: EvaluatedImage[];
  /** What was left out, a sentence each. */
  notes: string[];
}

const isImage = (name: string): boolean => !name.startsWith(".") && isImageName(name);

/** Also of a link that leads to one; one that leads nowhere or round and round does not. */
const isFolderAt = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

function list(folder: string, what: string): { files: string[]; folders: string[] } {
  try {
    const all = readdirSync(folder, { withFileTypes: true }).sort((a, b) => inOrder.compare(a.name, b.name));
    // Only folders in folders are looked into, so links that lead back end nowhere.
    const isFolder = (each: Dirent): boolean =>
      each.isDirectory() || (each.isSymbolicLink() && isFolderAt(join(folder, each.name)));
    const [folders, files] = [all.filter(isFolder), all.filter((each) => !isFolder(each))];
    return {
      files: files.map(({ name }) => name),
      folders: folders.flatMap(({ name }) => (name.startsWith(".") ? [] : [name])),
    };
  } catch (cause) {
    throw new InputError("unreadable-folder", `${what} ${folder} ${systemPredicate(cause)}; give a folder of images`, {
      cause,
    });
  }
}

/**
 * The images of a folder with their classes and masks. Classes are those of the labels' file, else the names of the folders that the
 * images lie in; without either the images have none. A folder that holds a folder `images` is that with `masks` and `labels.csv`
 * beside it.
 * @param labels a file of labels, or `none`: they are not looked for
 * @throws InputError where there is none, or a class is not known
 */
export function findImages(given: ImageFolder, classes: Classes, labels: string | undefined): FoundImages {
  const notes: string[] = [];
  const folder = existsSync(join(given.images, "images")) ? join(given.images, "images") : given.images;
  const beside = join(given.images, "masks");
  const masks = given.masks ?? (folder !== given.images && existsSync(beside) ? beside : undefined);
  const { files, folders } = list(folder, "the folder of images");
  const direct = files.filter(isImage);
  const inner = folders.filter((name) => masks === undefined || resolve(folder, name) !== resolve(masks));
  const nested = inner.flatMap((name) =>
    list(join(folder, name), "the folder of images")
      .files.filter(isImage)
      .map((file) => `${name}/${file}`),
  );
  const all = [...direct, ...nested];
  if (all.length === 0)
    throw new InputError("empty-folder", `${folder} holds no images, nor does a folder in it; check the folder`);
  const file = labels === "none" ? undefined : (labels ?? labelsPlaces(folder).find((place) => existsSync(place)));
  const maskOf = masks === undefined ? undefined : maskFinder(masks, classes, all);
  const image = (path: string, targets: number[]): EvaluatedImage => {
    const name = path.slice(0, path.length - extname(path).length);
    return {
      path: resolve(folder, path),
      shown: shown(join(folder, path)),
      name,
      targets: targets.map((index) => ({ index, mask: maskOf?.(name, index, targets.length > 1) })),
      mask: targets.length === 0 ? maskOf?.(name) : undefined,
    };
  };
  if (file !== undefined) {
    const images = [...readLabelsFile(file, classes, imageFinder(all))].map(([path, targets]) => image(path, targets));
    const unlisted = all.length - images.length;
    if (unlisted > 0) notes.push(`${unlisted} images of ${folder} are not named in ${file} and are left out`);
    return { images, notes };
  }
  if (labels === "none" || nested.length === 0) {
    notes.push(`the images of ${folder} have no labels: the network's own decision is explained`);
    return { images: all.map((path) => image(path, [])), notes };
  }
  if (direct.length > 0)
    notes.push(`${direct.length} images of ${folder} lie in no folder that names their class and are left out`);
  const labelled = nested.map((path) => {
    const name = path.slice(0, path.indexOf("/"));
    return image(path, [classes.require(name, `the folder ${join(folder, name)}`)]);
  });
  return { images: labelled, notes };
}

/** Finds an image by its path as a file of labels may write it: with `images/` before it, or without its ending. */
function imageFinder(all: readonly string[]): (written: string) => string | undefined {
  const known = new Map(all.map((path) => [path.slice(0, path.length - extname(path).length), path]));
  for (const path of all) known.set(path, path);
  return (written) => {
    const path = written.replaceAll("\\", "/").replace(/^\.\//, "");
    return known.get(path) ?? known.get(path.replace(/^images\//, ""));
  };
}

/** A path as one would type it here. */
function shown(path: string): string {
  const here = relative(process.cwd(), path);
  return here.startsWith("..") ? path : here;
}

/**
 * Finds the mask of an image and class: `NAME.CLASS` or, where the image has one class or none, `NAME`, `NAME_mask` or `NAME.mask`, a
 * picture of any kind, in the folder of masks or in its folder of the image's own.
 */
function maskFinder(
  folder: string,
  classes: Classes,
  images: readonly string[],
): (name: string, index?: number, several?: boolean) => string | undefined {
  const { files, folders } = list(folder, "the folder of masks");
  const namesakes = new Map<string, number>();
  for (const path of images) {
    const name = basename(path, extname(path));
    namesakes.set(name, (namesakes.get(name) ?? 0) + 1);
  }
  const byName = new Map<string, string>();
  const add = (path: string): void => {
    byName.set(path.slice(0, path.length - extname(path).length).toLowerCase(), join(folder, path));
  };
  for (const file of files.filter(isImage)) add(file);
  for (const inner of folders)
    for (const file of list(join(folder, inner), "the folder of masks").files.filter(isImage)) add(`${inner}/${file}`);
  if (byName.size === 0)
    throw new InputError(
      "empty-folder",
      `${folder} holds no masks; give a folder of pictures that are white where the class is`,
    );
  return (name, index, several = false) => {
    // One mask is not that of two images in different folders.
    const isAlone = namesakes.get(basename(name)) === 1;
    const stems = isAlone ? [name, basename(name)] : [name];
    const endings = [
      ...(index === undefined ? [] : [`.${classes.labels[index]}`]),
      ...(several ? [] : ["", "_mask", ".mask"]),
    ];
    for (const stem of stems)
      for (const ending of endings) {
        const found = byName.get(`${stem}${ending}`.toLowerCase());
        if (found !== undefined) return found;
      }
    return undefined;
  };
}

/** At most so many of them, spread over their classes, in their order; which ones follows from the seed. */
export function spread<I extends { targets: readonly { index: number }[] }>(
  images: readonly I[],
  limit: number,
  seed: number,
): I[] {
  if (images.length <= limit) return [...images];
  const groups = new Map<string, number[]>();
  images.forEach(({ targets }, k) => {
    const key = targets.map(({ index }) => index).join();
    const group = groups.get(key);
    if (group) group.push(k);
    else groups.set(key, [k]);
  });
  const queues = [...groups.values()].map((group, k) => shuffled(group, uniform(seed, k)));
  const chosen: number[] = [];
  for (let round = 0; chosen.length < limit; round++)
    for (const queue of queues) if (round < queue.length && chosen.length < limit) chosen.push(queue[round]!);
  return chosen.sort((a, b) => a - b).map((k) => images[k]!);
}
