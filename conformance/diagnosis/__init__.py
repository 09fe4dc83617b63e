"""Diagnosis by hypothesis: which mistake, put into the definition, gives what was observed.

    explanations = explain("mine", failed_verdicts, observations, golden, conventions)

`rules` names what an implementation may do otherwise, `model` evaluates the definition under such rules, `hypotheses`
lists the mistakes, `fit` solves for continuous ones, `structure` knows those that show in where something fails, and
`search` picks the simplest that predicts everything that was observed.
"""

from .search import Explanation, explain

__all__ = ["Explanation", "explain"]
