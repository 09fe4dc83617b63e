"""The exact oracle: correctly rounded values of the definition, independent of the reference.

Nothing of the rest of the package is imported here, so that the two can be held against each other.
"""

from .evaluate import evaluate
from .exact import Exact, Proof
from .extras import fold, population

__all__ = ["Exact", "Proof", "evaluate", "fold", "population"]
