"""Layers as tutorials write them: two mistakes at once, each a mutant of its own elsewhere."""

from ..point import Point as P
from ..record import mutant as M
from ..whats import COMPLEMENT, OUTSIDE_ROOT, constant, formula, local
from ..whens import EXPONENTIAL

# fmt: off
M("four-lines", "EPS_OUTSIDE_ROOT + WRONG_AXIS", "BN-2.3", "Four lines of a tutorial: mean and variance of the last axis, and eps beside the standard deviation.",
  P("moments", local("over the last axis alone", lambda rank, axes: (-1,))), P("root", OUTSIDE_ROOT), P("running_root", OUTSIDE_ROOT), P("fold_root", OUTSIDE_ROOT))
M("from-scratch", "MODE_BY_GRADIENT + RUNNING_VAR_DDOF", "BN-4.4", "A course's layer from scratch: training is when gradients are on, and running_var has ddof 0.",
  P("mode", formula("training where gradients are asked for, else inference", lambda v, at: v if v == "renorm" else "train" if "dy" in at.arrays else "infer")), P("bessel", constant(1.0, "left out")))
M("other-librarys-conventions", "DECAY_COMPLEMENT + RUNNING_VAR_DDOF", "BN-3.1", "Another library's layer behind this one's name: decay means its complement and running_var has ddof 0.",
  P("decay", COMPLEMENT, EXPONENTIAL), P("bessel", constant(1.0, "left out")))
