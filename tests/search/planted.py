"""Faults that hide: each shows only at some size, after some history, in some memory order, or now and then.

    python -m search.planted [NAME]...     search for each for a minute at most, shrink what is found, print the table

Each is a right layer with one wrong turn, as kernels and caches take them.
"""

import itertools
import time
from dataclasses import replace

import numpy as np

from bnconform.backends.contract import WIDENED
from bnconform.backends.numpy_ import NumpyReference
from bnconform.layout import Layout

CALLS = itertools.count()
FAULTS = {}


def planted(kind):
    """Register a class by its name under the kind of condition that it needs."""

    def register(cls):
        FAULTS[cls.__name__] = kind, cls
        return cls

    return register


class Layer(NumpyReference):
    """The right layer, with what faults need at hand; it declares no more than float32, which is judged faster."""

    conventions = replace(NumpyReference.conventions, compute=WIDENED)

    def __init__(self, config, *given):
        super().__init__(config, *given)
        self.calls, self.kept = 0, None

    def layout(self, x):
        return Layout(x.shape, self.config.channel_axes)

    def columns(self, values):
        """x's values as (m, channels)."""
        axes = self.config.channel_axes
        moved = np.moveaxis(values, axes, range(-len(axes), 0))
        return moved.reshape(-1, int(np.prod(self.config.channels)))

    def lay(self, columns, like):
        """(m, channels) as an array like x."""
        layout = self.layout(like)
        moved = columns.reshape([like.shape[a] for a in (*layout.reduced_axes, *self.config.channel_axes)])
        axes = self.config.channel_axes
        return np.moveaxis(moved, range(-len(axes), 0), axes).astype(like.dtype)

    def spoil(self, out, name, part, value):
        """Overwrite a part of one output's (m, channels), or of a channel output's (channels,)."""
        if name not in out:
            return out
        if name in ("y", "dx"):
            columns = self.columns(out[name]).copy()
            columns[part] = value(columns[part])
            return out | {name: self.lay(columns, out[name])}
        flat = out[name].reshape(-1).copy()
        flat[part] = value(flat[part])
        return out | {name: flat.reshape(out[name].shape)}

    def with_variance(self, x, out, wrong):
        """y of a variance that is wrong by a factor, one a channel."""
        gamma = np.ones(self.config.channels) if self.gamma is None else self.gamma.astype(np.float64)
        beta = np.zeros(self.config.channels) if self.beta is None else self.beta.astype(np.float64)
        expand, wide = self.layout(x).expand, x.astype(np.float64)
        mean = self.layout(x).total(wide) / self.layout(x).m
        var = self.layout(x).total((wide - expand(mean)) ** 2) / self.layout(x).m * wrong
        y = (wide - expand(mean)) / np.sqrt(expand(var) + self.config.eps) * expand(gamma) + expand(beta)
        return out | {"y": self._cast(y, x.dtype)}


# -- size


@planted("size")
class ChannelTail(Layer):
    """dgamma of the channels past the last full vector of 8 stays 0."""

    def train(self, x, dy):
        out, count = super().train(x, dy), int(np.prod(self.config.channels))
        return self.spoil(out, "dgamma", slice(count - count % 8, None), np.zeros_like) if count > 8 else out


@planted("size")
class LastChannelOfSeventeen(Layer):
    """One channel past a multiple of 16: its y is not written."""

    def train(self, x, dy):
        out, count = super().train(x, dy), int(np.prod(self.config.channels))
        return self.spoil(out, "y", (slice(None), slice(-1, None)), np.zeros_like) if count % 16 == 1 < count else out


@planted("size")
class PlaneTail(Layer):
    """A plane of 4 k + 3 positions: the last value is left out of the sum of dy."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if dy is None or np.prod(x.shape[2:]) % 4 != 3:
            return out
        return self.spoil(out, "dbeta", slice(None), lambda v: v - self.columns(dy)[-1].astype(v.dtype))


@planted("size")
class BlockTail(Layer):
    """More than 256 values and no multiple of 256: the rest is left out of the variance."""

    def train(self, x, dy):
        out, m = super().train(x, dy), self.layout(x).m
        return self.with_variance(x, out, m // 256 * 256 / m) if m > 256 and m % 256 else out


@planted("size")
class WideBatchAtOneByOne(Layer):
    """dx loses the mean of dy where a batch of more than 768 has planes of 1x1."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if dy is None or x.shape[0] <= 768 or np.prod(x.shape[2:]) > 1:
            return out
        return self.spoil(out, "dx", slice(None), lambda v: v + v.std(axis=0, keepdims=True).astype(v.dtype))


@planted("size")
class CountOf16Bits(Layer):
    """m is kept in 16 bits: past 65,535 values the variance is divided by the rest."""

    def train(self, x, dy):
        out, m = super().train(x, dy), self.layout(x).m
        return self.with_variance(x, out, m / max(m & 0xFFFF, 1)) if m > 0xFFFF else out


@planted("size")
class ChannelsPast1024(Layer):
    """Channels past the 1,024th are copied as they are."""

    def train(self, x, dy):
        out = super().train(x, dy)
        rest = (slice(None), slice(1024, None))
        return self.spoil(out, "y", rest, lambda v: self.columns(x)[rest].astype(v.dtype))


@planted("size")
class PlanePast4096(Layer):
    """dbeta sums the first 4,096 values of a channel."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if dy is None or self.layout(x).m <= 4096:
            return out
        first = self.columns(dy)[:4096].astype(np.float64).sum(axis=0)
        return self.spoil(out, "dbeta", slice(None), lambda v: first.astype(v.dtype))


@planted("size")
class OddCount(Layer):
    """An odd m: dx is scaled by m/(m - 1)."""

    def train(self, x, dy):
        out, m = super().train(x, dy), self.layout(x).m
        return self.spoil(out, "dx", slice(None), lambda v: v * v.dtype.type(m / (m - 1))) if m % 2 and m > 1 else out


@planted("size")
class PairsUnbiased(Layer):
    """m = 2: the variance that normalizes has ddof 1."""

    def train(self, x, dy):
        out = super().train(x, dy)
        return self.with_variance(x, out, 2.0) if self.layout(x).m == 2 else out


@planted("size")
class LargeInHalf(Layer):
    """More than 32,768 values in all: y leaves in half precision."""

    def train(self, x, dy):
        out = super().train(x, dy)
        half = lambda v: v.astype(np.float16).astype(v.dtype)
        return self.spoil(out, "y", slice(None), half) if x.size > 32768 else out


@planted("size")
class OneSampleByState(Layer):
    """A batch of one sample is normalized by the running statistics."""

    def train(self, x, dy):
        if x.shape[0] == 1 and 0 not in self.config.channel_axes:
            y = super().infer(x, None)["y"]
            return super().train(x, dy) | {"y": y}
        return super().train(x, dy)


@planted("size")
class TileOf32(Layer):
    """A tile of 32 by 32 is skipped where both sides are no multiple of 32 and at least one is larger."""

    def train(self, x, dy):
        out, columns = super().train(x, dy), self.columns(x)
        rows, count = columns.shape
        if min(rows, count) < 33 or not (rows % 32 and count % 32):
            return out
        corner = (slice(rows - rows % 32, None), slice(count - count % 32, None))
        return self.spoil(out, "dx", corner, np.zeros_like)


# -- history


@planted("history")
class StaleRows(Layer):
    """A smaller batch after a larger one: the buffer of dx is not cleared, its last value is the old one."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if "dx" in out:
            before, self.kept = self.kept, self.columns(out["dx"]).copy()
            if before is not None and len(before) > len(self.kept):
                return self.spoil(out, "dx", slice(-1, None), lambda v: before[len(v) - 1 : len(v)])
        return out


@planted("history")
class StaleFold(Layer):
    """Scale and shift of inference are folded once, and not again after a training step."""

    def infer(self, x, dy):
        self.kept = self.running if self.kept is None else self.kept
        now, self.running = self.running, self.kept
        out = super().infer(x, dy)
        self.running = now
        return out


@planted("history")
class KeptByAddress(Layer):
    """Statistics are kept by the address of x: refilled in place, it meets the old ones."""

    def train(self, x, dy):
        key = x.__array_interface__["data"][0], x.shape
        out = super().train(x, dy)
        if self.kept and self.kept[0] == key:
            return out | {"batch_mean": self.kept[1]}
        self.kept = key, out["batch_mean"]
        return out


@planted("history")
class CountInHalf(Layer):
    """The count of a cumulative average is a half: it stops at 2,048."""

    limit = 2048

    def train(self, x, dy):
        before = self.running
        out = super().train(x, dy)
        self.calls += 1
        if self.config.decay is None and self.calls > self.limit:
            share = self.calls / self.limit
            step = lambda old, new: old + (new - old) * share
            self.running = type(before)(
                step(before.running_mean, self.running.running_mean),
                step(before.running_var, self.running.running_var),
                *list(vars(self.running).values())[2:],
            )
        return out


@planted("history")
class CountInByte(CountInHalf):
    """The count of a cumulative average is a byte."""

    limit = 255


@planted("history")
class FirstCallCompiledIn(Layer):
    """The mean of the first call has become a constant of the compiled step."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if self.kept is None:
            self.kept = out["batch_mean"]
        return out | {"batch_mean": self.kept}


@planted("history")
class ForwardOnlyTwice(Layer):
    """A training step without gradient moves the state twice."""

    def train(self, x, dy):
        if dy is None:
            super().train(x, None)
        return super().train(x, dy)


@planted("history")
class FrozenAfterTraining(Layer):
    """Frozen statistics right after a training step: the batch's are used."""

    def train(self, x, dy):
        self.kept = True
        return super().train(x, dy)

    def infer(self, x, dy):
        self.kept = None
        return super().infer(x, dy)

    def frozen(self, x, dy):
        if self.kept:
            before = self.running
            out = super().train(x, dy)
            self.running = before
            return {name: value for name, value in out.items() if not name.startswith("batch")}
        return self.infer(x, dy)


@planted("history")
class GradientAccumulates(Layer):
    """dgamma is added to that of the step before."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if "dgamma" in out:
            total = out["dgamma"] + (0 if self.kept is None else self.kept)
            self.kept, out = out["dgamma"], out | {"dgamma": total.astype(out["dgamma"].dtype)}
        return out


@planted("history")
class ThirdInferenceMoves(Layer):
    """Every third inference with a gradient moves the state."""

    def infer(self, x, dy):
        out = super().infer(x, dy)
        self.calls += dy is not None
        if dy is not None and self.calls % 3 == 0 and self.layout(x).m > 1:
            super().train(x, None)
        return out


@planted("history")
class OtherBatchSizeBefore(Layer):
    """m of the first call is kept: after another batch size dx is divided by the old one."""

    def train(self, x, dy):
        out, m = super().train(x, dy), self.layout(x).m
        self.kept = self.kept or m
        return self.spoil(out, "dx", slice(None), lambda v: v * v.dtype.type(m / self.kept)) if m != self.kept else out


# -- memory


@planted("memory")
class NegativeStrides(Layer):
    """Negative strides are taken for positive ones: x is read backwards."""

    def train(self, x, dy):
        backwards = min(x.strides, default=0) < 0
        out = super().train(x, dy)
        return out | {"y": np.flip(out["y"])} if backwards else out


@planted("memory")
class GradientOfStrideZero(Layer):
    """dy of stride 0 is one number, and is summed as one."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if dy is None or any(dy.strides):
            return out
        return self.spoil(out, "dbeta", slice(None), lambda v: v * 0 + dy.flat[0].astype(v.dtype))


@planted("memory")
class GradientInOrderOfX(Layer):
    """dy is read in x's memory order."""

    def train(self, x, dy):
        if dy is not None and np.argsort(x.strides).tolist() != np.argsort(dy.strides).tolist():
            dy = np.lib.stride_tricks.as_strided(np.ascontiguousarray(dy), dy.shape, np.empty_like(x).strides).copy()
        return super().train(x, dy)


@planted("memory")
class OutputInOrderOfInput(Layer):
    """y is written in x's memory order and read in C order, for rank 4 and more."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if x.ndim < 4 or x.flags.c_contiguous:
            return out
        order = np.argsort([-abs(stride) for stride in x.strides], kind="stable")
        return out | {"y": np.ascontiguousarray(out["y"].transpose(order)).reshape(x.shape)}


@planted("memory")
class AxisOfSizeOne(Layer):
    """An axis of size 1 makes x look channels-last."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if "dx" not in out or x.ndim < 4 or x.shape[-1] > 1 or x.strides[1] >= x.strides[2] or x.shape[1] == 1:
            return out
        return out | {"dx": np.moveaxis(out["dx"], 1, 2).reshape(x.shape)}


@planted("memory")
class Unaligned(Layer):
    """x that does not begin at a multiple of 8 bytes: the first value is skipped."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if x.__array_interface__["data"][0] % 8 == 0:
            return out
        return self.spoil(out, "batch_mean", slice(None), lambda v: (v * 1.01).astype(v.dtype))


@planted("memory")
class LastStrideIgnored(Layer):
    """The stride of the last axis is taken for the size of a number."""

    def train(self, x, dy):
        if x.strides[-1] != 2 * x.itemsize or x.shape[-1] == 1:
            return super().train(x, dy)
        near = np.lib.stride_tricks.as_strided(x, x.shape, (*x.strides[:-1], x.itemsize))
        return super().train(near.copy(), dy)


@planted("memory")
class BackwardOfSlice(Layer):
    """dx of a batch that is every second sample of another is written beside it."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if (
            "dx" not in out
            or x.ndim < 2
            or x.strides[0] != 2 * x[0].nbytes
            or x.shape[0] == 1
            or not x[0].flags.c_contiguous
        ):
            return out
        return out | {"dx": np.roll(out["dx"], 1, axis=0)}


# -- repetition


@planted("repetition")
class EverySixteenth(Layer):
    """Every 16th call of the process forgets beta."""

    def train(self, x, dy):
        out = super().train(x, dy)
        if next(CALLS) % 16 == 15 and self.beta is not None:
            out["y"] = (out["y"] - self.layout(x).expand(self.beta)).astype(x.dtype)
        return out


@planted("repetition")
class Race(Layer):
    """Now and then the last value of dgamma is added late."""

    rng = np.random.default_rng()

    def train(self, x, dy):
        out = super().train(x, dy)
        return self.spoil(out, "dgamma", slice(-1, None), lambda v: v * 0) if self.rng.random() < 0.1 else out


@planted("repetition")
class Memoized(Layer):
    """The same call again is answered from memory: the state does not move."""

    def train(self, x, dy):
        key = x.tobytes()
        before = self.running
        out = super().train(x, dy)
        if self.kept == key:
            self.running = before
        self.kept = key
        return out


@planted("repetition")
class FirstAnswerUnwritten(Layer):
    """The first answer of the process for more than 64 channels is an empty buffer."""

    seen = False

    def train(self, x, dy):
        out = super().train(x, dy)
        if Layer.layout(self, x).param_shape and np.prod(self.config.channels) > 64 and not FirstAnswerUnwritten.seen:
            FirstAnswerUnwritten.seen = True
            return self.spoil(out, "dbeta", slice(None), np.zeros_like)
        return out


@planted("repetition")
class SecondLayerShares(Layer):
    """A layer like the one before begins with the state that that one ended with."""

    last = (None, None)

    def __init__(self, config, *given):
        super().__init__(config, *given)
        self.key = config.shape, config.x_dtype, config.eps
        if SecondLayerShares.last[0] == self.key:
            self.running = SecondLayerShares.last[1]

    def train(self, x, dy):
        out = super().train(x, dy)
        SecondLayerShares.last = self.key, self.running
        return out


def look(name: str, seconds: float = 60.0, seed: int = 0) -> dict:
    """Search for one fault until it is found, `seconds` of one core at most, and shrink it: a row of the table."""
    from bnconform.conformance.search import edits
    from bnconform.conformance.search.hunt import Asker, Search
    from bnconform.conformance.search.shrink import shrink

    asker = Asker(f"search.planted:{name}")
    try:
        search, started = Search(asker, seed), _spent(asker)
        while not search.finds and _spent(asker) - started < seconds:
            search.step()
        row = {"fault": name, "kind": FAULTS[name][0], "seconds": _spent(asker) - started, "calls": search.calls}
        if search.finds:
            find, started = search.finds[0], _spent(asker)
            small = shrink(asker, search.conventions, find.draft, find.verdicts[0], 120.0)  # where other programs run
            row |= {
                "output": f"{find.verdicts[0].output.split('.')[-1]} ({find.verdicts[0].kind})",
                "shrunk in": _spent(asker) - started,
                "values": edits.count(small),
                "shape": small.tensors["0.x"].shape,
                "steps": len(small.case.steps),
                "memory": ", ".join(dict.fromkeys(step.memory for step in small.case.steps)),
            }
        return row
    finally:
        asker.close()


def _spent(asker) -> float:
    """Processor seconds of this process and the worker: what the wall clock of one idle core would show."""
    times = (process.cpu_times() for process in asker.worker.family.members)
    return time.process_time() + sum(each.user + each.system for each in times)


def table(rows) -> str:
    """The rows as Markdown."""
    head = (
        "kind",
        "fault",
        "says",
        "found in s",
        "calls",
        "output",
        "shrunk in s",
        "values",
        "shape",
        "steps",
        "memory",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        says = " ".join(FAULTS[row["fault"]][1].__doc__.split())
        cells = [row["kind"], row["fault"], says, f"{row['seconds']:.1f}", row["calls"]]
        cells += [f"{v:.1f}" if isinstance(v, float) else v for v in (row.get(key, "not found") for key in head[5:6])]
        cells += [f"{row['shrunk in']:.1f}" if "shrunk in" in row else ""] + [row.get(key, "") for key in head[7:]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    rows = []
    for name in sys.argv[1:] or FAULTS:
        rows.append(look(name))
        print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))
