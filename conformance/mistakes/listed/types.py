"""Wrong types and scales: what is lost below a limit, rounded at the wrong place, refused, or folded narrowly."""

import numpy as np

from ..extended import along
from ..point import Point as P
from ..point import When
from ..record import mutant as M
from ..whats import formula, narrow
from ..whens import INFERENCE, of_type

HALF_WEIGHT = When("only where the weight is half", lambda at: at.config.x_dtype in ("float16", "bfloat16"))
DEPTHWISE = When("only of a depthwise layer", lambda at: at.weight.ndim > 2 and at.weight.shape[1] == 1)
OTHER_RANKS = When("only of weights of rank 3 and 5", lambda at: at.weight.ndim in (3, 5))
WIDE_HALF = When(
    "only where x is float16 beside wider parameters",
    lambda at: at.config.x_dtype == "float16" != at.config.param_dtype,
)


def below(limit, words):
    return formula(words, lambda v, at: np.where(np.abs(v) < limit, 0, v))


def refuse_narrow(given, at):
    widths = {"float64": 3, "float32": 2, "float16": 1, "bfloat16": 1}
    if widths[at.config.param_dtype] < min(2, widths[at.config.x_dtype]):
        raise ValueError("parameters narrower than x are not supported")
    return given


def half_bessel(value, at):
    m = narrow(np.asarray(at.m_all, np.float64), "float16")
    return m / (m - at.layer.conventions.running_ddof)


def all_half(value, at):
    """y with each operation rounded to float16."""
    half = lambda v: narrow(v, "float16")
    root = half(1 / half(np.sqrt(half(half(at.var_used) + at.eps))))
    return half(half(half(half(at.x - half(at.mean_used)) * root) * half(at.gamma)) + half(at.beta))


def half_fold(value, at):
    """1/sqrt(variance + eps) with each operation rounded to the weight's type."""
    cut = lambda v: narrow(v, at.config.x_dtype)
    return cut(1 / cut(np.sqrt(cut(cut(at.under) + at.eps))))


def of_first_input(value, at):
    """The scale read along axis 1, of which a depthwise weight has one."""
    return at.weight * at.a[0]


def along_inputs(value, at):
    return along(at.weight, np.resize(at.a, value.shape[1]), 1, 1)


# fmt: off
M("subnormal-gradient-flushed", "OVERFLOW", "BN-8.2", "Subnormal dy is taken for 0.",
  P("dy", below(2.0**-126, "0 where it is subnormal")))
M("narrow-parameters-refused", "REFUSED", "BN-8.2", "Parameters narrower than x are refused.",
  P("loaded", formula("refused", refuse_narrow)))
M("bessel-of-half-count", "LOW_PRECISION_ARITHMETIC", "BN-3.3", "m/(m - 1) is computed from an m in float16 where x is float16; past 65,504 that is infinite.",
  P("bessel", formula("from m in float16", half_bessel), of_type("float16")), at_size=True)
M("inference-in-half", "LOW_PRECISION_ARITHMETIC", "BN-8.2", "Inference on float16 x beside float32 parameters computes in float16.",
  P("y", formula("each operation rounded to float16", all_half, "rounded", grain=2.0**-11), INFERENCE & WIDE_HALF))
M("half-fold-in-half", "FOLD_LOW_PRECISION", "BN-4.3", "The scale of a fold is computed in the weight's half type, eps included.",
  P("fold_root", formula("each operation rounded to the weight's type", half_fold), HALF_WEIGHT))
M("fold-depthwise-as-dense", "FOLD_WRONG_AXIS", "BN-4.3", "A depthwise weight is scaled along its axis of inputs, of which it has one.",
  P("fold_weight", formula("times the first scale", of_first_input), DEPTHWISE))
M("fold-knows-images-alone", "FOLD_WRONG_AXIS", "BN-4.3", "Weights of rank 3 and 5 are scaled along axis 1.",
  P("fold_weight", formula("along axis 1", along_inputs), OTHER_RANKS))
M("fold-small-variance-ruined", "FOLD_EPS", "BN-4.3", "A running variance below 1e-5 makes the folded scale 1.",
  P("fold_root", formula("1 below a variance of 1e-5", lambda v, at: np.where(at.under < 1e-5, 1, v))))
