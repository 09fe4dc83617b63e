"""Findings: defects and undocumented divergences of current framework releases, each a text ready to file upstream.

A text is a Markdown file: a title, a list of fields, what is expected and got, a script of at most 20 lines, the cause.
A script ends by printing a last line that begins with "reproduces" or "gone", and exits 0 either way.
"""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parent
FIELDS = ("framework", "seen on", "kind", "upstream", "guarded by", "known difference")
KINDS = ("defect", "undocumented divergence")
LINES = 20  # the most a script may have
MODULES = ("torch", "tensorflow", "jax", "flax", "keras")  # frameworks that a script may need


@dataclass(frozen=True)
class Finding:
    """One text, taken apart. cases: ids of those that guard it. known: implementations that declare it."""

    name: str
    title: str
    fields: dict[str, str]
    text: str
    script: str

    @property
    def cases(self) -> tuple[str, ...]:
        return tuple(re.findall(r"`([^`]+)`", self.fields["guarded by"])) if not self._none("guarded by") else ()

    @property
    def known(self) -> tuple[str, ...]:
        return () if self._none("known difference") else tuple(self.fields["known difference"].split(", "))

    def _none(self, field):
        return self.fields[field].startswith("none")

    @property
    def needs(self) -> tuple[str, ...]:
        """The frameworks that the script loads, that of Keras included."""
        loaded = set(re.findall(r"^(?:import|from) (\w+)", self.script, re.M)) | set(
            re.findall(r'KERAS_BACKEND"\] = "(\w+)"', self.script)
        )
        return tuple(module for module in MODULES if module in loaded)

    def missing(self) -> tuple[str, ...]:
        """The needed frameworks that are not installed (nothing is imported to find out)."""
        return tuple(module for module in self.needs if importlib.util.find_spec(module) is None)

    def as_seen(self) -> bool:
        """Whether all needed frameworks have a version that the text was written about."""
        return set(map(version, self.needs)) <= set(re.split(r"[ ,()]+", self.fields["seen on"]))


def version(module: str) -> str:
    """The installed version of a framework, without a build's local part."""
    for name in metadata.packages_distributions().get(module, [module]):
        return metadata.version(name).partition("+")[0]


def parse(path: Path) -> Finding:
    """A finding from its file. Errors: ValueError, saying what the text lacks."""
    text = path.read_text()
    title = re.match(r"# (.+)\n", text)
    script = re.search(r"^```python\n(.*?)^```$", text, re.S | re.M)
    fields = dict(re.findall(r"^- ([a-z ]+): (.+)$", text.split("\n## ")[0], re.M))
    lacks = [heading for heading in ("## Expected", "## Got", "## Script", "## Cause") if f"\n{heading}\n" not in text]
    if not (title and script) or lacks or tuple(fields) != FIELDS or fields["kind"] not in KINDS:
        raise ValueError(
            f"{path.name} needs a title, the fields {', '.join(FIELDS)}, a script and four sections; "
            f"lacks {lacks}, has {tuple(fields)}"
        )
    return Finding(path.stem, title[1], fields, text, script[1])


@cache
def findings() -> dict[str, Finding]:
    """All findings by name, in the order of their names."""
    return {path.stem: parse(path) for path in sorted(FOLDER.glob("*.md")) if path.name != "README.md"}


@dataclass(frozen=True)
class Outcome:
    """status: "reproduces", "gone", "not installed" or "broken"; words: the script's last line, or why there is
    none."""

    status: str
    words: str


def run(finding: Finding, timeout: float = 300) -> Outcome:
    """The script in a process of its own."""
    if finding.missing():
        return Outcome("not installed", ", ".join(finding.missing()))
    # the scripts choose the backend of Keras themselves; TensorFlow is told to keep its log to itself
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"} | {
        "TF_CPP_MIN_LOG_LEVEL": "3"
    }
    try:
        command = [sys.executable, "-c", finding.script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        return Outcome("broken", f"no end after {timeout:.0f} s")
    last = (done.stdout.strip().splitlines() or [""])[-1]
    status = re.match(r"reproduces|gone", last)
    if done.returncode or not status:
        return Outcome(
            "broken", (done.stderr.strip().splitlines() or [f"exit status {done.returncode}, last line {last!r}"])[-1]
        )
    return Outcome(status[0], last)
