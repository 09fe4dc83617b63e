"""Semantics of a black box, found by probes alone.

    findings = identify(backend)

Every finding is made from what the backend answers; what it declares is read afterwards, to compare.
"""

from .engine import identify
from .finding import Finding

__all__ = ["Finding", "identify"]
