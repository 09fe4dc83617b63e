"""The recorded runs of all claims, quick and full, and the README's table made of them.

``bnconform claims --all --quick`` wrote ``quick.json``, ``bnconform claims --all`` wrote ``full.json``. After a new run
replaces them, ``python -m bnconform.conformance.claims.recorded`` prints the table.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SETTINGS = ("quick", "full")


def recorded(setting: str) -> dict[str, dict[str, Any]]:
    """The claims of the recorded ``setting`` ("quick" or "full") by name, as :meth:`.record.Result.as_dict` gives
    them."""
    run = json.loads(Path(__file__).with_name(f"{setting}.json").read_text(encoding="utf-8"))
    return {claim["name"]: claim for claim in run["claims"]}


def table() -> str:
    """Verdicts of both settings and the full setting's numbers as a Markdown table."""
    quick, full = (recorded(setting) for setting in SETTINGS)
    lines = ["| claim | quick | full | measured in the full setting [95 % interval] |", "|---|---|---|---|"]
    for name, claim in full.items():
        lines.append(f"| `{name}` | {quick[name]['verdict']} | {claim['verdict']} | {claim['headline']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
