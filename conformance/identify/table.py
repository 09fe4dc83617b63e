"""The identification table: every installed implementation, each in a process of its own, beside one another."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bnconform.backends import registry

README = Path(__file__).parent / "README.md"


def rows_of(name: str) -> list[dict] | None:
    """Findings of one implementation, from its own process; None where it gives none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "bnconform.conformance.identify", name, "--json", str(path)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=1800)
        return json.loads(path.read_text())["findings"] if path.is_file() else None


def page(found: dict[str, list[dict]]) -> str:
    """README.md: one row a property, one column an implementation; a finding that disagrees is marked."""
    names = list(found)
    properties = list(dict.fromkeys(row["property"] for rows in found.values() for row in rows))
    by_name = {name: {row["property"]: row for row in rows} for name, rows in found.items()}
    lines = [
        "# What each implementation does",
        "",
        "Found by probes alone; what was declared is compared afterwards. **NO** marks a finding that disagrees.",
        "",
        "    python -m bnconform.conformance.identify --table     identify again, and write this page",
        "",
        "| property | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for property in properties:
        lines.append(f"| {property} | " + " | ".join(_cell(by_name[name].get(property)) for name in names) + " |")
    return "\n".join(lines) + "\n"


def _cell(row):
    if row is None:
        return ""
    return row["finding"].replace("|", "\\|") + (" **NO**" if row["agrees"] is False else "")


def write(names=()) -> int:
    """Identify `names`, or all that are installed; 1 if a finding disagrees or an implementation gave none."""
    found, failed = {}, False
    for name in names or [n for n, entry in registry.entries().items() if not entry.missing()]:
        rows = rows_of(name)
        wrong = rows is None or [row["property"] for row in rows if row["agrees"] is False]
        print(f"{name}: {'no answer' if rows is None else ', '.join(wrong) or 'agrees'}", flush=True)
        failed |= bool(wrong)
        if rows:
            found[name] = rows
    README.write_text(page(found))
    return int(failed)
