"""Judged -> Judged with each failed verdict's diagnosis: the last arrow of the way of a case."""

from dataclasses import replace

from bnconform.backends.contract import Conventions

from ..golden.store import Golden
from ..records import FAILED
from ..run.process import Stopped, Worker, WorkerLost
from ..run.schedule import Judged

TIMEOUT = 20.0  # seconds that a fresh problem may take


class Asking:
    """Puts fresh problems to an implementation, in a worker process that is started with the first. A context."""

    def __init__(self, name: str, device: str):
        self.worker, self.name, self.device, self.gone = None, name, device, False

    def __call__(self, draft):
        """The observation of a draft, None where there is nobody to ask."""
        if self.gone:
            return None
        try:
            if self.worker is None:
                self.worker = Worker(self.name, self.device)
                if self.worker.start().problem:
                    self.gone = True
                    return None
            return self.worker.pose(draft.case, draft.tensors, TIMEOUT)
        except (WorkerLost, Stopped, OSError):
            self.gone = True
            return None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.worker is not None:
            self.worker.stop()


def diagnosed(judged: Judged, golden: Golden) -> Judged:
    """The same, its failed verdicts telling which mistake explains them; nothing to do where nothing failed.

    A mistake of the diagnosis itself must not cost the report: it is said in place of a name.
    """
    failed = [v for v in judged.verdicts if v.status in FAILED and v.kind != "stale"]
    if not failed or judged.hello.problem:
        return judged
    from . import explain  # its candidates are many: loaded only where something failed

    conventions = judged.hello.conventions or Conventions(running_ddof=0)
    try:
        with Asking(judged.name, judged.device) as asking:
            explanations = explain(judged.name, failed, judged.observations, golden, conventions, asking)
    except Exception as error:
        text = f"no diagnosis: {type(error).__name__}: {error}"
        return _with(judged, failed, lambda verdict: text)
    return _with(judged, failed, lambda verdict: _text(verdict, explanations))


def _text(verdict, explanations):
    """What explains this verdict's case; where nothing does, all that was said."""
    mine = [e for e in explanations if verdict.case in e.cases] or explanations
    return "; ".join(e.text if e.text.startswith(e.name) else f"{e.name}: {e.text}" for e in mine) or None


def _with(judged, failed, text_of):
    chosen = {id(verdict): text_of(verdict) for verdict in failed}
    verdicts = (replace(v, diagnosis=chosen[id(v)]) if id(v) in chosen else v for v in judged.verdicts)
    return replace(judged, verdicts=tuple(verdicts))
