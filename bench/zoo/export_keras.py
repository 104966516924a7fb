"""Writes a network of keras.applications as ONNX by tf2onnx: python export_keras.py NAME PICTURE OUTPUT

Random weights; batch norms get factors, shifts and the statistics of variants of the picture (.npy, as input) as training
on such pictures would leave them."""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import tensorflow as tf
import tf2onnx

name, picture, output = sys.argv[1:]
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
    frame = np.load(picture)
    frames = np.concatenate([np.roll(frame, np.random.randint(0, 224, 2), (1, 2)) for _ in range(6)])
    gain = np.random.uniform(0.7, 1.3, (6, 1, 1, 1))
    noise = 0.1 * frame.std() * np.random.normal(size=frames.shape)
    model((frames * gain + noise).astype("float32"), training=True)
signature = [tf.TensorSpec((None, 224, 224, 3), tf.float32, name="image")]
tf2onnx.convert.from_keras(model, input_signature=signature, opset=17, output_path=output)
