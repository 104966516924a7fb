/** Who says no to a node. */
export interface Refusing<Node> {
  refuse(node: Node, reason: string): never;
}

/** What constants that are computed at import may take, however small the file is. */
const MIN_BYTES = 3 * 2 ** 26;
const MIN_WORK = 2 ** 31;
/** Beyond that, so many times the numbers that the file itself holds. */
const COPIES_OF_WEIGHTS = 4;
const WORK_PER_WEIGHT = 64;

/**
 * Memory and time for computing constants, decided before either is spent: a file of a few bytes can name results of any
 * size.
 */
export class Budget {
  readonly #all: number;
  #bytes: number;
  #work: number;

  /** @param numbers that the file holds as weights */
  constructor(numbers: number) {
    this.#all = Math.max(MIN_BYTES, 4 * COPIES_OF_WEIGHTS * numbers);
    this.#bytes = this.#all;
    this.#work = Math.max(MIN_WORK, WORK_PER_WEIGHT * numbers);
  }

  /**
   * @param share of the elements that is counted
   * @throws ModelError where there is no room for so many elements more
   */
  take<Node>(importer: Refusing<Node>, node: Node, elements: number, share = 1): void {
    this.#bytes -= 4 * elements * share;
    if (!(this.#bytes >= 0))
      importer.refuse(
        node,
        `it would make a constant of ${elements} elements, and all constants that are computed for such a file may take ${Math.round(this.#all / 2 ** 20)} MiB`,
      );
  }

  /** @throws ModelError where so many looks at a number more take too long */
  work<Node>(importer: Refusing<Node>, node: Node, looks: number): void {
    this.#work -= looks;
    if (!(this.#work >= 0))
      importer.refuse(
        node,
        "computing the constants of the file up to it takes too long; export it simplified (onnxsim)",
      );
  }
}
