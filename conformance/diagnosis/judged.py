"""Judged -> Judged with each failed verdict's diagnosis: the last arrow of the way of a case."""

from dataclasses import replace

from bnconform.backends.contract import Conventions

from ..golden.store import Golden
from ..records import FAILED
from ..run.schedule import Judged


def diagnosed(judged: Judged, golden: Golden) -> Judged:
    """The same, its failed verdicts telling which mistake explains them; nothing to do where nothing failed.

    A mistake of the diagnosis itself must not cost the report: it is said in place of a name.
    """
    failed = [v for v in judged.verdicts if v.status in FAILED and v.kind != "stale"]
    if not failed or judged.hello.problem:
        return judged
    from . import explain  # its hypotheses are many: loaded only where something failed

    try:
        explanations = explain(
            judged.name, failed, judged.observations, golden, judged.hello.conventions or Conventions(running_ddof=0)
        )
    except Exception as error:
        text = f"no diagnosis: {type(error).__name__}: {error}"
        return _with(judged, failed, lambda verdict: text)
    return _with(judged, failed, lambda verdict: _text(verdict, explanations))


def _text(verdict, explanations):
    from .explanation import UNEXPLAINED

    # beside something unexplained a name is a guess, and a wrong name is worse than none
    unexplained = [e for e in explanations if e.name == UNEXPLAINED]
    if unexplained:
        return unexplained[0].text
    texts = [f"{e.name}: {e.text}" for e in explanations if verdict.case in e.cases or verdict.case in e.aside]
    return "; ".join(texts) or None


def _with(judged, failed, text_of):
    chosen = {id(verdict): text_of(verdict) for verdict in failed}
    verdicts = (replace(v, diagnosis=chosen[id(v)]) if id(v) in chosen else v for v in judged.verdicts)
    return replace(judged, verdicts=tuple(verdicts))
