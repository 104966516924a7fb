import { GREY, type ModelView, RESAMPLING } from "../../fit.js";
import type { Network } from "../network/network.js";
import type { ModelCard } from "./card.js";
import { describeInferred, describeView } from "./describe.js";
import { COMMAND_LINE, type Facts, type InputFacts, type Size } from "./facts.js";
import type { FileFingerprints } from "./file-fingerprints.js";
import { type Labels, readLabels } from "./labels.js";
import type { Located } from "./locate.js";
import { originsOf } from "./origins/index.js";
import { inPixels, type Picture, pictureOf, sizeOf, type WrittenScaling } from "./picture.js";
import { type Said, type Settled, settle } from "./settle.js";
import { ofPixels, refuseFractions, unscaled } from "./whole-pixels.js";

/** What the user says in place of a card. */
export interface GivenCard {
  /** A file of labels, or the labels. */
  labels?: string | readonly string[];
  input?: Omit<InputFacts, keyof WrittenScaling> & WrittenScaling;
}

/** Which value was taken from where, and where the labels come from. */
export interface Inferred {
  input: Settled["origins"];
  labels?: string;
}

/** What a model's card, and what stands in its place, come to for its network. */
export interface Read {
  picture: Picture;
  view: ModelView;
  labels: Labels;
  input: InputFacts;
  inferred: Inferred;
  /** A sentence each, the first of what was taken from elsewhere than the user's own words. */
  notes: string[];
}

/** Brings together what the user says, the card, the model file itself and the files beside it; what stands first wins. */
export class Inference {
  /** What is known of the input before the network is read. */
  readonly hints: InputFacts;
  readonly #notes: string[] = [];
  readonly #users: readonly Said[];
  readonly #found: ReturnType<typeof originsOf>;

  constructor(
    private readonly located: Located,
    bytes: Uint8Array,
    private readonly given: GivenCard | undefined,
    private readonly fingerprints: FileFingerprints,
  ) {
    this.#users = usersWords(located, given?.input);
    this.#found = originsOf(located.file, bytes, fingerprints, (sentence) => this.#notes.push(sentence));
    this.hints = settle(this.#said(this.#facts(undefined)), undefined).input;
  }

  /**
   * @param about what to add where the count of labels is wrong
   * @throws InputError or ModelError where the user's own words do not fit the network, or labels are wrong
   */
  read({ shapes, input: image, inputType }: Network, classes: number, about: string): Read {
    const { file, card, cardFile } = this.located;
    const dims = shapes.get(image)!.slice(1);
    const size = sizeOf(dims, this.hints);
    const facts = this.#facts(size);
    const said = this.#said(facts);
    const settled = settle(inputType ? said.map(unscaled) : said, size);
    const { input, origins } = settled;
    // Of its size and channels only the user's own words may contradict the file.
    const { width, height, channels } = dims.length === 1 ? input : settle(this.#users, undefined).input;
    const where = cardFile ?? "a card model.yaml beside the model";
    const shown = { ...input, width, height, channels };
    const picture = pictureOf(dims, inputType ? ofPixels(inputType, shown) : shown, where, origins);
    if (inputType) refuseFractions(picture, inputType, where);
    const labels = readLabels(
      {
        ...{ given: this.given?.labels, card, cardFile, modelFile: file },
        ...{ fingerprints: this.fingerprints, folders: this.#found.folders },
        others: facts.flatMap(({ from, labels }) => (labels ? [{ from, labels }] : [])),
      },
      classes,
      about,
    );
    const view = viewFrom(input, picture);
    const isUsers = new Set(this.#users.map(({ from }) => from));
    if ((this.given?.labels ?? card.labels) !== undefined && labels.from) isUsers.add(labels.from);
    const taken = describeInferred(settled, labels.from, isUsers, describeView(view, picture.preprocessing));
    const remarks = facts.flatMap(({ from, notes = [] }) => notes.map((text) => `${from} ${text}`));
    const scaling = said.filter(({ isUsers, input }) => inputType && !isUsers && input.std?.some((v) => v !== 1));
    const notes = [
      ...(taken ? [`${file}: ${taken}`] : []),
      ...scaling.map(
        ({ from }) => `${from} gives mean and std, and the model takes ${inputType}: it gets pixels as they are`,
      ),
      ...this.#notes,
      ...remarks,
      ...settled.notes,
      ...labels.notes,
    ];
    return { picture, view, labels, input, inferred: { input: origins, labels: labels.from }, notes };
  }

  #facts(size: Size | undefined): ({ from: string } & Facts)[] {
    return this.#found.origins.map((origin) => ({ from: origin.from, ...origin.facts(size) }));
  }

  #said(facts: readonly ({ from: string } & Facts)[]): Said[] {
    return [...this.#users, ...facts.map(({ from, input = {} }) => ({ from, input }))];
  }
}

/** The command line, then the card. */
function usersWords(
  { card, cardFile }: { card: ModelCard; cardFile: string | undefined },
  given: GivenCard["input"],
): Said[] {
  const said = (from: string, { units, ...input }: NonNullable<GivenCard["input"]>): Said => ({
    from,
    isUsers: true,
    input: { ...input, ...inPixels({ ...input, units }, from) },
  });
  return [...(given ? [said(COMMAND_LINE, given)] : []), ...(cardFile ? [said(cardFile, card.input)] : [])];
}

function viewFrom(
  { fit = "stretch", resize, cropRounding, interpolation, antialias, fill }: InputFacts,
  size: Size,
): ModelView {
  const colour = fill ?? GREY;
  const channel = (c: number): number => colour[c % colour.length]!;
  return {
    ...{ inputWidth: size.width, inputHeight: size.height, fit, resize, cropRounding },
    resampling: {
      interpolation: interpolation ?? RESAMPLING.interpolation,
      antialias: antialias ?? RESAMPLING.antialias,
    },
    fill: [channel(0), channel(1), channel(2)],
  };
}
