"""`python -m bnconform.conformance.moving PART [NAME ...]`: measure again what the pages of this folder say.

pairs            every ordered pair of the installed frameworks proved: pairs.json, README.md
differences      every installed framework asked: differences.json, DIFFERENCES.md
"""

import json
import sys

from . import pages, pairs
from .layers import HOMES


def _installed(names):
    for name, home in HOMES.items():
        if home.missing():
            print(f"{name}: left out, {', '.join(home.missing())} is not installed")
    return names or [name for name, home in HOMES.items() if not home.missing()]


def _pairs(names):
    pairs.PAIRS.write_text(json.dumps(pairs.measure(_installed(names)), indent=1) + "\n")
    pages.write_pairs()


PARTS = {"pairs": _pairs, "differences": lambda names: pages.write_differences(_installed(names))}

if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PARTS:
        sys.exit(__doc__)
    PARTS[sys.argv[1]](sys.argv[2:])
