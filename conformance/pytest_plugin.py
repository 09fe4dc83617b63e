"""pytest --bn-backend NAME: one test a case, in a porter's own repository.

NAME is anything that `bnconform run` takes. `--bn-quick`, `--bn-case PATTERN`, `--bn-device` and `--bn-known FILE` do
what the command's options do.
"""

from dataclasses import replace

import pytest


def pytest_addoption(parser):
    group = parser.getgroup("bnconform", "conformance of a batch normalization backend")
    group.addoption(
        "--bn-backend", metavar="NAME", help="judge this implementation: a built-in name or package.module:Class"
    )
    group.addoption("--bn-quick", action="store_true", help="only the quick cases")
    group.addoption("--bn-case", action="append", default=[], metavar="PATTERN", help="only cases that match")
    group.addoption("--bn-device", default="cpu", choices=["cpu", "gpu"])
    group.addoption("--bn-known", action="append", default=[], metavar="FILE", help="known differences of the backend")


def pytest_collection_modifyitems(session, config, items):
    name = config.getoption("--bn-backend")
    if not name:
        return
    from .run.plan import Options, check_name, known_for, select
    from .run.supervisor import Supervisor
    from .run.use import WRONG_USE
    from .text import line

    options = Options(device=config.getoption("--bn-device"), known=tuple(config.getoption("--bn-known")))
    try:
        check_name(name)
        cases = select(options.golden, tuple(config.getoption("--bn-case")), config.getoption("--bn-quick"))
        known = known_for(name, options)
    except WRONG_USE as error:
        raise pytest.UsageError(line(error)) from None
    supervisor = Supervisor(name, options)
    hello = supervisor.open()
    config.add_cleanup(supervisor.close)
    if hello.problem:
        raise pytest.UsageError(f"{line(name)}: {line(hello.text)}")
    parent = BackendNode.from_parent(session, name=f"bnconform[{name}]", nodeid=f"bnconform[{name}]")
    parent.supervisor, parent.known, parent.judged = supervisor, known, []
    config.pluginmanager.register(Notes(parent), "bnconform-notes")
    items.extend(CaseItem.from_parent(parent, name=case.id, case=case) for case in cases)


class Notes:
    """At the end of the session, what is no failure and should be known, as a run says it."""

    def __init__(self, parent):
        self.parent = parent

    def pytest_terminal_summary(self, terminalreporter):
        from .report.data import notes
        from .run.schedule import Judged

        supervisor, twice, verdicts = self.parent.supervisor, {}, []
        for found, observation in self.parent.judged:
            verdicts += found
            if observation.differing is not None:
                twice[observation.case] = observation.differing
        judged = Judged(supervisor.name, supervisor.hello, "cpu", tuple(verdicts), twice=twice)
        for note in notes(judged):
            terminalreporter.write_line(f"note {self.parent.name}: {note}", yellow=True)


class BackendNode(pytest.Collector):
    """The implementation whose cases are tests."""

    def collect(self):
        return []


class CaseItem(pytest.Item):
    """One case: passes if all its outputs pass or deviate as known; skipped if all of it is unsupported."""

    def __init__(self, *, case, **keywords):
        super().__init__(**keywords)
        self.case = case

    def runtest(self):
        from .records import FAILED
        from .run.schedule import judge_case

        verdicts, observation = judge_case(self.parent.supervisor, self.case, self.parent.known)
        self.parent.judged.append((verdicts, replace(observation, outputs={})))
        bad = [v for v in verdicts if v.status in FAILED]
        if bad:
            raise CaseFailed(bad)
        statuses = {v.status for v in verdicts}
        if statuses == {"unsupported"}:
            pytest.skip(f"unsupported: {verdicts[0].message}")
        if "pass" not in statuses:
            pytest.skip(f"known difference: {next(v.message for v in verdicts if v.status == 'deviates')}")

    def repr_failure(self, excinfo, style=None):
        if not isinstance(excinfo.value, CaseFailed):
            return super().repr_failure(excinfo, style)
        lines = [f"{self.case.id}: {self.case.says} [{', '.join(self.case.clauses)}]"]
        lines += [f"  {v.output} {v.status}: {v.kind}: {v.message}" for v in excinfo.value.verdicts]
        return "\n".join([*lines, f"  bnconform run {self.parent.supervisor.name} -k {self.case.id}"])

    def reportinfo(self):
        return self.path, None, f"{self.parent.name} {self.case.id}"


class CaseFailed(Exception):
    """Verdicts that are not as they should be."""

    def __init__(self, verdicts):
        super().__init__(f"{len(verdicts)} outputs")
        self.verdicts = verdicts
