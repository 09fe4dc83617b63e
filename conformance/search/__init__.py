"""Wrong and worst results that no list of cases holds, and the smallest input that shows one.

`draw` makes random problems, `judging` decides them (by an enclosure, by the oracle where that does not do), `climb`
makes good problems worse, `hunt` is the search, `shrink` makes a problem small, `script` writes it down.
"""

from .draw import draw
from .judging import alarms, expect, screen, verdicts

__all__ = ["alarms", "draw", "expect", "screen", "verdicts"]
