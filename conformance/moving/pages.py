"""DIFFERENCES.md and README.md of this folder, from what was measured."""

import datetime
import json
from importlib import metadata
from pathlib import Path

from ..rows import rows
from .compare import differences, measured
from .layers import HOMES
from .pairs import PAIRS, STATE_ONLY, table
from .probes import Row

FOLDER = Path(__file__).parent
DATA, PAGE, README = FOLDER / "differences.json", FOLDER / "DIFFERENCES.md", FOLDER / "README.md"
BEGIN, EXPORTS, END = "<!-- pairs -->", "<!-- exports -->", "<!-- end -->"
FROM = "torch"  # whose users move most: what to write is spelled out from here; `bnconform compare A B` has the rest


def measure(name: str) -> None:
    """Put what an implementation does into differences.json; the others stay as they were measured."""
    found = measured(name)
    data = json.loads(DATA.read_text()) if DATA.exists() else {"versions": {}, "rows": {}}
    data["date"] = str(datetime.date.today())
    data["versions"][name], data["rows"][name] = found["version"], [vars(row) for row in found["rows"]]
    for part in ("versions", "rows"):
        data[part] = {name: data[part][name] for name in HOMES if name in data[part]}
    DATA.write_text(rows(data, 3))
    PAGE.write_text(page(data))


def rows_of(data: dict) -> dict[str, list[Row]]:
    return {name: [Row(**row) for row in found] for name, found in data["rows"].items()}


def page(data: dict) -> str:
    """The rows in which implementations differ, those in which none does, and what to write when leaving torch."""
    asked = rows_of(data)
    names, by = list(asked), {name: {row.property: row for row in found} for name, found in asked.items()}
    properties = list(dict.fromkeys(row.property for found in asked.values() for row in found))
    keys = {p: {json.dumps(by[n][p].key) for n in names if p in by[n]} for p in properties}
    cell = lambda name, p: by[name][p].finding.replace("|", "\\|") if p in by[name] else "not asked"
    lines = [
        "# How batch normalization differs between frameworks, measured", "",
        f"Measured on {data['date']} through the public constructors, on the CPU, in float32.",
        "`bnconform compare A B` measures two again.",
        "Written by `python -m bnconform.conformance.moving differences`.", "",
        ", ".join(f"{name} {version}" for name, version in data["versions"].items()) + ".", "",
        "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|",
    ]  # fmt: skip
    for p in properties:
        if len(keys[p]) > 1 or len({cell(n, p) for n in names}) > 1:
            lines.append(f"| {p} | " + " | ".join(cell(n, p) for n in names) + " |")
    alike = [p for p in properties if len(keys[p]) == 1]
    lines += ["", f"The same everywhere: {', '.join(alike) or 'nothing'}."]
    for name in names:
        if name != FROM and FROM in names:
            found = [d for d in differences(FROM, name, asked[FROM], asked[name]) if not d.equal]
            lines += [
                "",
                f"## From {FROM} to {name}",
                "",
                "| | what to write, or how far apart | measured |",
                "|---|---|---|",
            ]
            lines += [f"| {d.property} | {d.write} | {d.evidence} |".replace("\n", " ") for d in found]
    return "\n".join(lines) + "\n"


def pairs_block() -> str:
    """What README.md says of the pairs, from pairs.json."""
    found = json.loads(PAIRS.read_text())
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    notes = [f"`{name}`: {why}." for name, why in STATE_ONLY.items() if name in found["cells"]]
    missing = [name for name in HOMES if name not in found["cells"]]
    notes += [f"Not installed when this was measured: {', '.join(missing)}."] if missing else []
    lines = [
        f"Measured on {found['date']}: {found['steps']} steps, ranks 2 to 5; {versions}.", "",
        *table(found), "",
        "A number is the worst error of y, parameters, statistics and counter, before and after, over all ranks, in",
        'units of the allowance: at most 1 holds. "ddof 5%": the same but for the estimator of running_var, which',
        "stays that far apart after the steps (batches of 5 to 12 rows; most at rank 2), as the definition says.",
        *notes,
    ]  # fmt: skip
    return "\n".join([BEGIN, *lines, END])


def write_pairs():
    _replace(BEGIN, pairs_block())


def write_exports(found) -> None:
    """What README.md says of export and folding. found: `Exported` of all that could be asked."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "keras", "onnx", "onnxruntime"))
    lines = [
        f"Measured on {datetime.date.today()}: {versions}.",
        "",
        "| | error / allowance | found |",
        "|---|---|---|",
    ]
    lines += [f"| {one.name} | {one.score:.2g} | {one.says} |" for one in found]
    _replace(EXPORTS, "\n".join([EXPORTS, *lines, END]))


def _replace(begin, block):
    """Put a block of README.md in the place of the one that begins so."""
    before, _, rest = README.read_text().partition(begin)
    README.write_text(before + block + rest.partition(END)[2])
