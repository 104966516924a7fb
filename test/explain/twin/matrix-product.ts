import { broadcastDims, broadcastIndex, type Tensor, tensor } from "./tensor.js";

/** A matrix product as its terms: output `j` is the sum of `a[i] · b[k]`. */
export function forEachTerm(a: Tensor, b: Tensor, visit: (i: number, k: number, j: number) => void): number[] {
  const [rows, inner] = a.dims.slice(-2) as [number, number];
  const columns = b.dims.at(-1)!;
  const leads = broadcastDims([a.dims.slice(0, -2), b.dims.slice(0, -2)]);
  const [ofA, ofB] = [a, b].map(({ dims }) => broadcastIndex(dims.slice(0, -2), leads)) as [Int32Array, Int32Array];
  for (let m = 0; m < ofA.length; m++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        for (let t = 0; t < inner; t++)
          visit(
            (ofA[m]! * rows + row) * inner + t,
            (ofB[m]! * inner + t) * columns + column,
            (m * rows + row) * columns + column,
          );
  return [...leads, rows, columns];
}

export function matrixProduct(a: Tensor, b: Tensor): Tensor {
  const terms: [number, number, number][] = [];
  const dims = forEachTerm(a, b, (...term) => void terms.push(term));
  const product = tensor(dims);
  for (const [i, k, j] of terms) product.data[j]! += a.data[i]! * b.data[k]!;
  return product;
}
