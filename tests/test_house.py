"""The house: what may import what, what importing costs in modules, and that the specification is covered."""

import ast
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from bnconform.conformance.golden.store import Golden
from bnconform.conformance.report.explain import clauses

ROOT = Path(__file__).parent.parent
FRAMEWORKS = ("torch", "tensorflow", "jax", "flax", "keras", "scipy", "matplotlib", "click", "rich")


def modules_after(statement):
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("statement", ["import bnconform", "import bnconform.backends.contract"])
def test_import_loads_no_framework(statement):
    assert not modules_after(statement) & set(FRAMEWORKS)


def test_command_line_help_loads_no_numpy_and_no_framework():
    loaded = modules_after("from bnconform.conformance.cli import main")
    assert not loaded & (set(FRAMEWORKS) - {"click"})


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level) + (node.module or "")


ROOM = {"reference": ("bnconform.backends", "bnconform.conformance"), "backends": ("bnconform.conformance",)}


@pytest.mark.parametrize(
    "path", [p for room in ROOM for p in sorted((ROOT / room).rglob("*.py"))], ids=lambda p: str(p.relative_to(ROOT))
)
def test_room_imports_run_one_way(path):
    forbidden = ROOM[path.relative_to(ROOT).parts[0]]
    assert not [name for name in imports(path) if name.startswith(forbidden)]


@pytest.mark.parametrize("path", sorted((ROOT / "reference/oracle").glob("*.py")), ids=lambda p: p.name)
def test_oracle_shares_no_code_with_the_reference(path):
    outside = [name for name in imports(path) if name.startswith("..") or name.startswith("bnconform")]
    assert [name for name in outside if not name.startswith("bnconform.oracle")] == []


@pytest.mark.parametrize("path", sorted((ROOT / "reference").rglob("*.py")), ids=lambda p: p.name)
def test_core_never_says_the_ambiguous_word(path):
    assert "momentum" not in path.read_text()


def test_every_clause_is_checked_by_a_case_and_every_case_cites_one():
    specified = set(clauses())
    cited = {number for case in Golden().cases.values() for number in case.clauses}
    assert all(case.clauses for case in Golden().cases.values())
    assert cited == specified


def test_clauses_cited_in_code_exist():
    specified = set(clauses())
    for path in [*ROOT.glob("reference/**/*.py"), *ROOT.glob("backends/**/*.py"), *ROOT.glob("conformance/**/*.py")]:
        assert set(re.findall(r"\bBN-\d+\.\d+\b", path.read_text())) <= specified, path.name


def test_package_ships_its_data():
    assert (files("bnconform") / "SPEC.md").is_file()
    assert (files("bnconform.conformance") / "golden" / "v1" / "manifest.json").is_file()
    assert (files("bnconform.backends") / "constraints.txt").is_file()
