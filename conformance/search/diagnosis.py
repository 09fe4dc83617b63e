"""What is wrong with a problem, in words that hold for it as it came and as it was shrunk."""

import tempfile
from pathlib import Path

from ..cases.draft import Draft
from ..diagnosis import explain
from ..golden.freeze import write
from ..golden.store import Golden
from ..judge.compare import judge
from ..records import FAILED
from . import edits

LARGE = 4096  # values beyond which the problem as it came is not diagnosed, only the shrunk one
BUDGET = 3.0  # processor seconds of one diagnosis


def diagnosis(asker, conventions, before: Draft, after: Draft) -> str:
    """What explains both problems; shrinking may not turn one mistake into another."""
    asked = [before, after] if edits.count(before) <= LARGE else [after]
    drafts = [edits.with_case(draft, id=f"search/{place}") for place, draft in enumerate(asked)]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), drafts)
        golden = Golden(Path(folder), edition=Golden(Path(folder)).hash)
        observations = {draft.case.id: asker.ask(draft) for draft in drafts}
        judged = [judge(asker.name, observations[id], case, golden, conventions) for id, case in golden.cases.items()]
        failed = [verdict for verdicts in judged for verdict in verdicts if verdict.status in FAILED]
        found = explain(asker.name, failed, observations, golden, conventions, budget=BUDGET)
    return "; ".join(f"{each.name}: {each.text}" if each.name != "unexplained" else each.text for each in found)
