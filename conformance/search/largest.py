"""The largest known errors: for every implementation, output and type the worst problem that a search has met.

    python -m bnconform.conformance.search.largest [IMPL]...                  search again, write largest.json and page
    python -m bnconform.conformance.search.largest --show IMPL OUTPUT TYPE    one cell: input, answer, proven value
    python -m bnconform.conformance.search.largest --check                    every cell asked again

A cell is one channel, asked alone and decided by exact arithmetic: its score (error / allowance), and its error in
units in the last place of the largest exact value that the output has in that channel. The two measures have a cell
each, for the worst by one is rarely the worst by the other.
"""

import datetime
import json
import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import click
import numpy as np

from bnconform.backends.contract import FLOATS
from bnconform.backends.registry import BUILTIN
from bnconform.dtypes import dtype as numpy_type
from bnconform.dtypes import smallest, unit_roundoff
from bnconform.oracle.formats import floor_log2

from ..cases.draft import Draft
from ..golden.answer import answer
from ..golden.store import Golden
from ..judge.allowances import output_dtype
from .climb import Climb, climbed, posed
from .enclosure import enclosure
from .hunt import Asker
from .judging import by_channel, expect

TABLE = Path(__file__).parent / "largest.json"
PAGE = Path(__file__).parent / "LARGEST.md"
COUNTS, EPS, CHANNELS, GENERATIONS = (4, 16), 1e-5, 1000, 50
OUTPUTS = {
    "y": "0.y",
    "y, inference": "1.y",
    "batch_mean": "0.batch_mean",
    "batch_var": "0.batch_var",
    "running_mean": "0.running_mean",
    "running_var": "0.running_var",
    "dx": "0.dx",
    "dgamma": "0.dgamma",
    "dbeta": "0.dbeta",
}
MEASURES = ("score", "ulp")


@dataclass(frozen=True)
class Cell:
    """One entry: whose, of what, by which measure; the two figures; the input's bits, the answer's, the exact value.

    problems: how many channels were judged for it. x, dy, gamma, beta, running_mean, running_var, got: hexadecimal
    bytes, little-endian. exact: decimal. at: which value of the channel. version, date, golden: of what, when, and by
    which golden version.
    """

    implementation: str
    output: str
    dtype: str
    measure: str
    score: float
    ulp: float
    problems: int
    m: int
    eps: float
    decay: float
    x: str
    dy: str
    gamma: str
    beta: str
    running_mean: str
    running_var: str
    at: int
    got: str
    exact: str
    version: str
    date: str
    golden: str

    def draft(self, conventions) -> Draft:
        """The problem again, from its bits."""
        case = climbed("search/largest", conventions, self.dtype, (self.m, 1), self.eps, self.decay)
        names = ("x", "dy", "gamma", "beta", "running_mean", "running_var")
        columns = {name: np.frombuffer(bytes.fromhex(getattr(self, name)), numpy_type(self.dtype)) for name in names}
        wide = {name: value.astype(np.float64) for name, value in columns.items()}
        return posed(case, wide | {name: wide[name].reshape(self.m, 1) for name in ("x", "dy")})


def ulp_of(exact: Fraction, kind: str) -> Fraction:
    """The unit in the last place of a number in a type."""
    least = Fraction(smallest(kind))
    if exact == 0:
        return least
    return max(Fraction(2) ** floor_log2(abs(exact)) * 2 * Fraction(unit_roundoff(kind)), least)


def exactly(draft: Draft, name: str, got: np.ndarray, conventions) -> tuple[tuple, tuple]:
    """(score, error in ulp, which value, exact value) of one output, where the score is largest and where the error is;
    by exact arithmetic."""
    value = answer(draft.case, draft.tensors, conventions.running_ddof)[name]
    allowed = np.broadcast_to(expect(draft, conventions).allowed[name].element, got.shape)
    kind = output_dtype(draft.case, name.split(".")[1], conventions)
    exact = {index: value.value(*index).simplified().bounds(200)[0] for index in np.ndindex(got.shape)}
    unit, found = ulp_of(max(map(abs, exact.values())), kind), []
    for place, (index, low) in enumerate(exact.items()):
        error = abs(Fraction(float(got[index])) - low)
        score = 0.0 if error == 0 else float(error) / float(allowed[index]) if allowed[index] else math.inf
        found.append((score, float(error / unit), place, low))
    return max(found), max(found, key=lambda row: row[1])


@np.errstate(all="ignore")
def measure(asker, draft: Draft) -> dict[str, np.ndarray]:
    """Score and error in ulp of every output, one number a channel, as the enclosure knows them."""
    observation, conventions = asker.ask(draft), asker.hello.conventions
    values, radii, allowed = enclosure(draft, conventions)
    found = {}
    for output, name in OUTPUTS.items():
        got = observation.outputs.get(name)
        if got is None or got.shape != values[name].shape:
            continue
        error = np.asarray(got.astype(values[name].dtype) - values[name], np.float64)
        kind = output_dtype(draft.case, name.split(".")[1], conventions)
        largest = by_channel(draft.case, name, values[name].astype(np.float64), 0.0, 1.0)[0]
        unit = np.maximum(np.ldexp(2 * unit_roundoff(kind), np.frexp(largest)[1] - 1), smallest(kind))
        found[f"score {output}"] = by_channel(draft.case, name, error, 0.0, allowed[name].element)[0]
        radius = by_channel(draft.case, name, np.broadcast_to(radii[name], error.shape), 0.0, 1.0)[0]
        known = largest > 1024 * radius  # an exact zero has no last place
        found[f"ulp {output}"] = np.where(known, by_channel(draft.case, name, error, 0.0, 1.0)[0] / unit, 0.0)
    return found


def search(asker, kind: str, generations: int, seed: int = 0) -> list[Cell]:
    """The cells of one implementation and type: so many generations of each count of values a channel."""
    conventions, best, problems = asker.hello.conventions, {}, 0
    for m in COUNTS:
        rng = np.random.default_rng([seed, m, FLOATS.index(kind)])
        climb = Climb(f"search/largest-{m}", rng, conventions, kind, m, CHANNELS, EPS)
        for _ in range(generations):
            climb.generation(lambda draft: measure(asker, draft))
        problems += generations * CHANNELS
        for name, found in climb.best.items():
            if name not in best or found.value > best[name][0].value:
                best[name] = found, climb.case
    return [cell for name, (found, case) in best.items() if (cell := _cell(asker, name, found, case, problems))]


def _cell(asker, name, found, case, problems) -> Cell | None:
    """The channel asked alone: what an implementation does with many at once may be another arithmetic."""
    by, output = name.split(" ", 1)
    conventions, draft = asker.hello.conventions, posed(case, found.columns)
    got = asker.ask(draft).outputs.get(OUTPUTS[output])
    if got is None or not np.all(np.isfinite(got.astype(np.float64))):
        return None
    score, ulp, place, exact = exactly(draft, OUTPUTS[output], got, conventions)[MEASURES.index(by)]
    bits = {n: draft.tensors[n if n in draft.tensors else f"0.{n}"].tobytes().hex() for n in found.columns}
    return Cell(
        implementation=asker.name,
        output=output,
        dtype=case.x_dtype,
        measure=by,
        score=float(f"{score:.4g}"),
        ulp=float(f"{ulp:.4g}"),
        problems=problems,
        m=found.columns["x"].shape[0],
        eps=case.eps,
        decay=case.decay,
        **bits,
        at=place,
        got=got.ravel()[place].tobytes().hex(),
        exact=_decimal(exact),
        version=asker.hello.version,
        date=datetime.date.today().isoformat(),
        golden=Golden().manifest.version,
    )


def _decimal(value: Fraction, digits: int = 24) -> str:
    """So many significant decimal digits, cut off."""
    if value == 0:
        return "0"
    power = math.floor(math.log10(abs(value.numerator)) - math.log10(value.denominator))
    scaled = abs(value) * Fraction(10) ** (digits - 1 - power)
    text = str(scaled.numerator // scaled.denominator)
    return f"{'-' if value < 0 else ''}{text[0]}.{text[1:].rstrip('0') or '0'}e{power + len(text) - digits}"


def load(path: Path = TABLE) -> list[Cell]:
    """All cells of the file."""
    return [Cell(**row) for row in json.loads(path.read_text())] if path.exists() else []


def write(cells: list[Cell], path: Path = TABLE, page: Path = PAGE) -> None:
    """One line a cell, in order, and the page whose cells link to the lines."""
    order = {entry.name: place for place, entry in enumerate(BUILTIN)}
    columns = list(OUTPUTS)
    cells = sorted(
        cells,
        key=lambda c: (order.get(c.implementation, 99), FLOATS.index(c.dtype), columns.index(c.output), c.measure),
    )
    path.write_text("[\n" + ",\n".join(json.dumps(asdict(cell)) for cell in cells) + "\n]\n")
    page.write_text(text(cells))


def text(cells: list[Cell]) -> str:
    """The page."""
    lines = [
        "# The largest known errors",
        "",
        "For each implementation, output and type the worst problem that a search by hill climbing has met:",
        "error / allowance (*score*, at most 1 is right; the allowance is that of the arithmetic which the",
        "implementation declares), and under it the largest error in units in the last place (*ulp*) of the largest",
        "exact value of the output in its channel. Where that is large and the score is below 1, terms cancel: all",
        f"arithmetic of that kind errs so. One channel of {' or '.join(map(str, COUNTS))} values, eps = {EPS:g}; every",
        "figure was decided by exact arithmetic, and links to its line: input and answer as bits, and the exact value.",
        "",
        "`python -m bnconform.conformance.search.largest` searches again and writes this page; with",
        "`--show IMPL OUTPUT TYPE` it says a cell in numbers, and asks again.",
    ]
    at = {(c.implementation, c.output, c.dtype, c.measure): (place, c) for place, c in enumerate(cells, 2)}
    names = list(dict.fromkeys(cell.implementation for cell in cells))
    for kind in FLOATS:
        lines += ["", f"## {kind}", "", "| implementation | " + " | ".join(OUTPUTS) + " | problems |"]
        lines.append("|---" * (len(OUTPUTS) + 2) + "|")
        for name in names:
            row = [_shown(at, name, output, kind) for output in OUTPUTS]
            counts = {c.problems for c in cells if (c.implementation, c.dtype) == (name, kind)}
            if counts:
                lines.append(f"| {name} | " + " | ".join(row) + f" | {max(counts):,} |")
    versions = sorted({f"{c.implementation}: {c.version}, {c.date}" for c in cells})
    golden = ", ".join(sorted({c.golden for c in cells}))
    return "\n".join([*lines, "", f"Golden version {golden}. Versions and dates: {'; '.join(versions)}.", ""])


def _shown(at, *cell) -> str:
    parts = []
    for by in MEASURES:
        if (*cell, by) in at:
            place, found = at[(*cell, by)]
            parts.append(f"[{getattr(found, by):.3g}{' ulp' if by == 'ulp' else ''}](largest.json#L{place})")
    return "<br>".join(parts) or "–"


def again(asker, cell: Cell) -> tuple[bool, float, float]:
    """(whether the answer has the same bits, its score and ulp now)."""
    draft = cell.draft(asker.hello.conventions)
    got = asker.ask(draft).outputs[OUTPUTS[cell.output]]
    score, ulp, _, _ = exactly(draft, OUTPUTS[cell.output], got, asker.hello.conventions)[MEASURES.index(cell.measure)]
    return got.ravel()[cell.at].tobytes().hex() == cell.got, score, ulp


@click.command()
@click.argument("names", nargs=-1)
@click.option("--generations", default=GENERATIONS, show_default=True, help=f"Of {CHANNELS} channels, for each count.")
@click.option("--show", "shown", is_flag=True, help="Show one cell: IMPL OUTPUT TYPE.")
@click.option("--check", is_flag=True, help="Ask every cell again; exit 1 where one is no longer what it was.")
def main(names, generations, shown, check):
    """Search for the largest errors, or show one."""
    cells = load()
    if check:
        raise SystemExit(_check(cells))
    if shown:
        _show([cell for cell in cells if (cell.implementation, cell.output, cell.dtype) == names])
    else:
        for name in names or [entry.name for entry in BUILTIN if not entry.missing()]:
            asker = Asker(name)
            found = []
            for kind in asker.hello.conventions.dtypes:
                found += search(asker, kind, generations)
                click.echo(f"{name} {kind}: {len(found)} cells", err=True)
            asker.close()
            cells = [cell for cell in cells if cell.implementation != name] + found
            write(cells)


def kept(cell: Cell, found: tuple[bool, float, float]) -> bool:
    """Whether `again` found what the cell says; on another processor sums have another order, and other bits."""
    same, score, ulp = found
    if not same:
        return score <= max(1.0, 4 * cell.score)
    return math.isclose(score, cell.score, rel_tol=1e-3) and math.isclose(ulp, cell.ulp, rel_tol=1e-3)


def _check(cells) -> int:
    """Every cell asked again, implementation by implementation; returns the exit status."""
    lost = 0
    for name in dict.fromkeys(cell.implementation for cell in cells):
        asker = Asker(name)
        for cell in (cell for cell in cells if cell.implementation == name):
            found = again(asker, cell)
            if not kept(cell, found):
                lost += 1
                click.echo(f"{name} {cell.output} {cell.dtype}: was {cell.score:g}, {cell.ulp:g} ulp; now {found[1:]}")
        asker.close()
    return 1 if lost else 0


def _show(cells):
    if not cells:
        raise click.UsageError("no such cell: expected IMPL OUTPUT TYPE as in LARGEST.md")
    asker = Asker(cells[0].implementation)
    for cell in cells:
        draft = cell.draft(asker.hello.conventions)
        click.echo(
            f"{cell.implementation} {cell.version}, {cell.dtype}, eps {cell.eps}, decay {cell.decay}, {cell.date}"
        )
        for name, value in draft.tensors.items():
            if not name.startswith("1."):
                click.echo(f"  {name.removeprefix('0.')} = {value.ravel().astype(np.float64).tolist()}")
        got = np.frombuffer(bytes.fromhex(cell.got), numpy_type(cell.dtype))[0]
        same, score, ulp = again(asker, cell)
        click.echo(f"  {cell.output}[{cell.at}] = {float(got)!r}, exactly {cell.exact}…")
        click.echo(f"  score {cell.score:g}, {cell.ulp:g} ulp on {cell.date}")
        click.echo(f"  asked again: {'the same bits' if same else 'other bits'}, score {score:.4g}, {ulp:.4g} ulp")
    asker.close()


if __name__ == "__main__":
    main()
