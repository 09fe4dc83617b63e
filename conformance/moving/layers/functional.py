"""JAX libraries' layers: a pure function (parameters, state, x, training) -> (y, new state), compiled once a shape."""

from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..objects import flat


class Functional:
    """`apply(parameters, state, x, training)` and `initial(rank, channels)` come from the library; the rest is here.

    parameters, state: trees of arrays. names: path of an array in {"params": ..., "state": ...} -> the form's name.
    """

    first, ranks = False, (2, 3, 4, 5)

    @cached_property
    def _step(self):
        def loss(parameters, state, x, target, training):
            y, state = self.apply(parameters, state, x, training)
            axis = 1 if self.first else -1
            return 0.5 * jnp.sum((y - target) ** 2) * (y.shape[axis] / y.size), state

        @partial(jax.jit, static_argnums=5)
        def step(parameters, state, x, target, rate, training):
            gradients, state = jax.grad(loss, has_aux=True)(parameters, state, x, target, training)
            optimizer = optax.sgd(rate)
            updates, _ = optimizer.update(gradients, optimizer.init(parameters))
            return optax.apply_updates(parameters, updates), state

        return step

    @cached_property
    def _forward(self):
        return jax.jit(self.apply, static_argnums=3)

    def load(self, arrays):
        tree = lambda old, root: jax.tree_util.tree_map_with_path(
            lambda keys, value: self._filled(arrays, f"{root}/" + "/".join(str(k.key) for k in keys), value), old
        )
        self.parameters, self.state = tree(self.parameters, "params"), tree(self.state, "state")

    def _filled(self, arrays, path, old):
        name = self.names.get(path)
        return old if name not in arrays else jnp.asarray(arrays[name]).reshape(old.shape).astype(old.dtype)

    def arrays(self):
        found = flat({"params": self.parameters, "state": self.state})
        return {name: np.array(found[path]) for path, name in self.names.items() if path in found}

    def infer(self, x):
        return np.array(self._forward(self.parameters, self.state, x, False)[0])

    def train(self, x):
        y, self.state = self._forward(self.parameters, self.state, x, True)
        return np.array(y)

    def step(self, x, target, rate, training=True):
        self.parameters, self.state = self._step(self.parameters, self.state, x, target, np.float32(rate), training)

    def frozen_step(self, setting, x, target, rate):
        self.step(x, target, rate, training=False)

    def counts(self):
        of = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))
        return {"parameters": of(self.parameters), "state": of(self.state)}
