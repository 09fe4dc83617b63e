"""Real files of the real frameworks, written by a process of its own: `python make_files.py FOLDER [FRAMEWORK ...]`."""

import sys
from pathlib import Path

import numpy as np

FOLDER, ASKED = Path(sys.argv[1]), sys.argv[2:]


def torch_files():
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4, eps=1e-4, momentum=0.03),
        torch.nn.BatchNorm2d(4),
        torch.nn.LayerNorm(4),
    )
    for size in (5, 8, 3):
        model(torch.randn(size, 3, 6, 6) * 2 + 1)
    torch.save(model.state_dict(), FOLDER / "model.pt")
    save_file(model.state_dict(), FOLDER / "model.safetensors")
    torch.save({"epoch": 3, "state_dict": model.state_dict()}, FOLDER / "checkpoint.pt")
    torch.save(model, FOLDER / "whole.pt")


def keras_files():
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    inner = keras.Sequential([keras.Input((4, 4, 4)), layers.BatchNormalization(name="inside")], name="inner")
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(epsilon=1e-4, momentum=0.9, name="first"),
            inner,
            layers.BatchNormalization(scale=False, name="no_gamma"),
        ]
    )
    for size in (5, 8, 3):
        model(np.random.default_rng(size).normal(size=(size, 6, 6, 3)).astype("f"), training=True)
    model.save(FOLDER / "model.keras")
    plain = keras.Sequential(
        [keras.Input((5,)), layers.BatchNormalization(), layers.Dense(2), layers.BatchNormalization()]
    )
    plain.save_weights(FOLDER / "plain.weights.h5")
    plain.save(FOLDER / "plain.keras")


def flax_files():
    import jax
    import jax.numpy as jnp
    from flax import linen, nnx
    from flax.serialization import msgpack_serialize, to_bytes

    class Net(linen.Module):
        @linen.compact
        def __call__(self, x, training):
            x = linen.Dense(4)(x)
            return linen.BatchNorm(use_running_average=not training, momentum=0.9, name="bn1")(x)

    variables = Net().init(jax.random.key(0), jnp.ones((3, 5)), True)
    _, changed = Net().apply(
        variables, jnp.asarray(np.random.default_rng(0).normal(size=(6, 5))), True, mutable=["batch_stats"]
    )
    (FOLDER / "linen.msgpack").write_bytes(
        to_bytes({"params": variables["params"], "batch_stats": changed["batch_stats"]})
    )
    layer = nnx.BatchNorm(4, rngs=nnx.Rngs(0))
    layer(jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)), jnp.float32))
    tree = jax.tree.map(np.asarray, {"bn": nnx.to_pure_dict(nnx.state(layer))})
    (FOLDER / "nnx.msgpack").write_bytes(msgpack_serialize(tree))


MAKERS = {"torch": torch_files, "keras": keras_files, "flax": flax_files}

for name in ASKED or MAKERS:
    MAKERS[name]()
