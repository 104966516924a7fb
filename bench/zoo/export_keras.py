"""Writes a network of keras.applications as ONNX by tf2onnx: python export_keras.py NAME OUTPUT

Random weights; batch norms get factors, shifts and running statistics as training leaves them."""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import tensorflow as tf
import tf2onnx

name, output = sys.argv[1:]
tf.random.set_seed(1)
np.random.seed(1)
model = getattr(tf.keras.applications, name)(weights=None, input_shape=(224, 224, 3))
norms = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.BatchNormalization)]
for norm in norms:
    norm.momentum = 0.0
    if norm.gamma is not None:
        norm.gamma.assign(np.random.uniform(0.5, 1.5, norm.gamma.shape))
    norm.beta.assign(np.random.normal(0, 0.2, norm.beta.shape))
if norms:
    rescales = any(type(layer).__name__ in ("Rescaling", "Normalization") for layer in model.layers)
    frames = np.random.uniform(0, 255, (4, 224, 224, 3)) if rescales else np.random.normal(size=(4, 224, 224, 3))
    model(frames.astype("float32"), training=True)
signature = [tf.TensorSpec((None, 224, 224, 3), tf.float32, name="image")]
tf2onnx.convert.from_keras(model, input_signature=signature, opset=17, output_path=output)
