"""Wrong precision: cancellation, narrow types, approximations, types of results."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import (
    ONE_PASS,
    ONE_PASS_CLAMPED,
    clamped,
    fast_root,
    formula,
    narrow,
    retyped,
    rounded,
    running_sum,
)
from ..whens import ARITHMETIC_WIDER, INFERENCE, of_type

STATE = ("running_mean", "running_var", "batch_mean", "batch_var")


def folded(value, at):
    """a x + b with a and b rounded to x's own type."""
    a = at.gamma * at.root
    return narrow(a, "x", at) * at.x + narrow(at.beta - a * at.mean_used, "x", at)


FOLDED = formula("a x + b with a and b rounded to x's own type", folded, "rounded", grain=2.0**-8)


# fmt: off
M("one-pass-variance", "VARIANCE_CANCELLATION", "BN-2.2", "The variance is E[x^2] - E[x]^2, which cancels where the mean is large and may fall below zero.",
  P("variance", ONE_PASS))
M("one-pass-variance-clamped", "VARIANCE_CANCELLATION", "BN-2.2", "The variance is max(E[x^2] - E[x]^2, 0).",
  P("variance", ONE_PASS_CLAMPED))
M("sums-in-half", "LOW_PRECISION_ACCUMULATION", "BN-2.1", "Sums over float16 values are kept in float16.",
  P("sum", running_sum("float16", 1), of_type("float16")))
M("sums-in-bfloat16", "LOW_PRECISION_ACCUMULATION", "BN-2.1", "Partial sums of 16 values are kept in bfloat16 where x is bfloat16.",
  P("sum", running_sum("bfloat16", 16), of_type("bfloat16")))
M("squares-in-half", "LOW_PRECISION_ACCUMULATION", "BN-2.2", "Squared deviations of float16 values are held in float16, where they overflow or vanish.",
  P("squares", rounded("float16"), of_type("float16")))
M("count-in-half", "LOW_PRECISION_ACCUMULATION", "BN-1.2", "m is held in float16, which has no integer past 65,504 and not every one past 2,048.",
  P("m", rounded("float16")))
M("input-in-half", "LOW_PRECISION_INPUT", "BN-8.2", "x is rounded to float16 before anything is computed.",
  P("rows", rounded("float16")))
M("input-in-bfloat16", "LOW_PRECISION_INPUT", "BN-8.2", "x is rounded to bfloat16 before anything is computed, as a fast matrix unit does.",
  P("rows", rounded("bfloat16")))
M("gradient-in-half", "LOW_PRECISION_INPUT", "BN-8.2", "dy is rounded to float16 before the gradients are computed.",
  P("dy", rounded("float16")))
M("double-in-single", "LOW_PRECISION_ARITHMETIC", "BN-8.2", "float64 is computed in float32 and widened at the end.",
  P("arithmetic", formula("float32", lambda v, at: np.dtype("float32"), "computed in"), of_type("float64")))
M("inverse-std-in-half", "LOW_PRECISION_ARITHMETIC", "BN-2.3", "1/sqrt(var + eps) is rounded to float16.",
  P("root", rounded("float16")))
M("mean-in-input-type", "LOW_PRECISION_ARITHMETIC", "BN-2.1", "The batch mean is rounded to x's own type before it is subtracted.",
  P("mean", rounded("x")))
M("folded-form-in-input-type", "LOW_PRECISION_ARITHMETIC", "BN-4.2", "Inference computes a x + b with a and b rounded to x's own type.",
  P("y", FOLDED, INFERENCE & ARITHMETIC_WIDER))
M("state-in-half", "LOW_PRECISION_STATE", "BN-8.2", "The running values are kept in float16.",
  P("running_mean", rounded("float16")), P("running_var", rounded("float16")))
M("state-in-input-type", "LOW_PRECISION_STATE", "BN-8.2", "The running values are kept in x's own type, narrower than theirs.",
  P("running_mean", rounded("x")), P("running_var", rounded("x")))
M("output-through-half", "LOW_PRECISION_RESULT", "BN-8.2", "y passes through float16 on its way out.",
  P("y", rounded("float16")))
M("gradient-through-bfloat16", "LOW_PRECISION_RESULT", "BN-8.2", "dx passes through bfloat16 on its way out.",
  P("dx", rounded("bfloat16")))
M("parameters-in-input-type", "LOW_PRECISION_PARAMETERS", "BN-8.2", "gamma, beta and the state given are rounded to x's own type before use.",
  P("gamma", rounded("x")), P("beta", rounded("x")), P("initial_mean", rounded("x")), P("initial_var", rounded("x")))
M("fast-inverse-sqrt", "FAST_INVERSE_SQRT", "BN-2.3", "1/sqrt comes from the integer guess and one Newton step, right to 0.2 %.",
  P("root", fast_root(1)))
M("fast-inverse-sqrt-two", "FAST_INVERSE_SQRT", "BN-2.3", "1/sqrt comes from the integer guess and two Newton steps, right to 5e-6.",
  P("root", fast_root(2)))
M("normalized-clipped", "CLIPPED", "BN-2.3", "x_hat is clipped to [-5, 5].",
  P("x_hat", clamped(-5, 5)))
M("gradient-clipped", "CLIPPED", "BN-5.1", "dy is clipped to [-100, 100].",
  P("dy", clamped(-100, 100)))
M("output-promoted", "DTYPE_CHANGED", "BN-8.2", "y and dx of half-precision x come out in float32.",
  P("outputs", retyped("y and dx in float32", lambda name, at: "float32" if name in ("y", "dx", "y_dot", "d2x", "d2dy") else None), ARITHMETIC_WIDER))
M("state-given-in-input-type", "DTYPE_CHANGED", "BN-8.2", "The state is given out in x's type.",
  P("outputs", retyped("the state in x's type", lambda name, at: at.config.x_dtype if name in STATE else None)))
M("parameter-gradients-in-input-type", "DTYPE_CHANGED", "BN-8.2", "dgamma and dbeta are given out in x's type.",
  P("outputs", retyped("parameter gradients in x's type", lambda name, at: at.config.x_dtype if name in ("dgamma", "dbeta", "d2gamma") else None)))
M("promoted-to-double", "DTYPE_CHANGED", "BN-8.2", "A float64 constant makes every result float64.",
  P("outputs", retyped("float64", lambda name, at: "float64")))
