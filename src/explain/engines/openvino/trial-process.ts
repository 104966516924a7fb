// node trial-process.js GRAPH STREAMS THREADS float32|bfloat16: ends well when the graph compiles.
import { compileFile } from "./compile.js";

const [graph, streams, threads, precision] = process.argv.slice(2) as [string, string, string, string];
try {
  compileFile(graph, Number(streams), Number(threads), precision === "bfloat16");
  process.exit(0);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
