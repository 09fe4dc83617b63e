"""Three small networks as data, and the definition's own training of them in NumPy, forward and backward.

A network is a list of layers; parameters have the names "layer/what": dense W (in, out), conv W (k, k, in, out), b,
gamma, beta; the state mean and var. x: (N, 1, 8, 8), the digits of scikit-learn. Every layer is a function that gives
its output and its pullback.
"""

import numpy as np

import bnconform as bn

EPS, DECAY, RATE, BATCH, STEPS = 1e-5, 0.9, 0.2, 32, 60

NETWORKS = {
    "sigmoid MLP": [
        ("flatten",), ("dense", "d1", 64, 100), ("bn", "b1", 100), ("sigmoid",), ("dense", "d2", 100, 100),
        ("bn", "b2", 100), ("sigmoid",), ("dense", "d3", 100, 100), ("bn", "b3", 100), ("sigmoid",),
        ("dense", "d4", 100, 10),
    ],
    "LeNet": [
        ("conv", "c1", 1, 6, 3, "valid"), ("bn", "b1", 6), ("relu",), ("pool",), ("conv", "c2", 6, 16, 2, "valid"),
        ("bn", "b2", 16), ("relu",), ("flatten",), ("dense", "d1", 64, 32), ("bn", "b3", 32), ("relu",),
        ("dense", "d2", 32, 10),
    ],
    "residual block": [
        ("conv", "c0", 1, 8, 3, "same"), ("bn", "b0", 8), ("relu",),
        ("residual", [
            ("conv", "c1", 8, 8, 3, "same"), ("bn", "b1", 8), ("relu",), ("conv", "c2", 8, 8, 3, "same"),
            ("bn", "b2", 8),
        ]),
        ("relu",), ("average",), ("dense", "d1", 8, 10),
    ],
}  # fmt: skip


def layers(spec):
    """Every layer, those of residual branches too."""
    for layer in spec:
        if layer[0] == "residual":
            yield from layers(layer[1])
        else:
            yield layer


def initial(spec, seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters and state by name, float32; weights of variance 2 / fan in."""
    rng, out = np.random.default_rng(seed), {}
    for kind, *given in layers(spec):
        if kind in ("dense", "conv"):
            name, fan, size = given[:3]
            shape = (fan, size) if kind == "dense" else (given[3], given[3], fan, size)
            out[f"{name}/W"] = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
            out[f"{name}/b"] = np.zeros(size)
        elif kind == "bn":
            name, size = given
            out |= {f"{name}/gamma": np.ones(size), f"{name}/beta": np.zeros(size)}
            out |= {f"{name}/mean": np.zeros(size), f"{name}/var": np.ones(size)}
    return {name: value.astype(np.float32) for name, value in out.items()}


def is_state(name: str) -> bool:
    return name.endswith(("/mean", "/var"))


def digits(seed: int = 0):
    """((x, labels) of training, of what is held out): 1,437 and 360 digits, scaled to [0, 1]."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    x, labels = (found.images[order] / 16).astype(np.float32)[:, None], found.target[order]
    return (x[:1437], labels[:1437]), (x[1437:], labels[1437:])


def batches(data, steps: int = STEPS, seed: int = 1):
    """(x, labels) of each step."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = rng.choice(len(data[1]), BATCH, replace=False)
        yield data[0][rows], data[1][rows]


class Norm:
    """Batch normalization as defined; a wrong one overrides a part."""

    running_ddof, decay, eps = 1, DECAY, EPS

    def forward(self, x, gamma, beta):
        """(y, batch_mean, batch_var, m)."""
        return bn.train_forward(x, gamma, beta, eps=self.eps, channel_axes=1)

    def backward(self, dy, x, gamma):
        return bn.train_backward(dy, x, gamma, eps=self.eps, channel_axes=1)

    def state(self, mean, var, out):
        old = bn.RunningState(mean, var)
        new = old.update(out.batch_mean, out.batch_var, out.m, decay=self.decay, running_ddof=self.running_ddof)
        return new.running_mean, new.running_var


class Single(Norm):
    """The same in float32 arithmetic, as frameworks do it: what its roundings lead to is the allowance."""

    def _hat(self, x):
        axes = (0, *range(2, x.ndim))
        mean = x.mean(axes, keepdims=True)
        var = ((x - mean) ** 2).mean(axes, keepdims=True)
        r = 1 / np.sqrt(var + np.float32(self.eps))
        return (x - mean) * r, r, mean.ravel(), var.ravel(), axes

    def forward(self, x, gamma, beta):
        x_hat, _, mean, var, _ = self._hat(x)
        wide = lambda v: v.reshape(1, -1, *[1] * (x.ndim - 2))
        m = np.full(mean.shape, x.size // x.shape[1])
        return bn.TrainForward(x_hat * wide(gamma) + wide(beta), mean, var, m)

    def backward(self, dy, x, gamma):
        x_hat, r, _, _, axes = self._hat(x)
        slope = (dy * x_hat).mean(axes, keepdims=True)
        dx = gamma.reshape(r.shape) * r * (dy - dy.mean(axes, keepdims=True) - x_hat * slope)
        return bn.Gradients(dx, (dy * x_hat).sum(axes), dy.sum(axes))


class Definition:
    """A network trained by gradient descent on the cross-entropy. kind: float64, or float32 for its own roundings."""

    def __init__(self, spec, values, kind="float64", norm: Norm | None = None):
        self.spec, self.norm, self.kind = spec, norm or Norm(), np.dtype(kind)
        self.values = {name: value.astype(kind) for name, value in values.items()}

    def step(self, x, labels) -> float:
        """Loss before the step; parameters and state after it."""
        slopes, states = {}, {}
        scores, back = self._run(self.spec, x.astype(self.kind), slopes, states)
        shifted = scores - scores.max(1, keepdims=True)
        share = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
        rows = np.arange(len(labels))
        loss = -np.mean(shifted[rows, labels] - np.log(np.exp(shifted).sum(1)))
        share[rows, labels] -= 1
        back(share / self.kind.type(len(labels)))
        for name, slope in slopes.items():
            self.values[name] = self.values[name] - self.kind.type(RATE) * slope.astype(self.kind)
        self.values |= {name: value.astype(self.kind) for name, value in states.items()}
        return float(loss)

    def accuracy(self, x, labels) -> float:
        scores, _ = self._run(self.spec, x.astype(self.kind), None, None)
        return float(np.mean(scores.argmax(1) == labels))

    def _run(self, spec, x, slopes, states):
        """(output, pullback); slopes and states are filled; None for inference."""
        backs = []
        for kind, *given in spec:
            x, back = getattr(self, f"_{kind}")(x, slopes, states, *given)
            backs.append(back)

        def pull(dy):
            for back in reversed(backs):
                dy = back(dy)
            return dy

        return x, pull

    def _dense(self, x, slopes, states, name, *sizes):
        weight = self.values[f"{name}/W"]

        def back(dy):
            slopes[f"{name}/W"], slopes[f"{name}/b"] = x.T @ dy, dy.sum(0)
            return dy @ weight.T

        return x @ weight + self.values[f"{name}/b"], back

    def _conv(self, x, slopes, states, name, fan, size, k, padding):
        weight = self.values[f"{name}/W"].transpose(2, 0, 1, 3).reshape(fan * k * k, size)
        edge = (k // 2 if padding == "same" else 0,) * 2
        wide = np.pad(x, ((0, 0), (0, 0), edge, edge))
        windows = np.lib.stride_tricks.sliding_window_view(wide, (k, k), (2, 3))
        n, _, high, long = windows.shape[:4]
        rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, fan * k * k)

        def back(dy):
            flat = dy.transpose(0, 2, 3, 1).reshape(-1, size)
            slopes[f"{name}/W"] = (rows.T @ flat).reshape(fan, k, k, size).transpose(1, 2, 0, 3)
            slopes[f"{name}/b"] = dy.sum((0, 2, 3))
            moved = (flat @ weight.T).reshape(n, high, long, fan, k, k).transpose(0, 3, 1, 2, 4, 5)
            dx = np.zeros_like(wide)
            for i in range(k):
                for j in range(k):
                    dx[:, :, i : i + high, j : j + long] += moved[..., i, j]
            return dx[:, :, edge[0] : edge[0] + x.shape[2], edge[0] : edge[0] + x.shape[3]]

        y = (rows @ weight + self.values[f"{name}/b"]).reshape(n, high, long, size)
        return y.transpose(0, 3, 1, 2), back

    def _bn(self, x, slopes, states, name, size):
        gamma, beta, mean, var = (self.values[f"{name}/{what}"] for what in ("gamma", "beta", "mean", "var"))
        if slopes is None:
            at = {"running_mean": mean, "running_var": var, "eps": self.norm.eps, "channel_axes": 1}
            return bn.inference_forward(x, gamma, beta, **at).astype(self.kind), None
        out = self.norm.forward(x, gamma, beta)
        states[f"{name}/mean"], states[f"{name}/var"] = self.norm.state(mean, var, out)

        def back(dy):
            found = self.norm.backward(dy, x, gamma)
            slopes[f"{name}/gamma"], slopes[f"{name}/beta"] = found.dgamma, found.dbeta
            return found.dx.astype(self.kind)

        return out.y.astype(self.kind), back

    def _sigmoid(self, x, slopes, states):
        y = 1 / (1 + np.exp(-x))
        return y, lambda dy: dy * y * (1 - y)

    def _relu(self, x, slopes, states):
        return np.maximum(x, 0), lambda dy: dy * (x > 0)

    def _pool(self, x, slopes, states):
        n, c, high, long = x.shape
        y = x.reshape(n, c, high // 2, 2, long // 2, 2).mean((3, 5))
        return y, lambda dy: np.repeat(np.repeat(dy, 2, 2), 2, 3) / self.kind.type(4)

    def _average(self, x, slopes, states):
        size = self.kind.type(x.shape[2] * x.shape[3])
        return x.mean((2, 3)), lambda dy: np.broadcast_to((dy / size)[:, :, None, None], x.shape)

    def _flatten(self, x, slopes, states):
        return x.reshape(len(x), -1), lambda dy: dy.reshape(x.shape)

    def _residual(self, x, slopes, states, inner):
        y, back = self._run(inner, x, slopes, states)
        return x + y, lambda dy: dy + back(dy)
