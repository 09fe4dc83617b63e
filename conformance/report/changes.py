"""What changed between two reports: two releases, devices or machines. Works on reports as data.

Compared are results of implementations that both have, without what differs between two runs of the same
(`data.normalize`). A score has grown when it is more than GROWN times what it was and above WORTH.
"""

from collections import defaultdict
from dataclasses import dataclass

from ..records import FAILED
from .attention import Group
from .data import normalize

GROWN, WORTH = 2.0, 0.1

FACTS = ("version", "device", "problem")  # of an implementation, beside its settings and conventions


@dataclass(frozen=True)
class Change(Group):
    """Outputs that changed in the same way. rows: of the later report, or of the earlier for what is gone."""

    worse: bool = False
    told: str = ""  # of the first row

    @property
    def example(self) -> dict:
        return self.rows[0]


@dataclass(frozen=True)
class Comparison:
    """says: the answer in a sentence. facts: (of, what, before, after). groups: the gravest first."""

    says: str
    facts: tuple[tuple[str, str, str, str], ...]
    groups: tuple[Change, ...]
    lost: tuple[str, ...]  # implementations that could be judged before

    @property
    def worse(self) -> bool:
        return bool(self.lost) or any(group.worse for group in self.groups)


def compare(before: dict, after: dict) -> Comparison:
    """Both as `data.to_json` makes them."""
    old, new = (_by_key(normalize(report)) for report in (before, after))
    problems = [{each["name"]: each["problem"] for each in report["implementations"]} for report in (before, after)]
    shared = problems[0].keys() & problems[1].keys()
    lost = tuple(sorted(name for name in shared if problems[1][name] and not problems[0][name]))
    keys = [key for key in dict.fromkeys([*old, *new]) if key[0] in shared]
    changed = [key for key in keys if old.get(key) != new.get(key)]
    found = defaultdict(list)
    for key in changed:
        if kind := _kind(old.get(key), new.get(key)):
            found[key[0], *kind].append(key)
    groups = tuple(_change(*of, keys, old, new) for of, keys in found.items())
    facts = tuple(_facts(before, after))
    lesser = len(changed) - sum(len(group.rows) for group in groups)
    return Comparison(
        _says(len(keys), len(shared), groups, lesser, facts)
        + "".join(f" {name} cannot be judged now." for name in lost),
        facts,
        tuple(sorted(groups, key=lambda group: (not group.worse, -len(group.rows), group.text))),
        lost,
    )


def _by_key(report):
    return {(row["implementation"], row["case"], row["output"]): row for row in report["results"]}


def _kind(old, new) -> tuple[bool, str] | None:
    """Whether it got worse, and how it changed; None for less than that (other words, another score)."""
    if old is None:
        return new["status"] in FAILED, f"asked only after: {_word(new)}"
    if new is None:
        return False, f"asked only before: {_word(old)}"
    if _word(old) != _word(new):
        return new["status"] in FAILED and old["status"] not in FAILED, f"{_word(old)} -> {_word(new)}"
    return (False, f"{old['status']}, with a larger score") if _grown(old["score"], new["score"]) else None


def _word(row):
    return f"{row['status']} ({row['kind']})" if row["kind"] else row["status"]


def _grown(old, new) -> bool:
    return None not in (old, new) and float(new) > max(WORTH, GROWN * float(old))


def _change(name, worse, how, keys, old, new) -> Change:
    rows = sorted((new.get(key) or old[key] for key in keys), key=lambda row: -float(row["score"] or 0))
    key = name, rows[0]["case"], rows[0]["output"]
    return Change(f"{name}: {how}", tuple(rows), worse, _told(old.get(key), new.get(key)))


def _told(old, new) -> str:
    """The change of one output in words."""
    scores = [f"{float(row['score']):.3g}" if row and row["score"] is not None else "none" for row in (old, new)]
    text = (new or old)["message"]
    return "; ".join([f"score {scores[0]} -> {scores[1]}"] * (scores != ["none"] * 2) + [text] * bool(text))


def _facts(before, after):
    """What differs beside the results: suites, machines, implementations."""
    for of in ("suite", "machine"):
        for what in before[of] | after[of]:
            yield from _fact(of, what, before[of].get(what), after[of].get(what))
    old, new = ({i["name"]: i for i in report["implementations"]} for report in (before, after))
    for name in old | new:
        if name not in old or name not in new:
            yield name, "judged", *("yes" if name in side else "no" for side in (old, new))
            continue
        for what in FACTS:
            yield from _fact(name, what, old[name][what], new[name][what])
        yield from _fact(name, "verdict", *(side[name]["summary"]["verdict"] for side in (old, new)))
        if old[name]["problem"] or new[name]["problem"]:
            continue  # what could not be loaded declares nothing
        for of in ("settings", "conventions"):
            first, second = (side[name][of] or {} for side in (old, new))
            for what in first | second:
                yield from _fact(name, what, first.get(what), second.get(what))


def _fact(of, what, before, after):
    if before != after:
        yield of, what, str(before), str(after)


def _says(compared, implementations, groups, lesser, facts) -> str:
    """The answer in a sentence."""
    of = f"{compared:,} results of {implementations} implementation{'s' * (implementations != 1)}"
    if not compared:
        return "The two reports have no implementation in common."
    less = f" {lesser:,} differ in less: another score or another message." if lesser else ""
    if not groups:
        return f"Nothing changed in {of}{', though what is listed here differs' if facts else ''}.{less}"
    count = lambda groups: sum(len(group.rows) for group in groups)
    worse = count([group for group in groups if group.worse])
    return f"Of {of}, {count(groups):,} changed, and {worse:,} fail that did not fail before.{less}"
