"""Mistakes that show in an attribute, in memory, or in an error: no value has to be predicted for them."""

from .conditions import ALWAYS
from .explanation import UNEXPLAINED, Explanation

OWNERS = {  # clause of an error that is not raised -> quantities whose mistakes make a layer blind to it
    "BN-2.4": ("eps", "var_eps", "root", "fold_root"),
    "BN-3.1": ("decay", "new_weight", "updates", "running_mean", "running_var"),
    "BN-1.1": ("axes", "rows", "moments"),
    "BN-6.1": ("mask",),
    "BN-6.4": ("renorm_r", "renorm_d", "mode"),
    "BN-4.3": ("fold_weight", "fold_bias", "fold_mean", "fold_c", "fold_root"),
    "BN-3.4": ("population_var", "bessel", "variance"),
    "BN-1.5": ("loaded", "gamma", "beta", "initial_mean", "initial_var"),
}
ATTRIBUTES = {  # start of a verdict's kind -> (name, clause, words)
    "dtype:": ("DTYPE_CHANGED", "BN-8.2", "comes in another type than its own"),
    "shape": ("OUTPUT_SHAPE", "BN-1.5", "has another shape than its own"),
    "missing": ("OUTPUT_MISSING", "BN-5.1", "is not given"),
}


def attributes(episodes, condition_of) -> list[Explanation]:
    """What was written to that was only lent, and outputs of another type or shape, or missing.

    condition_of(holds): the simplest condition that separates the episodes for which `holds` from the others that have such
    outputs.
    """
    found = _memory(episodes)
    for start, (name, clause, words) in ATTRIBUTES.items():
        hit = [e for e in episodes if any(kind.startswith(start) for kind in e.failed.values())]
        if hit:
            outputs = {n.split(".", 1)[-1] for e in hit for n, kind in e.failed.items() if kind.startswith(start)}
            having = [e for e in episodes if outputs & {n.split(".", 1)[-1] for n in e.case.outputs()}]
            when = condition_of(having, hit)
            detail = _detail(hit[0], start)
            text = f"{', '.join(sorted(outputs))} {words}{detail}, {when or 'in some cases'} [{clause}]"
            cases = tuple(e.case.id for e in hit)
            found.append(Explanation(name, text, "outputs", when, words, tuple(sorted(outputs)), cases))
    return found


def _detail(episode, start):
    if start == "dtype:":
        return f" ({next(kind for kind in episode.failed.values() if kind.startswith(start))[6:]})"
    return ""


def _memory(episodes):
    """What was lent was written to, or given back [BN-8.3]."""
    written, shared = {}, {}
    for episode in episodes:
        if "inputs" in episode.failed:
            for change in episode.observation.changed:
                place = shared if "shares memory" in change else written
                place.setdefault(change.split()[0].split(".")[-1], []).append(episode)
    for name, places, words in (
        ("INPUT_CHANGED", written, "that was lent is written to"),
        ("OUTPUT_ALIASES", shared, "shares memory with what was lent"),
    ):
        if places:
            cases = tuple(dict.fromkeys(e.case.id for group in places.values() for e in group))
            text = f"{', '.join(sorted(places))} {words} [BN-8.3]"
            return [Explanation(name, text, "done", ALWAYS.words, words, ("inputs",), cases)]
    return []


def lost(episodes) -> list[Explanation]:
    """Processes that died or hung, and answers that could not be read."""
    found = []
    for start in ("died", "timed out", "garbage"):
        hit = [e for e in episodes if any(kind.split(":")[0] == start for kind in e.failed.values())]
        if hit:
            kinds = sorted({kind for e in hit for kind in e.failed.values() if kind.startswith(start)})
            text = f"unexplained: no answer ({', '.join(kinds)}) in {_cases(hit)}"
            found.append(Explanation(UNEXPLAINED, text, "", "", "", (), tuple(e.case.id for e in hit)))
    return found


def _cases(episodes):
    names = ", ".join(e.case.id for e in episodes[:3])
    return names + (f" and {len(episodes) - 3} more" if len(episodes) > 3 else "")


def raising(among, hit, condition_of) -> list[Explanation]:
    """Steps in the domain that raise, with the condition under which they do."""
    when, failure = condition_of(among, hit), hit[0].observation.failure
    what = f"raises {failure.what}: {failure.text[:120]}"
    degenerate = any(words in when for words in DEGENERATE)
    name = "DEGENERATE_RAISES" if degenerate else UNEXPLAINED
    text = f"{'' if degenerate else 'unexplained: '}{what}, {when or 'under no condition that was found'} ({len(hit)} cases)"
    return [Explanation(name, text, "checks", when, what if degenerate else "", (), tuple(e.case.id for e in hit))]


DEGENERATE = ("where m is", "where m <", "m counted 0", "eps is 0", "eps < ", "decay is 0", "decay <")


def silent_errors(episodes, others, condition_of) -> list[Explanation]:
    """Errors that were due and did not come [BN-8.1], but for those that a mistake already named makes invisible."""
    hit = [e for e in episodes if e.case.raises and "silent" in e.failed.values()]
    blind = {x.where for x in others if x.what}
    left = [e for e in hit if not blind & set(OWNERS.get(e.case.raises, ()))]
    if not left:
        return []
    what = ", ".join(e.case.says for e in left)
    text = f"accepted without an error: {what} [BN-8.1]"
    return [Explanation("ERROR_NOT_RAISED", text, "checks", "always", what, ("error",), tuple(e.case.id for e in left))]


def without_consequences(found):
    """No OUTPUT_MISSING beside a mistake that it follows from: a mode that was not run, gamma in the place of beta."""
    wheres = {x.where for x in found if x.name != "OUTPUT_MISSING" and x.what}
    follows = {"batch_mean", "batch_var"} if "mode" in wheres else set()
    if "loaded" in wheres:
        follows |= {"dgamma", "dbeta"}
    return [x for x in found if not (x.name == "OUTPUT_MISSING" and set(x.outputs) <= follows)]
