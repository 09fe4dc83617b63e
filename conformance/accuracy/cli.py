"""`python -m bnconform.conformance.accuracy`: the study behind BOUNDS.md, from its seed."""

from pathlib import Path

import click

from . import exact, figures, tables, tight
from .kernels import FAIR
from .problems import stream
from .study import gather

LEAST_MEDIAN = 0.02
LEAST_MISTAKE = 10.0


@click.command()
@click.option(
    "--problems", default=100_000, show_default=True, help="Random problems in float32; a tenth as many in float64."
)
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same problems.")
@click.option("--quick", is_flag=True, help="2,000 problems of at most 256 values a channel.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write tables.md and the figures there.")
def accuracy(problems, seed, quick, out):
    """Are the allowances fair to right implementations, and tight enough for wrong ones?

    Exit status 1 if a right variant exceeds 1, if the median worst score of one is below 0.02, or a mistake stays
    below 10.
    """
    problems, longest = (min(problems, 2_000), 256) if quick else (problems, 65536)
    parts, lost = [], []
    kinds = ("float32", "float64") if exact.precise() else ("float32",)
    for kind in kinds:
        count = problems if kind == "float32" else max(problems // 10, 1)
        scores = gather(stream(seed, count, kind, longest if kind == "float32" else min(longest, 4096)), FAIR)
        found = tables.summary(scores)
        parts.append(f"## Right variants, {kind}\n\n{tables.fair(found, scores, f'seed {seed}, {kind}')}")
        lost += _complaints(kind, found)
        if out and kind == "float32":
            out.mkdir(parents=True, exist_ok=True)
            figures.histogram(scores, out / "scores.png")
    mistakes = tight.measure(seed, 20 if quick else 200)
    parts.append(f"## Mistakes\n\n{tables.tight(mistakes)}")
    lost += [
        f"{name}: a case scores {row['smallest']:.3g} only"
        for name, row in mistakes.items()
        if row["smallest"] < LEAST_MISTAKE
    ]
    text = "# The study's tables\n\n" + "\n\n".join(parts) + "\n"
    click.echo(text)
    if out:
        (out / "tables.md").write_text(text)
        figures.conditioning(out / "conditioning.png", seed)
    for line in lost:
        click.echo(line, err=True)
    raise SystemExit(1 if lost else 0)


def _complaints(kind, found):
    for name, row in found.items():
        if row["worst"] > 1 or row["sums"] > 1:
            yield f"{kind}, {name}: worst score {row['worst']:.3g}, of the sums {row['sums']:.3g}: not fair"
        if row["median"] < LEAST_MEDIAN:
            yield f"{kind}, {name}: median worst score {row['median']:.3g}: not tight"
