"""Wrong use of gamma and beta."""

import numpy as np

from ..point import Point as P
from ..record import mutant as M
from ..whats import ABSOLUTE, FIRST_CHANNEL, LEFT_OUT, NEGATED, NOT_MULTIPLIED, clamped, formula, shifted, times
from ..whens import HAS_BETA, HAS_GAMMA, INFERENCE, NO_BETA, NO_GAMMA

# fmt: off
M("gamma-ignored", "GAMMA_IGNORED", "BN-2.3", "gamma is taken for 1, in y and in dx.",
  P("gamma", NOT_MULTIPLIED))
M("gamma-fixed", "GAMMA_IGNORED", "BN-2.3", "gamma is fixed to 1 whatever it holds, and its gradient is zero.",
  P("gamma", NOT_MULTIPLIED), P("dgamma", LEFT_OUT))
M("inference-without-gamma", "GAMMA_IGNORED", "BN-4.1", "Inference leaves gamma out.",
  P("scaled", formula("without gamma", lambda v, at: at.x_hat), INFERENCE))
M("beta-ignored", "BETA_IGNORED", "BN-2.3", "beta is left out.",
  P("beta", LEFT_OUT))
M("gamma-beta-swapped", "GAMMA_BETA_SWAPPED", "BN-2.3", "gamma shifts and beta scales.",
  P("loaded", formula("gamma and beta exchanged", lambda v, at: (v[1], v[0], *v[2:]))))
M("gamma-plus-one", "GAMMA_PLUS_ONE", "BN-2.3", "The scale is 1 + gamma, the form whose gamma starts at zero.",
  P("gamma", shifted(1.0), HAS_GAMMA))
M("gamma-absolute", "GAMMA_ABSOLUTE", "BN-7.5", "The scale is the absolute value of gamma, made safe for a division.",
  P("gamma", ABSOLUTE))
M("gamma-clamped", "GAMMA_CLAMPED", "BN-7.5", "gamma below 1e-5 in size is raised to 1e-5.",
  P("gamma", formula("at least 1e-5 in size", lambda v, at: np.where(np.abs(v) < 1e-5, 1e-5, v), "clamped")))
M("gamma-not-negative", "GAMMA_CLAMPED", "BN-7.5", "Negative gamma is raised to zero.",
  P("gamma", clamped(low=0)))
M("gamma-limited", "GAMMA_CLAMPED", "BN-7.5", "gamma is limited to 1000 in size.",
  P("gamma", clamped(-1000, 1000)))
M("beta-scaled", "BETA_INSIDE", "BN-2.3", "y = gamma (x_hat + beta).",
  P("beta", times("gamma")))
M("beta-subtracted", "BETA_INSIDE", "BN-2.3", "y = gamma x_hat - beta.",
  P("beta", NEGATED))
M("gamma-of-first-channel", "PARAMETER_SHARED", "BN-1.5", "The first gamma scales all channels.",
  P("gamma", FIRST_CHANNEL, HAS_GAMMA))
M("beta-of-first-channel", "PARAMETER_SHARED", "BN-1.5", "The first beta shifts all channels.",
  P("beta", FIRST_CHANNEL, HAS_BETA))
M("affine-needs-both", "GAMMA_IGNORED", "BN-1.5", "gamma is used only where there is a beta as well.",
  P("gamma", NOT_MULTIPLIED, NO_BETA))
M("beta-needs-gamma", "BETA_IGNORED", "BN-1.5", "beta is used only where there is a gamma as well.",
  P("beta", LEFT_OUT, NO_GAMMA))
