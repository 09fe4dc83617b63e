"""`python -m bnconform.conformance.moving PART [NAME ...]`: measure again what the pages of this folder say.

pairs            every ordered pair of the installed frameworks proved: pairs.json, README.md
differences      every installed framework asked: differences.json, DIFFERENCES.md
"""

import sys
import tempfile

from . import exports, pages, pairs
from .layers import HOMES


def _installed(names):
    for name, home in HOMES.items():
        if home.missing():
            print(f"{name}: left out, {', '.join(home.missing())} is not installed")
    return names or [name for name, home in HOMES.items() if not home.missing()]


def _pairs(names):
    pairs.write(pairs.measure(_installed(names)))
    pages.write_pairs()


def _differences(names):
    for name in _installed(names):
        print(f"asking {name}", flush=True)
        pages.measure(name)


def _exports(names):
    with tempfile.TemporaryDirectory() as folder:
        pages.write_exports([exports.judge(name, folder) for name in exports.ASKED])


PARTS = {"pairs": _pairs, "differences": _differences, "exports": _exports}

if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PARTS:
        sys.exit(__doc__)
    PARTS[sys.argv[1]](sys.argv[2:])
