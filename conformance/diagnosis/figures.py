"""How well diagnosis does, on three sets kept apart: the listed mutants, points and pairs drawn from the grammar, foreign layers.

python -m bnconform.conformance.diagnosis.figures SET [--every K] [--write]      measure a set: listed, drawn or foreign
python -m bnconform.conformance.diagnosis.figures listed NAME ...                some of them, on the screen

--every K: each K-th only. --write: into figures.json, and README.md from it. The foreign layers are those of `foreign.labels`,
which must be found on PYTHONPATH (`tests`).
"""

import importlib
import json
import re
import time
from pathlib import Path

import click
import numpy as np

from ..golden.store import Golden
from ..judge.compare import expectation, judge
from ..records import FAILED
from ..rows import rows as json_rows
from ..run.observe import observe
from . import explain
from .explanation import UNEXPLAINED


class Kept:
    """Golden values that are looked up once, as each implementation asks for all of them again."""

    def __init__(self):
        self.golden, self.kept = Golden(), {}
        self.folder, self.cases = self.golden.folder, self.golden.cases

    def _once(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def inputs(self, case):
        make = lambda: self.golden.inputs(case)
        found = make() if case.large else self._once(case.id, make)
        return {name: array.copy() for name, array in found.items()}

    def wanted(self, case, running_ddof):
        make = lambda: self.golden.wanted(case, running_ddof)
        return make() if case.large else self._once((case.id, running_ddof), make)

    def expectation(self, case, conventions):
        return self._once((case.id, repr(conventions)), lambda: expectation(case, self, conventions))


@np.errstate(all="ignore")
def diagnose(backend, golden, among=lambda case: not case.large):
    """(explanations, seconds of the diagnosis) of a backend that is run on some cases; asked further problems as a run would."""
    observations, failed = {}, []
    for case in golden.cases.values():
        if among(case):
            seen = observe(case, backend, golden.inputs(case))
            expected = None if case.raises or case.law else golden.expectation(case, backend.conventions)
            verdicts = judge("it", seen, case, golden, backend.conventions, expected)
            lost = [v for v in verdicts if v.status in FAILED]
            failed += lost
            if lost or case.quick:  # what a run keeps
                observations[case.id] = seen
    started = time.process_time()
    ask = lambda draft: observe(draft.case, backend, {n: a.copy() for n, a in draft.tensors.items()})
    return explain("it", failed, observations, golden, backend.conventions, ask), time.process_time() - started


def names_of(explanations) -> set[str]:
    """All names that were given, one by one."""
    return {part for e in explanations for part in e.name.split(" + ")}


# the sets: each yields (name, backend, judged), judged(explanations, golden) -> (verdict, where right, when right)


def listed():
    from ..mistakes import mutants

    for name, mutant in mutants().items():
        yield name, mutant.backend, lambda found, golden, m=mutant: _of_mutant(found, m)


def _of_mutant(found, mutant):
    names, wanted = names_of(found), set(mutant.diagnosis.split(" + "))
    wheres = {point.where for point in mutant.points}
    where = any(e.where in wheres or e.where in ("outputs", "done", "checks") or e.name in wanted for e in found)
    given = names - {UNEXPLAINED}
    verdict = "right" if names == wanted else "open" if given <= wanted else "wrong"
    return verdict, where, any(e.when for e in found)


def drawn():
    """Points and pairs of the grammar, by seed; one that no case notices is passed over."""
    from . import drawn as source

    for seed in range(1, 201):
        points = source.mistake(seed)
        yield f"drawn-{seed}", source.backend(seed), lambda found, golden, p=points, s=seed: _of_drawn(found, p, s)


def _of_drawn(found, points, seed):
    """Right is what predicts further problems, whatever it is called: a wrong 1/sqrt may be a wrong gamma."""
    from . import drawn as source

    if not found:
        return "unnoticed", None, None
    answers = [e.found for e in found if e.name != UNEXPLAINED]
    open_ones = [e for e in found if e.name == UNEXPLAINED]
    wheres = {p.where for p in points}
    right = bool(answers) and all(a is not None for a in answers) and _predicts(answers, source.backend(seed), found)
    where = right or any(e.where in wheres for e in found)
    words = {p.when.words for p in points}
    when = right or any(e.when in words for e in found)
    return "right" if right and not open_ones else "open" if not answers or right else "wrong", where, when


def _predicts(answers, backend, found):
    """Whether answers predict what a backend gives for problems that no search has seen."""
    from . import fresh
    from .diagnose import ASTRAY
    from .episode import Episode, Facts
    from .search import Search

    conventions, episodes = backend.conventions, []
    cases = [Golden().cases[case] for e in found for case in e.cases if case in Golden().cases][:6]
    twins = [fresh.twin(case, Golden().inputs(case), 991) for case in cases if not case.large and not case.law]
    for draft in [*twins, *(fresh.drawn(99_000 + k) for k in range(8))]:
        seen = observe(draft.case, backend, {n: a.copy() for n, a in draft.tensors.items()})
        if seen.outputs:
            episodes.append(Episode(Facts(draft.case, draft.tensors, conventions), seen, (), by_itself=True))
    search, missed, count = Search([], conventions, 10.0), 0, 0
    for step in (step for episode in episodes for step in episode.steps):
        hit, refuted = search.held(step, answers)
        missed += int(((step.deviation > 1) & ~hit.any(axis=0) | refuted.any(axis=0) & ~hit.any(axis=0)).sum())
        count += len(step.deviation)
    return missed <= ASTRAY * count


QUANTITY = {  # of the labels of foreign layers -> ours
    "eps": "eps var_eps", "root": "root root_grad factor fold_root running_root var_eps", "m": "m m_grad bessel sum",
    "mean": "mean mean_used moments new_mean sum centred", "variance": "variance var_used squares deviation moments new_var sum bessel",
    "deviation": "deviation centred squares", "x_hat": "x_hat x_hat_grad x_hat_dx x_hat_dgamma centred scaled",
    "gamma": "gamma gamma_grad scaled factor fold_gamma", "beta": "beta fold_beta", "y": "y scaled", "dy": "dy",
    "mean_dy": "mean_dy through_dy m_grad moving_dy", "mean_dy_x_hat": "mean_dy_x_hat slope_dy through_dy m_grad moving_dy",
    "dx": "dx factor projected_dy through_dy moving_dy x_hat_dx gamma_grad root_grad", "dgamma": "dgamma x_hat_dgamma",
    "dbeta": "dbeta", "running_mean": "running_mean new_mean old_mean updates given_state decay new_weight exists_mean initial_mean",
    "running_var": "running_var new_var old_var updates given_state bessel decay new_weight exists_var initial_var",
    "decay": "decay new_weight steps", "count": "steps updates m decay", "x": "x rows unrows axes", "mask": "mask m",
}  # fmt: skip


def foreign():
    labels = importlib.import_module("foreign.labels")
    layers, _ = labels.layers()
    for name, backend in layers.items():
        yield name, backend, lambda found, golden, label=backend.LABEL: _of_foreign(found, label, golden)


def _of_foreign(found, label, golden):
    if not label["where"]:
        return ("right" if not found else "wrong" if names_of(found) - {UNEXPLAINED} else "open"), not found, not found
    given = [e for e in found if e.name != UNEXPLAINED]
    text = lambda e: f"{e.name}: {e.text}"
    search = lambda patterns, sentence: any(re.search(p, sentence, re.I | re.S) for p in patterns)
    good = [search(label["accept"], text(e)) and not search(label["reject"], text(e)) for e in given]
    verdict = (
        "wrong" if given and not any(good) else "right" if given and all(good) and len(given) == len(found) else "open"
    )
    wheres = {ours for quantity in label["where"] for ours in QUANTITY.get(quantity, quantity).split()} | set(
        label["where"]
    )
    return verdict, any(e.where in wheres for e in found), _when_right(found, label["condition"], label["when"], golden)


def _when_right(found, condition, words, golden):
    """Whether where the label's condition is false the one that was found is false too."""
    whens = [e for e in found if e.when]
    if not whens:
        return False
    if condition is None:
        return words != "always" or any(e.when == "always" for e in whens)
    return any(e.when != "always" for e in whens)


SETS = {"listed": listed, "drawn": drawn, "foreign": foreign}
FOLDER = Path(__file__).parent


def measure(which, names=(), every=1):
    """name -> row: verdict, names given, where and when right, seconds of the processor."""
    golden, rows = Kept(), {}
    for place, (name, backend, judged) in enumerate(SETS[which]()):
        if names and name not in names or not names and place % every:
            continue
        found, seconds = diagnose(backend, golden)
        verdict, where, when = judged(found, golden)
        if verdict == "unnoticed":
            continue
        rows[name] = {"verdict": verdict, "named": sorted(names_of(found)), "where": bool(where), "when": bool(when)}
        rows[name]["seconds"] = round(seconds, 1)
        yield name, rows[name], found


def page(data) -> str:
    """README.md: one table of the three sets, and what was not named rightly."""
    lines = [
        "# Does diagnosis find what is wrong?",
        "",
        "    python -m bnconform.conformance.diagnosis.figures SET --write     measure a set again, and write this page",
        "",
        "Three sets, kept apart: the listed mutants; points and pairs drawn from the grammar by seed; foreign layers, which nobody tunes against (`tests/foreign`).",
        "*open* is no wrong name, but not the whole right one. Seconds are the processor's, of a diagnosis with its fresh problems, on a full run.",
        "",
        "| set | measured | named rightly | open | wrongly | where right | when right | seconds, median | most |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for which, rows in data.items():
        count = max(len(rows), 1)
        share = lambda key, value, rows=rows, count=count: (
            f"{100 * sum(r[key] == value for r in rows.values()) / count:.1f} %"
        )
        seconds = sorted(row["seconds"] for row in rows.values())
        verdicts = " | ".join(share("verdict", v) for v in ("right", "open", "wrong"))
        lines.append(
            f"| {which} | {len(rows)} | {verdicts} | {share('where', True)} | {share('when', True)} | "
            f"{seconds[len(seconds) // 2]} | {seconds[-1]} |"
        )
    for which, rows in data.items():
        if which != "foreign":  # a list of the foreign ones would be an invitation to tune
            lines += ["", f"## Not named rightly: {which}", "", "| mistake | named | |", "|---|---|---|"]
            lines += [
                f"| {n} | {', '.join(r['named'])} | {r['verdict']} |"
                for n, r in rows.items()
                if r["verdict"] != "right"
            ]
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("which", type=click.Choice(list(SETS)))
@click.argument("names", nargs=-1)
@click.option("--every", default=1, help="Measure each K-th only.")
@click.option("--write", is_flag=True, help="Write figures.json and README.md.")
def main(which, names, every, write):
    """Measure a set."""
    rows = {}
    for name, row, found in measure(which, names, every):
        rows[name] = row
        click.echo(f"{row['verdict']:6s} {name:44s} {', '.join(row['named'])} ({row['seconds']} s)")
        for explanation in found if names else ():
            click.echo(f"    {explanation.text}")
    if write:
        path = FOLDER / "figures.json"
        data = json.loads(path.read_text()) if path.is_file() else {}
        data[which] = rows
        data = {key: data[key] for key in SETS if key in data}
        path.write_text(json_rows(data, 2))
        (FOLDER / "README.md").write_text(page(data))


if __name__ == "__main__":
    main()
