"""Wrong eps: place, value, and where it is forgotten."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import LEFT_OUT, OUTSIDE_ROOT, SQUARED, clamped, constant, formula, scaled
from ..whens import EXPONENTIAL, INFERENCE

# fmt: off
M("eps-stored", "EPS_STORED", "BN-3.1", "running_var blends batch_var + eps, and inference adds eps again.",
  P("new_var", formula("plus eps", lambda v, at: v + at.config.eps, "shifted")))
M("eps-outside-root", "EPS_OUTSIDE_ROOT", "BN-2.3", "x - mean is divided by sqrt(var) + eps.",
  P("root", OUTSIDE_ROOT), P("running_root", OUTSIDE_ROOT), P("fold_root", OUTSIDE_ROOT))
M("eps-outside-root-inference", "EPS_OUTSIDE_ROOT", "BN-4.1", "Inference divides by sqrt(var) + eps; training is right.",
  P("root", OUTSIDE_ROOT, INFERENCE), P("fold_root", OUTSIDE_ROOT))
M("eps-clamped", "EPS_CLAMPED", "BN-2.3", "x - mean is divided by sqrt(max(var, eps)).",
  P("var_eps", formula("max(variance, eps)", lambda v, at: np.maximum(at.under, at.eps))))
M("std-clamped", "EPS_CLAMPED", "BN-2.3", "x - mean is divided by max(sqrt(var), eps).",
  P("root", formula("1/max(sqrt(variance), eps)", lambda v, at: 1 / np.maximum(np.sqrt(at.under), at.eps))))
M("eps-missing", "EPS_MISSING", "BN-2.3", "eps is taken and never used.",
  P("eps", LEFT_OUT))
M("eps-missing-inference", "EPS_MISSING", "BN-4.1", "Inference divides by sqrt(running_var) without eps; training is right.",
  P("eps", LEFT_OUT, INFERENCE))
M("eps-always1e5", "EPS_DIFFERS", "BN-2.4", "eps is 1e-5 whatever the layer was given.",
  P("eps", constant(1e-5)))
M("eps-always1e3", "EPS_DIFFERS", "BN-2.4", "eps is 1e-3 whatever the layer was given.",
  P("eps", constant(1e-3)))
M("eps-raised", "EPS_DIFFERS", "BN-2.4", "eps below 1e-5 is raised to 1e-5, the least that a library beneath takes.",
  P("eps", clamped(low=1e-5)))
M("eps-lowered", "EPS_DIFFERS", "BN-2.4", "eps above 1e-3 is lowered to 1e-3.",
  P("eps", clamped(high=1e-3)))
M("eps-added-twice", "EPS_DIFFERS", "BN-2.4", "eps is added to the variance and once more under the root.",
  P("eps", scaled(2.0)))
M("eps-squared", "EPS_DIFFERS", "BN-2.4", "eps is taken for a standard deviation: sqrt(var + eps^2).",
  P("eps", SQUARED))
M("eps-zero-replaced", "EPS_DIFFERS", "BN-2.4", "eps = 0 is taken for \"not given\" and becomes 1e-5.",
  P("eps", formula("1e-5 where it is 0", lambda v, at: v or 1e-5)))
M("eps-and-decay-swapped", "EPS_DIFFERS", "BN-2.4", "eps and decay are passed on in each other's place.",
  P("eps", formula("decay in its place", lambda v, at: at.config.decay), EXPONENTIAL), P("decay", formula("eps in its place", lambda v, at: at.config.eps), EXPONENTIAL))
M("gradient-eps-differs", "EPS_GRADIENT_DIFFERS", "BN-5.1", "The backward pass computes its own inverse deviation, with eps 1e-5.",
  P("root_grad", formula("with eps 1e-5", lambda v, at: 1 / np.sqrt(at.var_used + 1e-5))))
M("gradient-variance-term-without-eps", "EPS_GRADIENT_DIFFERS", "BN-5.1", "The term of dx that comes through the variance divides by var, without eps.",
  P("slope_dy", formula("divided by the variance without eps", lambda v, at: v * (at.var_used + at.eps) / at.var_used)))
