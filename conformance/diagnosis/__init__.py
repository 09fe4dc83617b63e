"""What is wrong, where it enters, and when it happens.

    explanations = explain("mine", failed_verdicts, observations, golden, conventions, ask)

`episode` holds what was observed, step by step, against the right layer of `mistakes`; `candidates` and `solve` say what may be
wrong, `attributes` and `conditions` when, `search` puts them together, `fresh` draws the problems that a name must also
predict, `bounds` and `structure` know what shows in no value.
"""

from .diagnose import explain
from .explanation import Explanation

__all__ = ["Explanation", "explain"]
