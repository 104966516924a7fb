import type { AddLayer } from "../network/network.js";
import type { Sum } from "./layer.js";
import { tensorValue } from "./scope.js";

export const add: Sum<AddLayer> = {
  family: "sum",
  forward: (scope, layer) => layer.inputs.map((id) => tensorValue(scope, id)).reduce(scope.e.add),
  gradient: (_, layer, g) => layer.inputs.map(() => g),
};
