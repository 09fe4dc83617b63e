"""JSON as the repository keeps it: one row a line, so that a diff shows the rows that changed."""

import json
from typing import Any

WIDTH = 120


def rows(data: Any, depth: int) -> str:
    """`data` as JSON text: containers down to `depth` levels have a line for each item, deeper ones are one row.

    What fits into a line of 120 characters is one row at any level. Errors: ValueError for NaN or infinity.

    >>> print(rows({"schema": "x", "cases": [{"id": name, "says": 50 * "."} for name in "ab"], "none": []}, 2), end="")
    {
     "schema": "x",
     "cases": [
      {"id": "a", "says": ".................................................."},
      {"id": "b", "says": ".................................................."}
     ],
     "none": []
    }
    """
    return _text(data, depth, "", 0) + "\n"


def _text(data: Any, depth: int, indent: str, used: int) -> str:
    """used: characters that stand before `data` in its line."""
    row = json.dumps(data, ensure_ascii=False, allow_nan=False)
    if not depth or not isinstance(data, dict | list | tuple) or used + len(row) < WIDTH:
        return row
    inner = indent + " "
    named = [(f"{json.dumps(k, ensure_ascii=False)}: ", v) for k, v in data.items()] if isinstance(data, dict) else None
    items = [
        f"{inner}{name}{_text(v, depth - 1, inner, len(inner + name))}" for name, v in named or [("", v) for v in data]
    ]
    first, last = "{}" if named else "[]"
    return f"{first}\n" + ",\n".join(items) + f"\n{indent}{last}"
