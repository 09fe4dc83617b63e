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


def forbidden_imports(folder, forbidden):
    """(file, module) of what the files of a folder import and must not."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    return [(str(p.relative_to(ROOT)), name) for p in paths for name in imports(p) if forbidden(name)]


@pytest.mark.parametrize("room", ROOM)
def test_room_imports_run_one_way(room):
    assert forbidden_imports(room, lambda name: name.startswith(ROOM[room])) == []


def test_oracle_shares_no_code_with_the_reference():
    own = lambda name: name.startswith("bnconform.oracle")
    assert (
        forbidden_imports("reference/oracle", lambda name: name.startswith(("..", "bnconform")) and not own(name)) == []
    )


def test_core_never_says_the_ambiguous_word():
    assert [p.name for p in sorted((ROOT / "reference").rglob("*.py")) if "momentum" in p.read_text()] == []


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


ROOMS = {"reference": "bnconform", "backends": "bnconform.backends", "conformance": "bnconform.conformance"}
MODULES = {
    ".".join([name, *path.relative_to(ROOT / room).with_suffix("").parts]).removesuffix(".__init__"): path
    for room, name in ROOMS.items()
    for path in (ROOT / room).rglob("*.py")
}
# whose command modules nobody else imports
BUILT = ("bnconform.engine._kernels", "bnconform.testing")  # a C extension, and a folder with a name of its own
PRODUCTS = ("identify", "search", "moving", "ports", "accuracy", "bench", "claims", "findings")


def imported(module, path):
    """(module of this package, name imported from it or None) of every import, those within functions included."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: -node.level + 1 or None] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner, None) if inner in MODULES else (base, alias.name)


def cycles(graph):
    """The modules that import each other: what is left once those that need nobody left, or that nobody left needs,
    are taken away again and again."""
    left = {module: set(needs) & graph.keys() for module, needs in graph.items()}
    while True:
        needed = set().union(*left.values()) if left else set()
        ends = {module for module in left if not left[module] or module not in needed}
        if not ends:
            return left
        left = {module: needs - ends for module, needs in left.items() if module not in ends}


def dangling(module, path):
    """Imports of this package's modules that are not there."""
    ours = (name for name, _ in imported(module, path) if name.split(".")[0] == "bnconform")
    return [f"{module}: {name}" for name in ours if name not in MODULES and name not in BUILT]


def imports_of_all():
    """A module -> modules that it imports; of its own packages only what they define, so that these do not count."""
    return {
        module: {
            name for name, _ in imported(module, path) if name in MODULES and not f"{module}.".startswith(f"{name}.")
        }
        for module, path in MODULES.items()
    }


def test_modules_import_each_other_in_no_circle():
    assert cycles(imports_of_all()) == {}


def test_a_circle_of_imports_is_seen():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "c"}}
    assert cycles(graph).keys() == {"b", "c"}


def forbidden(module, path):
    """What a module imports of the commands of others."""
    room = (module.split(".") + ["", ""])[2]
    for name, attribute in imported(module, path):
        theirs = (name.split(".") + ["", ""])[2]
        if theirs in PRODUCTS and theirs != room and name.endswith(".cli"):
            yield f"{module} imports {name}"
        if room in PRODUCTS and name.startswith("bnconform.conformance.run") and (attribute or "").startswith("_"):
            yield f"{module} imports {attribute} of {name}"
        if room in PRODUCTS and name == "bnconform.conformance.run.cli":
            yield f"{module} imports {name}"


def test_no_product_imports_the_command_of_another():
    assert [line for module, path in MODULES.items() for line in forbidden(module, path)] == []


def test_an_import_of_anothers_command_is_seen(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("from ..bench.cli import bench\ndef f():\n    from ..run.cli import run\n")
    assert len(list(forbidden("bnconform.conformance.ports.module", path))) == 2


def test_no_file_lies_beside_a_folder_of_its_name():
    folders = {path.parent for path in MODULES.values()}
    assert [path for path in MODULES.values() if path.with_suffix("") in folders] == []


def test_every_import_of_the_package_leads_somewhere():
    assert [found for module, path in MODULES.items() for found in dangling(module, path)] == []


def test_an_import_that_leads_nowhere_is_seen(tmp_path):
    path = tmp_path / "timing.py"
    path.write_text("def f():\n    from .drivers import Driver\n")
    assert dangling("bnconform.conformance.bench.timing", path) == [
        "bnconform.conformance.bench.timing: bnconform.conformance.bench.drivers"
    ]
