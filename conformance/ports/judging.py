"""A filled folder -> observations -> judged the one way: a `FileSupervisor` stands where a run has a supervisor with a
worker."""

import os
from collections import defaultdict
from pathlib import Path

from bnconform.backends.needs import refusal

from ..golden.store import Golden
from ..judge import known as known_differences
from ..judge.allowances import output_dtype
from ..records import Case, Failure, Observation, Verdict
from ..run.plan import Options, UsageError
from ..run.schedule import Judged, judge_case, telling
from . import reading
from .declaration import MOST, parse_json, read_declaration
from .folder import FORMATS, SCHEMA, case_folder, is_empty, store

WORDS = 2000  # characters of error.txt that are kept
MOST_EXTRA = 10  # extra things that are named one by one


class Folder:
    """An exported folder that a port has filled in. Errors: UsageError where it cannot be judged at all."""

    def __init__(self, path: Path, golden: Golden):
        self.golden = golden
        try:
            self.root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise UsageError(
                f"cannot read {path}: {error.strerror}, expected a folder that `bnconform export` made"
            ) from None
        try:
            about = parse_json("export.json", self._need("export.json"))
            self.format, self.cases = self._format(about), self._cases(about)
            self.name, self.hello = read_declaration(self._need("port.json"))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self.root)

    def _need(self, name):
        try:
            blob = reading.read(self.root, name, MOST)
        except reading.Refused as error:
            raise UsageError(str(error)) from None
        if blob is None:
            raise UsageError(f"{name} is missing, expected in a folder that `bnconform export` made")
        return blob

    def _format(self, about):
        expected = {"schema": SCHEMA, "golden": self.golden.hash}
        for key, value in expected.items():
            if about.get(key) != value:
                raise UsageError(
                    f"export.json has {key} {str(about.get(key))[:80]!r}, expected {value!r}: "
                    "export again with this version"
                )
        if about.get("format") not in FORMATS:
            raise UsageError(
                f"export.json has format {str(about.get('format'))[:80]!r}, expected one of {', '.join(FORMATS)}"
            )
        return about["format"]

    def _cases(self, about):
        ids = about.get("cases")
        if not (isinstance(ids, list) and ids and all(isinstance(id, str) for id in ids) and len(set(ids)) == len(ids)):
            raise UsageError("export.json has no list of different cases: zero cases prove nothing")
        for id in ids:
            if id not in self.golden.cases:
                raise UsageError(f"export.json has case {id[:80]!r}, which these golden vectors do not have")
        return [self.golden.cases[id] for id in ids]

    def unexpected_files(self) -> list[str]:
        """What lies among the cases and belongs to none, one line each."""
        known = defaultdict(set)
        for case in self.cases:
            parts = case_folder(case.id).split("/")
            for depth in range(1, len(parts)):
                known["/".join(parts[:depth])].add(parts[depth])
        lines = []
        for path, names in known.items():
            try:
                found = reading.listing(self.root, path)
            except reading.Refused as error:
                lines.append(str(error))
                continue
            lines += _short(
                [f"{path}/{name[:80]!r} belongs to no case that was exported" for name in found if name not in names]
            )
        return lines


def _short(lines):
    return lines if len(lines) <= MOST_EXTRA else [*lines[:MOST_EXTRA], f"and {len(lines) - MOST_EXTRA} more like it"]


class FileSupervisor:
    """Observes a case by reading its files; the same face as `Supervisor`, so that `judge_case` need not know."""

    def __init__(self, folder: Folder, options: Options):
        self.folder, self.options = folder, options
        self.name, self.hello = folder.name, folder.hello
        self.seconds, self.lost_between = defaultdict(float), None
        self.extra: list[str] = []  # what the case just observed has too much

    def observe(self, case: Case, twice: bool = False) -> Observation:
        """Outputs that are filled in, or why there are none; what cannot be read costs this case only.

        twice: files would say the same again, and are not asked.
        """
        self.extra = []
        reason = refusal(self.hello.conventions, case, self.options.device)
        if reason:
            return Observation(case.id, {}, failure=Failure("unsupported", "", reason))
        self.extra = self._extra(case)
        error = self._error(case)
        if error:
            return Observation(case.id, {}, failure=error)
        outputs, problems = self._outputs(case)
        failure = Failure("garbage", "file", "; ".join(problems)) if problems else None
        if case.raises and not failure:
            failure = Failure(
                "missing", "", f"error.txt is not there, expected it: the case is out of the domain [{case.raises}]"
            )
        return Observation(case.id, outputs, self._changed(case), failure)

    def _read(self, path, most):
        return reading.read(self.folder.root, path, most)

    def _error(self, case):
        """What the port says of an error of its own."""
        try:
            blob = self._read(f"{case_folder(case.id)}/error.txt", MOST)
        except reading.Refused as error:
            return Failure("garbage", "file", str(error))
        text = (
            blob and "".join(c if c.isprintable() else " " for c in blob[: 4 * WORDS].decode(errors="replace")).strip()
        )
        return Failure("raised", "error.txt", text[:WORDS] or "no words") if blob is not None else None

    def _outputs(self, case):
        """(filled tensors by name, one line for each file that cannot be read)."""
        found, problems = {}, []
        conventions = self.hello.conventions
        kinds = (
            {name: output_dtype(case, name.split(".", 1)[1], conventions) for name in case.outputs()}
            if not case.raises
            else {}
        )
        for path, names, most in self._files(case, kinds):
            try:
                blob = self._read(path, most)
                if blob is None:
                    problems.append(f"{path}: is missing")
                elif self.folder.format == "npy":
                    found[names[0]] = reading.npy(path, blob, kinds[names[0]] == "bfloat16")
                else:
                    found |= reading.safetensors(path, blob)
            except reading.Refused as error:
                problems.append(str(error))
        self.extra += _short([f"tensor {name[:80]!r} is no output of this case" for name in found if name not in kinds])
        filled = {name: array for name, array in found.items() if name in kinds and not is_empty(array)}
        if not any(array.size for array in filled.values()):  # only slots without elements: nobody has written anything
            filled = {}
        return filled, problems

    def _files(self, case, kinds):
        """(path, outputs in it, the most bytes it may have): as if all were float64, and again as much, for other
        headers."""
        folder, wanted = case_folder(case.id), self.folder.golden.wanted(case, 0) if kinds else {}
        sizes = {name: wanted[name][0].size * 16 + reading.HEADER for name in kinds}
        if self.folder.format == "npy":
            return [(f"{folder}/outputs/{name}.npy", (name,), sizes[name]) for name in kinds]
        return [(f"{folder}/outputs.safetensors", tuple(kinds), sum(sizes.values()))] if kinds else []

    def _changed(self, case):
        """Inputs that are not as they were exported [BN-8.3]; a port may well delete them."""
        files, _ = store(self.folder.format, case_folder(case.id), "inputs", self.folder.golden.inputs(case))
        changed = []
        for path, blob in files.items():
            try:
                now = self._read(path, len(blob))
            except reading.Refused as error:
                changed.append(str(error))
                continue
            changed += [f"{path} is not as it was exported"] if now not in (None, blob) else []
        return tuple(changed)

    def _extra(self, case):
        """Names in the case's folder that nobody exported or asked for."""
        folder = case_folder(case.id)
        expected = {
            folder: {"case.json", "error.txt"}
            | {f"expected-ddof{d}{end}" for d in (0, 1) for end in ("", ".safetensors")}
        }
        if self.folder.format == "npy":
            expected[folder] |= {"inputs", "outputs"}
            expected[f"{folder}/outputs"] = {f"{name}.npy" for name in case.outputs()}
        else:
            expected[folder] |= {"inputs.safetensors", "outputs.safetensors"}
        lines = []
        for path, names in expected.items():
            try:
                lines += [
                    f"{path}/{name[:80]!r} was not asked for"
                    for name in reading.listing(self.folder.root, path)
                    if name not in names
                ]
            except reading.Refused:
                pass  # said where the files in it are read
        return _short(lines)


def judge_folder(folder: Folder, options: Options, listener) -> Judged:
    """Every case of a folder through the one way."""
    supervisor, verdicts, observations = FileSupervisor(folder, options), [], {}
    known = known_differences.of(supervisor.name, options.known)
    known_differences.check_ids(known, {case.id: case.outputs() for case in options.golden.cases.values()})
    listener.started(supervisor.name, len(folder.cases))
    for case in folder.cases:
        found, observation = judge_case(supervisor, case, known)
        found += [
            Verdict(supervisor.name, case.id, "files", "fail", kind="extra", message=line) for line in supervisor.extra
        ]
        verdicts += found
        if telling(case, found):
            observations[case.id] = observation
        listener.judged(supervisor.name, case.id, found)
    judged = Judged(supervisor.name, supervisor.hello, "files", tuple(verdicts), observations, dict(supervisor.seconds))
    listener.finished(judged)
    return judged
