"""The same networks in the frameworks: dense and convolution by their functions, BN by their own layer.

`trained(name, spec, values, channels, data, held)` gives (losses, values after each step, accuracy held out), values by
the names of `network`, whatever the layout.
"""

import numpy as np

from .network import DECAY, EPS, RATE, is_state, layers

LAYOUTS = {
    "torch": ("first",),
    "keras-tensorflow": ("last",),
}  # the others have both; TensorFlow's CPU convolves NHWC only


def _torch(spec, values, channels):
    """(step, read, score) of a torch network."""
    import torch
    from torch.nn import functional as F

    tensor = lambda a: torch.from_numpy(np.ascontiguousarray(a))
    weights = {n: tensor(v.copy()).requires_grad_() for n, v in values.items() if n.endswith(("/W", "/b"))}
    norms = {}
    for kind, *given in layers(spec):
        if kind == "bn":
            name, size = given
            flat = name in {g[1] for g in _after_flat(spec)}
            norms[name] = (torch.nn.BatchNorm1d if flat else torch.nn.BatchNorm2d)(size, eps=EPS, momentum=1 - DECAY)

    def run(spec, x):
        for kind, *given in spec:
            if kind == "dense":
                x = x @ weights[f"{given[0]}/W"] + weights[f"{given[0]}/b"]
            elif kind == "conv":
                kernel = weights[f"{given[0]}/W"].permute(3, 2, 0, 1)
                x = F.conv2d(x, kernel, weights[f"{given[0]}/b"], padding=given[4])
            elif kind == "bn":
                x = norms[given[0]](x)
            elif kind == "residual":
                x = x + run(given[0], x)
            else:
                x = {"sigmoid": torch.sigmoid, "relu": torch.relu, "pool": lambda a: F.avg_pool2d(a, 2),
                     "average": lambda a: a.mean((2, 3)), "flatten": lambda a: a.flatten(1)}[kind](x)  # fmt: skip
        return x

    optimizer = torch.optim.SGD([*weights.values(), *(p for m in norms.values() for p in m.parameters())], lr=RATE)

    def step(x, labels):
        [m.train() for m in norms.values()]
        loss = F.cross_entropy(run(spec, tensor(x)), tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    def read():
        out = {n: v.detach().numpy().copy() for n, v in weights.items()}
        for name, m in norms.items():
            own = {"gamma": m.weight, "beta": m.bias, "mean": m.running_mean, "var": m.running_var}
            out |= {f"{name}/{what}": value.detach().numpy().copy() for what, value in own.items()}
        return out

    def score(x):
        [m.eval() for m in norms.values()]
        with torch.no_grad():
            return run(spec, tensor(x)).numpy()

    return step, read, score


def _after_flat(spec):
    """Layers that see x of rank 2."""
    flat = False
    for layer in spec:
        flat |= layer[0] in ("flatten", "average")
        if flat:
            yield (layer[0], layer[1] if len(layer) > 1 else "")


def _jax(spec, values, channels, nnx_norm):
    """(step, read, score) of a JAX network whose BN is linen's or nnx's layer."""
    import jax
    import jax.numpy as jnp
    from flax import linen, nnx

    first = channels == "first"
    order = ("NCHW", "HWIO", "NCHW") if first else ("NHWC", "HWIO", "NHWC")
    places = (2, 3) if first else (1, 2)
    options = {"momentum": DECAY, "epsilon": EPS}

    def norm(name, size, p, s, x, training):
        own, old = (
            {"scale": p[f"{name}/gamma"], "bias": p[f"{name}/beta"]},
            {w: s[f"{name}/{w}"] for w in ("mean", "var")},
        )
        axis = 1 if first else -1
        if nnx_norm:
            layer = nnx.BatchNorm(size, axis=axis, **options, rngs=nnx.Rngs(0))
            nnx.update(layer, own | old)
            y = layer(x, use_running_average=not training)
            return y, {w: getattr(layer, w)[...] for w in old}
        layer = linen.BatchNorm(use_running_average=not training, axis=axis, **options)
        y, changed = layer.apply({"params": own, "batch_stats": old}, x, mutable=["batch_stats"])
        return y, changed["batch_stats"]

    def run(spec, p, s, x, training, new):
        for kind, *given in spec:
            if kind == "dense":
                x = x @ p[f"{given[0]}/W"] + p[f"{given[0]}/b"]
            elif kind == "conv":
                name, padding = given[0], given[4].upper()
                bias = p[f"{name}/b"].reshape((-1, 1, 1) if first else (-1,))
                x = jax.lax.conv_general_dilated(x, p[f"{name}/W"], (1, 1), padding, dimension_numbers=order) + bias
            elif kind == "bn":
                x, state = norm(*given, p, s, x, training)
                new |= {f"{given[0]}/{w}": value for w, value in state.items()}
            elif kind == "residual":
                x = x + run(given[0], p, s, x, training, new)
            elif kind == "flatten":
                x = (x if first or x.ndim == 2 else jnp.moveaxis(x, -1, 1)).reshape(len(x), -1)
            elif kind == "pool":
                a, b = places
                shape = (*x.shape[:a], x.shape[a] // 2, 2, x.shape[b] // 2, 2, *x.shape[b + 1 :])
                x = x.reshape(shape).mean((a + 1, b + 2))
            else:
                x = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "average": lambda a: a.mean(places)}[kind](x)
        return x

    def loss(p, s, x, labels):
        new = {}
        scores = run(spec, p, s, x, True, new)
        return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(len(labels)), labels]), new

    @jax.jit
    def update(p, s, x, labels):
        (value, new), slopes = jax.value_and_grad(loss, has_aux=True)(p, s, x, labels)
        return value, jax.tree.map(lambda a, g: a - RATE * g, p, slopes), new

    held = {"p": {n: jnp.asarray(v) for n, v in values.items() if not is_state(n)}}
    held["s"] = {n: jnp.asarray(v) for n, v in values.items() if is_state(n)}
    turn = (lambda a: a) if first else (lambda a: np.moveaxis(a, 1, -1))

    def step(x, labels):
        value, held["p"], held["s"] = update(held["p"], held["s"], turn(x), labels)
        return float(value)

    read = lambda: {n: np.array(v) for n, v in (held["p"] | held["s"]).items()}
    return step, read, lambda x: np.array(run(spec, held["p"], held["s"], jnp.asarray(turn(x)), False, {}))


def _keras(spec, values, channels):
    """(step, read, score) of a Keras model of Keras layers."""
    import keras

    first, built = channels == "first", {}
    form = {"data_format": f"channels_{channels}"}
    normal = lambda name: keras.layers.BatchNormalization(
        axis=1 if first else -1, momentum=DECAY, epsilon=EPS, name=name
    )

    def make(kind, name=None, _fan=None, size=None, k=None, padding=None):
        return {
            "dense": lambda: keras.layers.Dense(size, name=name),
            "conv": lambda: keras.layers.Conv2D(size, k, padding=padding, name=name, **form),
            "bn": lambda: normal(name),
            "sigmoid": lambda: keras.layers.Activation("sigmoid"),
            "relu": keras.layers.ReLU,
            "pool": lambda: keras.layers.AveragePooling2D(2, **form),
            "average": lambda: keras.layers.GlobalAveragePooling2D(**form),
            "flatten": keras.layers.Flatten,
        }[kind]()

    def run(spec, x):
        for kind, *given in spec:
            if kind == "residual":
                x = keras.layers.Add()([x, run(given[0], x)])
                continue
            if kind == "flatten" and not first:
                x = keras.layers.Permute((3, 1, 2))(x)
            layer = make(kind, *given)
            x = layer(x)
            if kind in ("dense", "conv", "bn"):
                built[given[0]] = layer
        return x

    inside = keras.Input((1, 8, 8) if first else (8, 8, 1))
    model = keras.Model(inside, run(spec, inside))
    names = lambda name: ("gamma", "beta", "mean", "var") if f"{name}/gamma" in values else ("W", "b")
    for name, layer in built.items():
        layer.set_weights([values[f"{name}/{what}"] for what in names(name)])
    model.compile(keras.optimizers.SGD(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    turn = (lambda a: a) if first else (lambda a: np.moveaxis(a, 1, -1))
    step = lambda x, labels: float(model.train_on_batch(turn(x), labels))
    read = lambda: {f"{n}/{w}": v for n, layer in built.items() for w, v in zip(names(n), layer.get_weights())}
    return step, read, lambda x: np.asarray(model.predict_on_batch(turn(x)))


MAKERS = {
    "torch": _torch,
    "flax-linen": lambda *given: _jax(*given, False),
    "flax-nnx": lambda *given: _jax(*given, True),
} | dict.fromkeys(("keras-tensorflow", "keras-jax", "keras-torch"), _keras)


def trained(name, spec, values, channels, data, held):
    """Train from `values` on the batches `data`; held: (x, labels)."""
    step, read, score = MAKERS[name](spec, values, channels)
    losses, course = [], []
    for x, labels in data:
        losses.append(step(x, labels))
        course.append(read())
    return losses, course, float(np.mean(np.argmax(score(held[0]), 1) == held[1]))
