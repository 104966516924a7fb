import * as tf from "@tensorflow/tfjs";

/** What TensorFlow.js saves, as its files would hold it. */
export async function saved(model: tf.LayersModel): Promise<{ json: string; shard: Uint8Array }> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (given) => {
      artifacts = given;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  const { modelTopology, weightSpecs, weightData } = artifacts!;
  const json = JSON.stringify({
    format: "layers-model",
    modelTopology,
    weightsManifest: [{ paths: ["weights.bin"], weights: weightSpecs }],
  });
  return { json, shard: new Uint8Array(weightData as ArrayBuffer) };
}
