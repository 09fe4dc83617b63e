"""Wrong gradients of either mode, forward mode and second order."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import (
    LEFT_OUT,
    NEGATED,
    NO,
    NOT_MULTIPLIED,
    YES,
    constant,
    formula,
    gathered,
    root_of,
    scaled,
    times,
    x_hat_of,
)
from ..whens import INFERENCE, NO_GAMMA, TRAINING

# fmt: off
M("training-gradient-of-inference", "GRAD_FORMULA_OF_OTHER_MODE", "BN-5.1", "dx in training is gamma r dy, as if the statistics were constants.",
  P("moving_dy", NO, TRAINING))
M("inference-gradient-of-training", "GRAD_FORMULA_OF_OTHER_MODE", "BN-5.2", "dx in inference carries the terms that belong to batch statistics.",
  P("moving_dy", YES, INFERENCE))
M("mean-term-dropped", "GRAD_TERM_DROPPED", "BN-5.1", "dx lacks the term through the mean, as if the mean were detached.",
  P("mean_dy", LEFT_OUT), P("mean_x_dot", LEFT_OUT), P("mean_u_x", LEFT_OUT))
M("variance-term-dropped", "GRAD_TERM_DROPPED", "BN-5.1", "dx lacks the term through the variance, as if the variance were detached.",
  P("slope_dy", LEFT_OUT), P("slope_x_dot", LEFT_OUT), P("slope_u_x", LEFT_OUT))
M("gradient-without-gamma", "GRAD_TERM_DROPPED", "BN-5.1", "dx lacks the factor gamma.",
  P("gamma_grad", NOT_MULTIPLIED))
M("gradient-without-inverse-std", "GRAD_TERM_DROPPED", "BN-5.1", "dx lacks the factor 1/sqrt(var + eps).",
  P("factor", formula("without the inverse deviation", lambda v, at: at.gamma_grad)))
M("variance-term-added", "GRAD_SCALED", "BN-5.1", "The term through the variance enters dx with the other sign.",
  P("slope_dy", NEGATED))
M("variance-term-halved", "GRAD_SCALED", "BN-5.1", "The derivative of the square lacks its 2: half of the term through the variance.",
  P("slope_dy", scaled(0.5)))
M("variance-term-unbiased", "GRAD_SCALED", "BN-5.1", "The term through the variance is divided by m - 1, for a variance that is divided by m.",
  P("slope_dy", formula("times m/(m-1)", lambda v, at: v * np.where(at.m_grad > 1, at.m_grad / (at.m_grad - 1), 1), "times")))
M("sums-for-means", "GRAD_SCALED", "BN-5.1", "The means in dx are sums.",
  P("m_grad", constant(1.0)))
M("dgamma-of-raw-input", "GRAD_TERM_DROPPED", "BN-5.1", "dgamma sums dy x r, the mean is not taken off.",
  P("x_hat_dgamma", formula("x/sqrt(variance + eps), the mean not taken off", lambda v, at: at.x * at.root_grad)))
M("dgamma-without-inverse-std", "GRAD_TERM_DROPPED", "BN-5.1", "dgamma sums dy (x - mean), not divided by the deviation.",
  P("x_hat_dgamma", formula("x - mean, not divided", lambda v, at: at.x - at.mean_used)))
M("dgamma-times-gamma", "GRAD_SCALED", "BN-5.1", "dgamma carries a factor gamma.",
  P("dgamma", times("gamma")))
M("dgamma-averaged", "GRAD_SCALED", "BN-5.1", "dgamma is a mean over the batch where a sum is due.",
  P("dgamma", times("1/m")))
M("dbeta-averaged", "GRAD_SCALED", "BN-5.1", "dbeta is a mean over the batch where a sum is due.",
  P("dbeta", times("1/m")))
M("dbeta-times-gamma", "GRAD_SCALED", "BN-5.1", "dbeta carries a factor gamma.",
  P("dbeta", times("gamma")))
M("dgamma-zero", "GRAD_TERM_DROPPED", "BN-5.1", "dgamma is zero.",
  P("dgamma", LEFT_OUT))
M("dbeta-zero", "GRAD_TERM_DROPPED", "BN-5.1", "dbeta is zero.",
  P("dbeta", LEFT_OUT))
M("dgamma-dbeta-swapped", "GAMMA_BETA_SWAPPED", "BN-5.1", "dgamma and dbeta are given out in each other's place.",
  P("dgamma", formula("dbeta in its place", lambda v, at: at.sums[1], "swapped")), P("dbeta", formula("dgamma in its place", lambda v, at: at.sums[0], "swapped")))
M("gradients-accumulate", "GRAD_ACCUMULATED", "BN-5.1", "dgamma and dbeta are added to those of the steps before.",
  P("dgamma", gathered("dgamma")), P("dbeta", gathered("dbeta")))
M("inference-gradient-uses-batch", "GRAD_WRONG_STATS", "BN-5.2", "The backward pass of inference normalizes by the batch it sees.",
  P("root_grad", root_of("by the batch", True), INFERENCE), P("x_hat_grad", x_hat_of("by the batch", True), INFERENCE))
M("training-gradient-uses-running", "GRAD_WRONG_STATS", "BN-5.1", "The backward pass of training takes mean and deviation from the running values, already updated.",
  P("root_grad", root_of("by the running statistics", False), TRAINING), P("x_hat_grad", x_hat_of("by the running statistics", False), TRAINING))
M("normalized-from-output", "GRAD_FROM_OUTPUT", "BN-7.5", "The backward pass recovers x_hat as (y - beta)/gamma to save memory.",
  P("x_hat_grad", formula("(y - beta)/gamma", lambda v, at: (at.scaled + at.beta - at.beta) / at.gamma)))
M("dbeta-needs-gamma", "OUTPUT_MISSING", "BN-5.1", "Without gamma there is no gradient of beta either.",
  P("outputs", formula("dbeta missing", lambda v, at: {k: a for k, a in v.items() if k != "dbeta"}, "missing"), NO_GAMMA))
M("dgamma-not-reduced", "OUTPUT_SHAPE", "BN-1.5", "dgamma keeps an axis of length one.",
  P("outputs", formula("dgamma with an axis of length one", lambda v, at: {k: a[None] if k == "dgamma" else a for k, a in v.items()}, "shape")))
M("tangent-mean-dropped", "JVP_TERM_DROPPED", "BN-5.3", "The forward-mode derivative lacks the term through the mean.",
  P("mean_x_dot", LEFT_OUT))
M("tangent-variance-dropped", "JVP_TERM_DROPPED", "BN-5.3", "The forward-mode derivative lacks the term through the variance.",
  P("slope_x_dot", LEFT_OUT))
M("tangent-of-gamma-dropped", "JVP_TERM_DROPPED", "BN-5.3", "The forward-mode derivative leaves out the tangent of gamma.",
  P("gamma_dot", LEFT_OUT))
M("tangent-of-beta-dropped", "JVP_TERM_DROPPED", "BN-5.3", "The forward-mode derivative leaves out the tangent of beta.",
  P("beta_dot", LEFT_OUT))
M("inference-tangent-of-training", "GRAD_FORMULA_OF_OTHER_MODE", "BN-5.3", "The forward-mode derivative of inference carries the terms of training.",
  P("moving_x_dot", YES, INFERENCE))
M("curvature-dropped", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2x lacks all that comes from the statistics' dependence on x.",
  P("curvature", LEFT_OUT))
M("covariance-dropped", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2x lacks the term k x_hat.",
  P("k", LEFT_OUT))
M("covariance-not-centred", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "The number k in d2x lacks the product b c.",
  P("k", formula("without the product b c", lambda v, at: v + at.product)))
M("second-of-gamma-dropped", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2x leaves out what comes through dgamma.",
  P("d2x", formula("without what comes through dgamma", lambda v, at: v - at.root_grad * at.layer.project(at.w, "u_x"))))
M("second-gamma-zero", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "The second derivative with respect to gamma is zero.",
  P("d2gamma", LEFT_OUT))
M("second-output-of-gamma-dropped", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2dy leaves out u_gamma x_hat.",
  P("d2dy", formula("without u_gamma x_hat", lambda v, at: v - at.u_gamma * at.x_hat_grad)))
M("second-output-of-beta-dropped", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2dy leaves out u_beta.",
  P("d2dy", formula("without u_beta", lambda v, at: v - at.u_beta)))
M("second-output-not-projected", "SECOND_ORDER_TERM_DROPPED", "BN-5.4", "d2dy takes gamma r u_x without the terms through the statistics.",
  P("d2dy", formula("u_x without its terms through the statistics", lambda v, at: at.factor * at.u_x + at.u_gamma * at.x_hat_grad + at.u_beta)))
M("inference-second-of-training", "GRAD_FORMULA_OF_OTHER_MODE", "BN-5.4", "The second derivatives of inference are those of training.",
  P("moving_u_x", YES, INFERENCE))
