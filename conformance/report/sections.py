"""The further sections of the HTML report: accuracy by conditioning, the kill matrix, the museum."""

from html import escape
from importlib.util import find_spec

from ..text import line

DECADES = range(8)


def sections(report: dict) -> tuple[str, ...]:
    """HTML fragments for `html.render`. The figure needs matplotlib; without it the table stands alone."""
    from ..mistakes import museum, summary

    folded = lambda title, body: f"<details><summary><b>{title}</b></summary><div class='scroll'>{body}</div></details>"
    return (
        _accuracy(report),
        "<h2>Would the suite notice?</h2>",
        folded("Mutants: wrong implementations, and what kills them", summary.render()),
        folded("The museum: real bugs, and the case that catches each", museum.render()),
    )


def _accuracy(report) -> str:
    """Worst strict score of each output at each mean / standard deviation, and the variance this gives away."""
    from ..accuracy.grade import figure, grade

    grades = grade(report["results"])
    if not grades:
        return ""
    head = "".join(f"<th class='n'>1e{decade}</th>" for decade in DECADES)
    rows = []
    for name, found in grades.items():
        for output in ("y", "dx", "running_var"):
            by_decade = found["outputs"].get(output, {})
            cells = "".join(f"<td class='n'>{_score(by_decade.get(decade))}</td>" for decade in DECADES)
            rows.append(f"<tr><td>{escape(name)}</td><td>{found['variance']}</td><td>{output}</td>{cells}</tr>")
    drawing = _drawn(figure, report, grades) if find_spec("matplotlib") else ""
    return (
        "<h2>Accuracy by conditioning</h2><p class='soft'>Worst (median) score against the allowance of a two-pass "
        "variance and pairwise sums, whatever the implementation declares, at mean / standard deviation 1 to 1e7. The "
        "variance algorithm is told from these scores alone.</p>"
        "<div class='scroll'><table><tr><th>implementation</th><th>variance</th><th>output</th>"
        f"{head}</tr>{''.join(rows)}</table></div>{drawing}"
    )


def _drawn(figure, report, grades) -> str:
    """The figure, or why a matplotlib that is there has not drawn it: the table says the same in numbers."""
    try:
        return figure(report["results"], *grades)
    except Exception as error:
        return (
            "<p class='soft'>The figure could not be drawn: "
            f"{escape(line(f'{type(error).__name__}: {error}', 300))}</p>"
        )


def _score(entry) -> str:
    text = f"{entry['worst']:.2g} ({entry['median']:.2g})" if entry else ""
    return text.replace("e+0", "e").replace("e+", "e")
