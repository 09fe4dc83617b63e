"""The fast path: exact moments, the double-double bound, and the same bits as exact arithmetic on inputs made to break
it."""

from fractions import Fraction

import numpy as np
import pytest
from oracle_checks import DTYPES

from bnconform import oracle
from bnconform.conformance.bench.oracle import measure
from bnconform.oracle import doubled, exact, moments

NAMES = list(DTYPES)
OUTPUTS = ("y", "dx", "y_dot", "d2x", "d2dy")


def wide(rng, shape, low, high, dtype):
    """Values of random sign with exponents spread evenly over [low, high)."""
    values = np.ldexp(rng.uniform(0.5, 1, shape) * rng.choice([-1.0, 1.0], shape), rng.integers(low, high, shape))
    return values.astype(dtype)


def near_mean(rng, shape, mean, dtype):
    return (mean + rng.standard_normal(shape)).astype(dtype)


PROBLEMS = {
    "normal": lambda rng, shape, dtype: rng.standard_normal(shape).astype(dtype),
    "mean 1e7": lambda rng, shape, dtype: near_mean(rng, shape, 1e7 if dtype.itemsize > 2 else 1e3, dtype),
    "wide": lambda rng, shape, dtype: wide(rng, shape, -12, 14, dtype),
    "wider": lambda rng, shape, dtype: wide(rng, shape, *((-1060, 1020) if dtype == np.float64 else (-24, 15)), dtype),
    "tiny": lambda rng, shape, dtype: wide(rng, shape, *((-1074, -1060) if dtype == np.float64 else (-24, -20)), dtype),
    "huge": lambda rng, shape, dtype: wide(rng, shape, *((1015, 1024) if dtype == np.float64 else (10, 15)), dtype),
    "subnormal float32": lambda rng, shape, dtype: wide(rng, shape, -148, -120, dtype),
    "lattice": lambda rng, shape, dtype: rng.integers(-4, 5, shape).astype(dtype),
    "constant": lambda rng, shape, dtype: np.full(shape, 0.1).astype(dtype),
    "outlier": lambda rng, shape, dtype: np.where(
        np.arange(shape[0])[:, None] == 1, 3e4, rng.standard_normal(shape)
    ).astype(dtype),
    "zeros": lambda rng, shape, dtype: np.zeros(shape, dtype),
}  # fmt: skip


def evaluate(problem, dtype, mode="train", masked=False, eps=1e-5):
    rng = np.random.default_rng(list(problem.encode()))
    shape = (24, 3)
    step = {name: PROBLEMS[problem](rng, shape, dtype) for name in ("x", "dy", "x_dot", "u_x")} | {"mode": mode}
    if masked:
        step["mask"] = rng.random(shape) < 0.7
    if mode == "renorm":
        step["renorm"] = {"r_max": 3.0, "d_max": 0.5}
    parameters = {name: rng.standard_normal(3).astype(dtype) for name in ("gamma", "beta", "running_mean")}
    parameters["running_var"] = rng.random(3).astype(dtype) + dtype.type(1)
    (out,) = oracle.evaluate([step], **parameters, eps=eps, decay=0.9, running_ddof=0, channel_axes=(1,))
    return out


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=NAMES)
@pytest.mark.parametrize(
    "mode, masked, eps",
    [("train", False, 1e-5), ("train", True, 2.0**-1074), ("infer", False, 0.25), ("renorm", False, 1e-3)],
)
def test_fast_path_gives_the_bits_of_exact_arithmetic(problem, dtype, mode, masked, eps):
    out = evaluate(problem, dtype, mode, masked, eps)
    for name in OUTPUTS:
        for target in NAMES:
            fast = out[name].round(target)
            for index in list(np.ndindex(fast.shape))[::5]:
                value, _ = out[name].value(*index).round(oracle.formats.format_of(target))
                if value == 0 == fast[index] and mode == "infer":  # the sign of a product's zero is tested elsewhere
                    continue
                assert np.float64(value).tobytes() == np.float64(fast[index]).tobytes(), (name, target, index)


@pytest.mark.parametrize("problem", ["normal", "mean 1e7", "wide", "huge", "tiny", "outlier"])
@pytest.mark.parametrize("mode", ["train", "infer"])
def test_fast_path_decides_nearly_everything(problem, mode):
    """The exact path answers what lies on a boundary, not what the fast one has no digits for."""
    out = evaluate(problem, np.dtype(np.float64), mode)
    for name in ("y", "dx"):
        target = "float64" if problem not in ("huge", "tiny") or name == "y" else "float32"
        out[name].round(target)
        proof = out[name].proof
        assert proof.elements == proof.fast + proof.exact == 72
        assert proof.exact <= 2


def test_proof_counts_exact_ties_and_digits():
    x = np.array([[2.0**-200], [3.0], [1.0 + 2.0**-24]])
    (out,) = oracle.evaluate(
        [{"mode": "infer", "x": x}],
        gamma=None, beta=np.ones(1), running_mean=np.zeros(1), running_var=np.ones(1),
        eps=0.0, decay=0.9, running_ddof=0, channel_axes=(1,),
    )  # fmt: skip
    y = out["y"]
    assert y.proof is None
    assert y.round("float32").ravel().tolist() == [1.0, 4.0, 2.0]
    assert y.proof == oracle.Proof(elements=3, fast=3, exact=0, digits=0)
    y.round("float64")
    assert y.proof.exact == 0
    (out,) = oracle.evaluate(
        [{"mode": "infer", "x": np.array([[2.0**-30]])}],
        gamma=None, beta=np.array([1.0 + 2.0**-24]), running_mean=np.array([2.0**-30]), running_var=np.array([2.0]),
        eps=0.0, decay=0.9, running_ddof=0, channel_axes=(1,),
    )  # fmt: skip
    assert out["y"].round("float32").item() == 1.0
    assert out["y"].proof == oracle.Proof(elements=1, fast=0, exact=1, digits=0)


def test_proof_counts_the_digits_of_a_root_that_needs_more():
    """1 + 2^-24 + 2^-150 / sqrt(2) lies just above a tie of float32, 45 digits down."""
    (out,) = oracle.evaluate(
        [{"mode": "infer", "x": np.array([[2.0**-150]])}],
        gamma=None, beta=np.array([1.0 + 2.0**-24]), running_mean=np.zeros(1), running_var=np.array([2.0]),
        eps=0.0, decay=0.9, running_ddof=0, channel_axes=(1,),
    )  # fmt: skip
    assert out["y"].round("float32").item() == np.float32(1 + 2.0**-23)
    assert out["y"].proof.exact == 1 and out["y"].proof.digits > 0


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("shape", [(3, 50), (40, 3), (2, 20_000), (3, 0)])
def test_moments_are_exact(problem, shape):
    rng = np.random.default_rng(9)
    rows = {name: PROBLEMS[problem](rng, shape, np.dtype(np.float64)) for name in "ab"}
    mask = rng.random(shape) < 0.5
    table = moments.Moments(rows, [mask, ~mask])
    exact_rows = {name: [[Fraction(v) for v in row] for row in values.tolist()] for name, values in rows.items()}
    exact_rows["1"] = [[Fraction(1)] * shape[1]] * shape[0]
    for c in range(min(shape[0], 3)):
        for a, b in ["ab", "aa", "b1", "11"] if shape[1] < 1000 else ["ab"]:
            for region, weight in enumerate([mask[c], ~mask[c]]):
                pairs = zip(exact_rows[a][c], exact_rows[b][c], weight, strict=True)
                assert table.sum(c, region, a, b) == sum(p * q for p, q, here in pairs if here)


def test_double_double_error_stays_below_its_bound_and_the_bound_is_not_idle():
    """Measured against fractions: 2^-99 S is never exceeded, and errors come within a factor 2^9 of it."""
    rng, worst = np.random.default_rng(10), 0.0
    for _ in range(400):
        names = ["a", "b", "c", "d"]
        coefficients = {
            name: Fraction(int(rng.integers(-(2**62), 2**62)), int(rng.integers(1, 2**62)) << 62) for name in names
        }
        values = {name: rng.uniform(-1, 1, (1, 8)) * 2.0 ** rng.integers(-60, 1) for name in names}
        pairs = {name: doubled._pair(q) for name, q in coefficients.items()}
        terms = [(np.array([[pairs[n][0]]]), np.array([[pairs[n][1]]]), values[n]) for n in names]
        constant = -sum(coefficients[n] * Fraction(values[n][0, 0]) for n in names)  # cancels at position 0
        high, low = doubled._pair(constant)
        high, low, size = doubled.evaluate_form((np.array([[high]]), np.array([[low]])), terms)
        for i in range(8):
            true = constant + sum(coefficients[n] * Fraction(values[n][0, i]) for n in names)
            error = abs(Fraction(high[0, i]) + Fraction(low[0, i]) - true)
            worst = max(worst, float(error / (Fraction(size[0, i]) / 2**99)))
    assert 2.0**-9 < worst <= 1


def decided(high, low, size, name):
    values = (np.array([[v]]) for v in (high, low, size))
    return doubled.decide(*values, np.zeros((1, 1), np.int64), oracle.formats.FORMATS[name])[1].item()


@pytest.mark.parametrize("size", [1.0, 1e6])
@pytest.mark.parametrize("sign", [1, -1])
def test_decide_believes_nothing_within_its_bound_of_a_float64_boundary(size, sign):
    tie = 2.0**-53
    assert not decided(1.0, tie + sign * size * 2.0**-100, size, "float64")
    assert decided(1.0, tie + sign * size * 2.0**-96, size, "float64")


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("sign", [1, -1])
def test_decide_leaves_a_boundary_of_a_narrow_format_to_exact_arithmetic(name, sign):
    tie = 1 + 2.0 ** -oracle.formats.FORMATS[name].p
    assert not decided(tie, 0.0, 1.0, name)
    assert not decided(tie, sign * 2.0**-54, 1.0, name)
    assert decided(tie + sign * 2.0**-49, 0.0, 1.0, name)


@pytest.mark.parametrize("name", NAMES)
def test_decide_leaves_zero_and_its_sign_to_exact_arithmetic(name):
    assert not decided(0.0, 0.0, 0.0, name)
    assert not decided(0.0, 0.0, 1.0, name)
    assert not decided(2.0**-110, 0.0, 1.0, name)


def test_decide_leaves_subnormal_float64_to_exact_arithmetic():
    values = (np.array([[v]]) for v in (1.0 + 2.0**-40, 0.0, 1.0))
    assert not doubled.decide(*values, np.full((1, 1), -1030), oracle.formats.FORMATS["float64"])[1].item()


def test_exact_rows_agree_with_their_elements_at_every_index():
    rng = np.random.default_rng(11)
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    (out,) = oracle.evaluate(
        [{"mode": "train", "x": x}],
        gamma=None, beta=None, running_mean=None, running_var=None,
        eps=1e-5, decay=None, running_ddof=0, channel_axes=(2, 0),
    )  # fmt: skip
    y = out["y"].round("float32")
    for index in np.ndindex(x.shape):
        assert out["y"].value(*index).round(oracle.formats.FORMATS["float32"])[0] == y[index]


def test_equal_inputs_are_decided_once(monkeypatch):
    """A channel of zeros with beta 0 gives as many exact zeros; one of them is worked out."""
    calls = []
    original = exact.ExactRows._value
    monkeypatch.setattr(exact.ExactRows, "_value", lambda self, c, i: calls.append(i) or original(self, c, i))
    x = np.zeros((1000, 1), np.float32)
    (out,) = oracle.evaluate(
        [{"mode": "train", "x": x}],
        gamma=None, beta=None, running_mean=None, running_var=None,
        eps=1e-5, decay=None, running_ddof=0, channel_axes=(1,),
    )  # fmt: skip
    assert not out["y"].round("float32").any()
    assert len(calls) == 1 and out["y"].proof.exact == 1000


def test_benchmark_measures_every_output():
    seconds, proofs = measure((8, 4, 5), "float32")
    assert seconds > 0
    assert set(proofs) == {"y", "dx", "dgamma", "dbeta", "batch_mean", "batch_var", "running_mean", "running_var"}
    assert proofs["y"].elements == 160
