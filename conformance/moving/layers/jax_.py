"""equinox.nn.BatchNorm (mode "batch") and haiku.BatchNorm."""

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp

from .functional import Functional


class EquinoxLayer(Functional):
    form, first, variance = "equinox", True, "two-pass"
    names = {
        "params/weight": "weight", "params/bias": "bias", "state/mean": "mean", "state/var": "var",
        "state/counter": "counter",
    }  # fmt: skip

    def __init__(self, rank, channels, input_size=None, mode="batch", **arguments):
        self.layer, held = eqx.nn.make_with_state(eqx.nn.BatchNorm)(channels, "batch", mode=mode, **arguments)
        # the counter is made weakly typed, and a State takes back what it gave only
        self.held = jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), held)
        mean, var = self.held.get(self.layer.batch_state_index)
        self.state = {"mean": mean, "var": var, "counter": self.held.get(self.layer.batch_counter)}
        given = {"weight": self.layer.weight, "bias": self.layer.bias}
        self.parameters = {name: value for name, value in given.items() if value is not None}

    @staticmethod
    def version():
        return f"{eqx.__version__} (jax {jax.__version__})"

    freezing = ("inference=True",)

    def bare(self, x):
        held = jax.tree.map(lambda leaf: leaf, self.held)
        return jax.vmap(self.layer, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(x, held)[0]

    def apply(self, parameters, state, x, training):
        layer = self.layer
        if parameters:
            layer = eqx.tree_at(lambda m: (m.weight, m.bias), layer, (parameters["weight"], parameters["bias"]))
        held = jax.tree.map(lambda leaf: leaf, self.held)  # a copy: a State may be used once
        held = held.set(layer.batch_state_index, (state["mean"], state["var"]))
        held = held.set(layer.batch_counter, state["counter"])
        call = lambda one, held: layer(one, held, inference=not training)
        y, held = jax.vmap(call, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(x, held)
        mean, var = held.get(layer.batch_state_index)
        return y, {"mean": mean, "var": var, "counter": held.get(layer.batch_counter)}


class HaikuLayer(Functional):
    form, variance = "haiku", "one-pass"
    STATE = [f"{which}_ema/{name}" for which in ("mean", "var") for name in ("average", "hidden", "counter")]
    names = {"params/scale": "params/scale", "params/offset": "params/offset"} | {
        f"state/{name}": f"state/~/{name}" for name in STATE
    }

    def __init__(self, rank, channels, create_scale=True, create_offset=True, **arguments):
        build = lambda x, training: hk.BatchNorm(create_scale, create_offset, **arguments, name="bn")(x, training)
        self.layer = hk.without_apply_rng(hk.transform_with_state(build))
        params, state = self.layer.init(jax.random.key(0), jnp.ones((2,) * (rank - 1) + (channels,)), True)
        self.parameters = dict(params.get("bn", {}))
        self.state = {path.rpartition("/")[2]: dict(inner) for path, inner in state.items()}

    @staticmethod
    def version():
        return f"{hk.__version__} (jax {jax.__version__})"

    freezing = ("is_training=False",)

    def apply(self, parameters, state, x, training):
        outer = {f"bn/~/{name}": inner for name, inner in state.items()}
        y, changed = self.layer.apply({"bn": parameters}, outer, x, training)
        return y, {path.rpartition("/")[2]: dict(inner) for path, inner in changed.items()}
