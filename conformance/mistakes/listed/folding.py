"""Wrong folding into the layer before [BN-4.3]."""

import numpy as np

from ..extended import along
from ..point import Point as P
from ..record import mutant as M
from ..whats import LEFT_OUT, NEGATED, NOT_MULTIPLIED, NOT_ROOTED, OUTSIDE_ROOT, formula

# fmt: off
M("fold-along-axis0", "FOLD_WRONG_AXIS", "BN-4.3", "The weight is scaled along axis 0, which are the inputs of a transposed layer.",
  P("fold_weight", formula("along axis 0", lambda v, at: at.weight * np.resize(at.a, len(v)).reshape(-1, *[1] * (v.ndim - 1)))))
M("fold-groups-alike", "FOLD_WRONG_AXIS", "BN-4.3", "All groups of a transposed layer are scaled as the first one is.",
  P("fold_weight", formula("all groups as the first", lambda v, at: along(at.weight, at.a[: v.shape[at.options["out_axis"]]], at.options["out_axis"], 1))))
M("fold-groups-interleaved", "FOLD_WRONG_AXIS", "BN-4.3", "Outputs of a transposed layer are dealt out to the groups in turn, not in runs.",
  P("fold_weight", formula("outputs dealt out to the groups in turn", lambda v, at: along(at.weight, at.a.reshape(-1, at.options["groups"]).T.ravel(), at.options["out_axis"], at.options["groups"]))))
M("fold-without-eps", "FOLD_EPS", "BN-4.3", "Folding leaves eps out.",
  P("fold_root", formula("without eps", lambda v, at: 1 / np.sqrt(at.under))))
M("fold-other-eps", "FOLD_EPS", "BN-4.3", "Folding uses eps = 1e-5, because eps is not part of the stored state.",
  P("fold_root", formula("with eps 1e-5", lambda v, at: 1 / np.sqrt(at.under + 1e-5))))
M("fold-eps-outside-root", "FOLD_EPS", "BN-4.3", "Folding adds eps to the standard deviation.",
  P("fold_root", OUTSIDE_ROOT))
M("fold-drops-bias", "FOLD_BIAS_DROPPED", "BN-4.3", "The bias of the layer before is lost.",
  P("fold_c", LEFT_OUT))
M("fold-bias-not-scaled", "FOLD_BIAS_DROPPED", "BN-4.3", "The bias of the layer before is added without the factor a.",
  P("fold_bias", formula("c without the factor a", lambda v, at: v - at.a * at.c + at.c)))
M("fold-drops-mean", "FOLD_MEAN_DROPPED", "BN-4.3", "The running mean does not enter the folded bias.",
  P("fold_mean", LEFT_OUT))
M("fold-adds-mean", "FOLD_MEAN_DROPPED", "BN-4.3", "The running mean enters the folded bias with the other sign.",
  P("fold_mean", NEGATED))
M("fold-drops-gamma", "FOLD_GAMMA_IGNORED", "BN-4.3", "gamma does not enter the folded weight and bias.",
  P("fold_gamma", NOT_MULTIPLIED))
M("fold-drops-beta", "FOLD_GAMMA_IGNORED", "BN-4.3", "beta does not enter the folded bias.",
  P("fold_beta", LEFT_OUT))
M("fold-variance-not-rooted", "ROOT_MISSING", "BN-4.3", "The weight is divided by var + eps, the root is forgotten.",
  P("fold_root", NOT_ROOTED))
