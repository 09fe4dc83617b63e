"""The recorded runs of all claims, quick and full, and the README's table made of them.

`quick.json` and `full.json` hold what the code cannot tell: the settings of the run, and of each claim its verdict,
which checks passed, and its numbers. `python -m bnconform.conformance.claims.recorded [claims.json]` keeps a new run,
as `bnconform claims --all` wrote it, and prints the table.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

from ..rows import rows
from . import registry
from .record import Number, fill

SETTINGS = ("quick", "full")


def _path(setting: str) -> Path:
    return Path(__file__).with_name(f"{setting}.json")


def recorded(setting: str) -> dict[str, dict[str, Any]]:
    """The claims of the recorded setting by name: "settings", "verdict", "passed" (a bool a check), and "numbers" by
    key, without their labels."""
    claims = json.loads(_path(setting).read_text(encoding="utf-8"))["claims"]
    for claim in claims.values():
        claim["numbers"] = {key: _number(data) for key, data in claim["numbers"].items()}
    return claims


def _number(data):
    return Number("", **{key: math.nan if value is None else value for key, value in data.items()})


def record_run(run: dict[str, Any]) -> Path:
    """Record a run: `run` is what `claims.json` holds. Gives the file that was written."""
    claims = {
        claim["name"]: {
            "settings": claim["settings"],
            "verdict": claim["verdict"],
            "passed": [check["passed"] for check in claim["checks"]],
            "numbers": {key: {k: v for k, v in n.items() if k != "label"} for key, n in claim["numbers"].items()},
        }
        for claim in run["claims"]
    }
    path = _path("quick" if run["quick"] else "full")
    path.write_text(rows(run | {"claims": claims}, 4), encoding="utf-8")
    return path


def headline(name: str, record: dict[str, Any]) -> str:
    """What a recorded claim measured, in the claim's own words."""
    return fill(registry.load(name).headline, record["numbers"])


def table() -> str:
    """Verdicts of both settings and the full setting's numbers as a Markdown table."""
    quick, full = (recorded(setting) for setting in SETTINGS)
    lines = ["| claim | quick | full | measured in the full setting [95 % interval] |", "|---|---|---|---|"]
    for name, claim in full.items():
        lines.append(f"| `{name}` | {quick[name]['verdict']} | {claim['verdict']} | {headline(name, claim)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for written in sys.argv[1:]:
        print(f"wrote {record_run(json.loads(Path(written).read_text(encoding='utf-8')))}", file=sys.stderr)
    print(table(), end="")
