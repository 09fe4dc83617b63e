"""The transforms of the grammar: what is done to a quantity. `at` is where the layer stands (`point.Scope`)."""

import numpy as np

from bnconform.dtypes import dtype, unit_roundoff

from .point import What


def formula(words, act, name="formula", **more) -> What:
    """Another formula in the quantity's place: act(value, at) -> value."""
    return What(words, act, name, **more)


def constant(number, words=None) -> What:
    """One number, whatever it should be."""
    return What(words or f"always {number:g}", lambda v, at: _like(v, number), "constant", (number,))


def _like(value, number):
    return np.full_like(value, number) if isinstance(value, np.ndarray) else number


LEFT_OUT = What("left out", lambda v, at: _like(v, 0), "left out")
NOT_MULTIPLIED = What("left out", lambda v, at: _like(v, 1), "left out")
NEGATED = What("with the other sign", lambda v, at: -v, "negated")
ABSOLUTE = What("its absolute value", lambda v, at: np.abs(v), "absolute")
RELU = What("passed through max(·, 0)", lambda v, at: np.maximum(v, 0), "relu")
SQUARED = What("squared", lambda v, at: v * v, "squared")
ROOTED = What("its square root", lambda v, at: np.sqrt(v), "rooted")
INVERTED = What("its inverse", lambda v, at: 1 / v, "inverted")
COMPLEMENT = What("1 less it", lambda v, at: 1 - v, "complement")
REVERSED = What("channels in reversed order", lambda v, at: v[::-1], "reversed")
FIRST_CHANNEL = What("that of the first channel in all", lambda v, at: np.broadcast_to(v[:1], v.shape), "first channel")


def scaled(factor) -> What:
    """Times a constant."""
    return What(f"scaled by {factor:.6g}", lambda v, at: v * factor, "scaled", (factor,))


def shifted(number) -> What:
    """Plus a constant."""
    return What(f"plus {number:.6g}", lambda v, at: v + number, "shifted", (number,))


def clamped(low=-np.inf, high=np.inf) -> What:
    """Kept between two bounds."""
    words = (
        f"at most {high:g}"
        if np.isinf(low)
        else f"at least {low:g}"
        if np.isinf(high)
        else f"kept in {low:g} to {high:g}"
    )
    return What(words, lambda v, at: np.clip(v, low, high), "clamped", (low, high))


def size(at):
    """m of the step, as a column or a number; the values of a channel where no statistics were taken."""
    return at.x.shape[1] if at.m is None else at.m


def batch(at):
    """N of the step."""
    return at.arrays["x"].shape[0]


def shards(at):
    return len(at.options.get("sizes", (1,)))


FACTORS = {
    "m/(m-1)": lambda at: size(at) / (size(at) - 1.0),
    "(m-1)/m": lambda at: (size(at) - 1.0) / size(at),
    "m": lambda at: size(at),
    "1/m": lambda at: 1.0 / size(at),
    "N": lambda at: batch(at),
    "1/N": lambda at: 1.0 / max(batch(at), 1),
    "m/N": lambda at: size(at) / batch(at),
    "N/m": lambda at: batch(at) / size(at),
    "N/(N-1)": lambda at: batch(at) / max(batch(at) - 1, 1),
    "gamma": lambda at: at.gamma,
    "gamma²": lambda at: at.gamma**2,
    "1/gamma": lambda at: 1 / at.gamma,
    "1/sqrt(variance + eps)": lambda at: at.root,
    "sqrt(variance + eps)": lambda at: 1 / at.root,
    "variance + eps": lambda at: at.root**-2.0,
    "the number of shards": shards,
    "decay": lambda at: at.config.decay,
    "1 - decay": lambda at: 1 - at.config.decay,
    "1/(1 - decay)": lambda at: 1 / (1 - at.config.decay),
}
"""Factors that a quantity may carry by mistake."""


def times(words) -> What:
    """Times one of `FACTORS`."""
    return What(f"times {words}", lambda v, at: v * FACTORS[words](at), "times", (words,))


def cut(values, bits):
    """Rounded to so many significant bits, the type's range left alone.

    >>> float(cut(np.float64(1.2345), 4))
    1.25
    """
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def bits(count) -> What:
    """Rounded to `count` significant bits."""
    act = lambda v, at: cut(v, count).astype(v.dtype)
    return What(f"rounded to {count} bits", act, "bits", (count,), 2.0**-count)


def rounded(kind) -> What:
    """Rounded to a type, or to "x", x's own type, and widened again."""
    words = "x's own type" if kind == "x" else kind
    grain = 2.0**-8 if kind == "x" else unit_roundoff(kind)
    return What(f"rounded to {words}", lambda v, at: narrow(v, kind, at), "rounded", (kind,), grain)


def narrow(values, kind, at=None):
    """The values rounded to a type, in their own type again."""
    kind = at.config.x_dtype if kind == "x" else kind
    values = np.asarray(values)
    return values.astype(dtype(kind)).astype(values.dtype)


def raising(words) -> What:
    """The step raises."""

    def act(value, at):
        raise ValueError(words)

    return What("raises", act, "raises")


def earlier(at, key, value, absent):
    """What `value` was in the step before, `absent` in the first; and it is remembered for the next."""
    seen = at.memory.setdefault(key, {})
    past = [number for number in seen if number < at.number]
    seen[at.number] = value
    return seen[max(past)] if past else absent


def gathered(key) -> What:
    """Added to those of the steps before."""

    def act(value, at):
        seen = at.memory.setdefault(key, {})
        seen[at.number] = value
        return sum(seen.values())

    return What("added to those of the steps before", act, "gathered")


DELAYED = What("that of the step before", lambda v, at: earlier(at, "delayed", v, v), "delayed")


def other_statistics(at, from_batch):
    """(mean, variance) of the other mode: of the batch, or the running ones, already updated."""
    return at.batch() if from_batch else (at.layer.running["mean"], at.layer.running["var"])


def root_of(words, from_batch) -> What:
    """1/sqrt(variance + eps) of the other mode's statistics."""
    act = lambda v, at: 1 / np.sqrt(other_statistics(at, from_batch)[1] + at.eps)
    return What(words, act, "other mode")


def x_hat_of(words, from_batch) -> What:
    """x_hat by the other mode's statistics."""

    def act(value, at):
        mean, var = other_statistics(at, from_batch)
        return (at.x - mean) / np.sqrt(var + at.eps)

    return What(words, act, "other mode")


RUNNING_MEAN = formula("the running mean in its place", lambda v, at: at.before["mean"], "other mode")
RUNNING_VAR = formula("the running variance in its place", lambda v, at: at.before["var"], "other mode")
BLENDED_MEAN = formula(
    "the running mean, already updated, in its place", lambda v, at: at.layer.running["mean"], "updated"
)
BLENDED_VAR = formula(
    "the running variance, already updated, in its place", lambda v, at: at.layer.running["var"], "updated"
)
BATCH_MEAN = formula("that of the batch in its place", lambda v, at: at.batch()[0], "other mode")
BATCH_VAR = formula("that of the batch in its place", lambda v, at: at.batch()[1], "other mode")


def raw_moments(at):
    """(E[x²], E[x]) of the rows whose moments are taken."""
    total = lambda rows: at.layer.total(rows, at.keep, "variance") / at.m
    return total(at.row * at.row), at.mean


ONE_PASS = formula("E[x²] - E[x]²", lambda v, at: raw_moments(at)[0] - at.mean * at.mean, "one pass")
ONE_PASS_CLAMPED = formula(
    "max(E[x²] - E[x]², 0)", lambda v, at: np.maximum(raw_moments(at)[0] - at.mean**2, 0), "one pass"
)


def fast_root(rounds) -> What:
    """The integer guess of 1/sqrt in float32, and some Newton steps."""

    def act(value, at):
        number = np.asarray(at.var_eps, np.float32)
        guess = (np.int32(0x5F3759DF) - (number.view(np.int32) >> 1)).view(np.float32)
        for _ in range(rounds):
            guess = guess * (np.float32(1.5) - np.float32(0.5) * number * guess * guess)
        return guess.astype(value.dtype)

    return What(f"the integer guess and {rounds} Newton steps", act, "fast root", (rounds,))


def in_memory_order(array):
    """The elements from the array's first one on, as they lie in memory; the array itself where there are not enough."""
    flat = np.lib.stride_tricks.as_strided(array, (array.size,), (array.itemsize,))
    low, high = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    enough = high - low >= array.nbytes and all(stride >= 0 for stride in array.strides)
    return flat.reshape(array.shape) if enough else array


def from_buffer(array):
    """As many elements from the start of the buffer that the array lies in."""
    base = array.base
    if base is not None and array.flags.c_contiguous and base.flags.c_contiguous and base.dtype == array.dtype:
        return base.ravel()[: array.size].reshape(array.shape)
    return array


def reread(words, other) -> What:
    """The array read otherwise: other(array) in its place."""
    return What(words, lambda v, at: at.layer.read_rows(other(at.array), v.dtype), "other layout")


RESHAPED = formula(
    "cut into channels by reshaping",
    lambda v, at: np.ascontiguousarray(at.array).reshape(v.shape).astype(v.dtype),
    "other layout",
)
NOT_MOVED_BACK = formula("in the order of the inner matrix", lambda v, at: at.values.reshape(v.shape), "other layout")


def pooled(value, at):
    """One mean and variance for all channels."""
    values = at.row.reshape(-1) if at.keep is None else at.row[at.keep]
    mean = values.mean()
    return tuple(np.full_like(at.mean, number) for number in (mean, ((values - mean) ** 2).mean()))


def local(words, over) -> What:
    """Statistics that vary within a channel: over(rank, channel axes) gives the axes that are reduced."""

    def act(value, at):
        x = at.arrays["x"]
        axes, wide = over(x.ndim, at.config.channel_axes), x.astype(at.layer.type)
        mean = wide.mean(axes, keepdims=True)
        var = ((wide - mean) ** 2).mean(axes, keepdims=True)
        return tuple(at.layer.read_rows(np.broadcast_to(values, x.shape)) for values in (mean, var))

    return What(words, act, "other axes")


def of_channels(words, pick) -> What:
    """Statistics of other channels: pick(values, index column) -> values."""

    def act(value, at):
        index = np.arange(len(value[0])).reshape(-1, 1)
        return tuple(pick(values, index) for values in value)

    return What(words, act, "channels")


def over_terms(words, kept) -> What:
    """A sum over some of its terms: kept(terms) -> terms."""
    return What(words, lambda v, at: kept(at.terms).sum(axis=1, keepdims=True), "terms")


def running_sum(kind, block) -> What:
    """A sum whose parts of `block` terms are gathered in a narrow type."""

    def act(value, at):
        terms, sums = np.asarray(at.terms), np.zeros_like(value)
        if block == 1:
            return np.cumsum(terms.astype(dtype(kind)), axis=1, dtype=dtype(kind))[:, -1:] if terms.shape[1] else value
        for start in range(0, terms.shape[1], block):
            sums = narrow(sums + terms[:, start : start + block].sum(axis=1, keepdims=True), kind)
        return sums

    words = f"kept in {kind}" if block == 1 else f"kept in {kind} after every {block} terms"
    return What(words, act, "sum in", (kind, block), unit_roundoff(kind))


def with_state(words, change) -> What:
    """The state is given out otherwise: change(mean, var, at) -> (mean, var)."""

    def act(value, at):
        return dict(zip(("mean", "var"), change(value["mean"], value["var"], at)))

    return What(words, act, "given state")


def retyped(words, kinds) -> What:
    """Outputs in another type: kinds(name, at) -> a type's name or None."""

    def act(value, at):
        found = {name: kinds(name, at) for name in value}
        return {name: a.astype(dtype(found[name])) if found[name] else a for name, a in value.items()}

    return What(words, act, "type")


def first_shard(at):
    """(mean, variance, m) of the first shard."""
    rows = at.layer.read_rows(at.arrays["x"][: at.options["sizes"][0]])
    mean = rows.mean(axis=1, keepdims=True)
    return mean, ((rows - mean) ** 2).mean(axis=1, keepdims=True), rows.shape[1]


def writing(words, act) -> What:
    """Memory of others is written to: act(at) at the end of a call."""
    return What(words, lambda v, at: act(at), "writes")


OUTSIDE_ROOT = formula("1/(sqrt(variance) + eps)", lambda v, at: 1 / (np.sqrt(at.under) + at.eps), "outside root")
NOT_ROOTED = formula("without the root", lambda v, at: 1 / at.var_eps, "not rooted")
TRAINS = formula("training", lambda v, at: "train", "other mode")
NONE = constant(0, "none")
ONCE = constant(1, "once")
TWICE = constant(2, "twice")
YES = constant(True, "it does")
NO = constant(False, "it does not")
SKIPPED = constant(False, "skipped")


def rolled(by) -> What:
    """Each channel has that of the one `by` places before it."""
    return What(f"that of the channel {by} before", lambda v, at: np.roll(v, by, axis=0), "rolled", (by,))


def overflowing(kind) -> What:
    """Infinite where the type cannot hold it."""
    limit = float(np.finfo(kind).max) if kind != "bfloat16" else 3.39e38
    act = lambda v, at: np.where(np.abs(v) > limit, np.copysign(np.inf, v), v)
    return What(f"overflows in {kind}", act, "overflow", (kind,))


def flushed(limit) -> What:
    """Zero where it is smaller than that."""
    return What(f"0 below {limit:g}", lambda v, at: np.where(np.abs(v) < limit, 0, v), "flushed", (limit,))
