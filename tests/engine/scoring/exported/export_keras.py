"""Exports a small Keras network as ONNX, with what TensorFlow itself says of some rows.

Run once, by hand, in an environment of its own (TensorFlow is no dependency of the project):

    python -m venv v && v/bin/pip install tensorflow-cpu==2.21.0 tf2onnx==1.17.0
    v/bin/python tests/engine/scoring/exported/export_keras.py

It wrote ``keras.onnx`` and ``keras.json`` beside itself, which the tests read.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf2onnx

HERE = Path(__file__).parent

tf.keras.utils.set_random_seed(7)
draw = np.random.default_rng(7)
x = draw.normal(size=(2_000, 4)).astype(np.float32)
y = ((x[:, 0] * x[:, 1] + x[:, 2]) > 0).astype(np.float32)
network = tf.keras.Sequential(
    [
        tf.keras.layers.Input((4,)),
        tf.keras.layers.Dense(16, "relu"),
        tf.keras.layers.BatchNormalization(),
        tf.keras.layers.Dropout(0.1),
        tf.keras.layers.Dense(8, "swish"),
        tf.keras.layers.Dense(1, "sigmoid"),
    ]
)
network.compile("adam", "binary_crossentropy")
network.fit(x, y, epochs=5, batch_size=64, verbose=0)


@tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
def said(rows: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return the probability by name, as an output of the graph."""
    return {"probability": network(rows, training=False)}


tf2onnx.convert.from_function(
    said, input_signature=said.input_signature, opset=17, output_path=str(HERE / "keras.onnx")
)
rows = x[:20]
expected = network(rows, training=False).numpy()[:, 0]
text = json.dumps({"x": rows.tolist(), "probability": expected.tolist()})
(HERE / "keras.json").write_text(text + "\n")
