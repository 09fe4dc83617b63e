"""Comparison: what is measured is what implementations do, and the page in the docs is not stale."""

import json

import pytest
from click.testing import CliRunner

from bnconform.conformance.cli import main
from bnconform.conformance.moving import pages
from bnconform.conformance.moving.compare import ADVICE, differences, measured
from bnconform.conformance.moving.layers import HOMES
from bnconform.conformance.moving.layers.core import CoreLayer
from bnconform.conformance.moving.probes import RATIOS, Row, ask_all
from bnconform.conformance.moving.questions import QUESTIONS

DATA = json.loads(pages.DATA.read_text())
PRECISION = "y is wrong in the third digit (float32)"


@pytest.mark.parametrize("name", ["core", "torch", "flax-linen"])
def test_page_is_what_is_measured_now(name):
    """Measured again; where digits are lost may move by a step from processor to processor."""
    if HOMES[name].missing():
        pytest.skip(f"{HOMES[name].missing()[0]} is not installed")
    now = measured(name)
    if now["version"] != DATA["versions"][name]:
        pytest.skip(f"{name} {now['version']}; the page is about {DATA['versions'][name]}")
    then = {row.property: row for row in pages.rows_of(DATA)[name]}
    for row in now["rows"]:
        if row.property == PRECISION:
            place = lambda ratio: RATIOS.index(ratio) if ratio else len(RATIOS)
            assert abs(place(row.key) - place(then[PRECISION].key)) <= 1
        else:
            assert (row.finding, row.key) == (then[row.property].finding, then[row.property].key), row.property


def test_page_is_generated_from_its_data():
    assert pages.PAGE.read_text() == pages.page(DATA)


def test_readme_has_the_pairs_as_measured():
    assert pages.pairs_block() in pages.README.read_text()


def test_every_pair_holds_or_says_why():
    cells = json.loads(pages.PAIRS.read_text())["cells"]
    assert set(cells) == set(HOMES)
    for source, row in cells.items():
        assert set(row) == set(HOMES)
        for target, ranks in row.items():
            assert len(ranks) == 4
            assert all("why" in cell or cell["worst"] <= 1 for cell in ranks.values()), (source, target)


def test_every_row_has_advice():
    assert {row["property"] for rows in DATA["rows"].values() for row in rows} <= set(ADVICE)


class Raw(CoreLayer):
    """What the user's number weighs is turned round."""

    def __init__(self, rank, channels, decay=0.1, **words):
        super().__init__(rank, channels, decay=1 - decay, **words)


class NoEps(CoreLayer):
    def __init__(self, rank, channels, eps=1e-3, **words):
        super().__init__(rank, channels, eps=eps, **words)


@pytest.mark.parametrize(
    "cls, property, finding",
    [
        (Raw, "what the number weighs", "decay weighs the new batch"),
        (Raw, "default momentum", "decay=0.1"),
        (NoEps, "default eps", "eps=0.001"),
    ],
)
def test_probes_find_what_a_layer_does(cls, property, finding):
    assert {row.property: row.finding for row in ask_all(cls)}[property] == finding


def moving(a, b, property):
    rows = pages.rows_of(DATA)
    (found,) = [d for d in differences(a, b, rows[a], rows[b]) if d.property == property]
    return found


@pytest.mark.parametrize(
    "a, b, property, words",
    [
        ("torch", "keras-jax", "default momentum", "`momentum=0.1` -> `momentum=0.9`"),
        ("keras-jax", "torch", "default momentum", "`momentum=0.99` -> `momentum=0.01`"),
        ("torch", "keras-jax", "default eps", "write `epsilon=1e-05`"),
        ("torch", "flax-linen", "running variance", "33% at m = 4"),
        ("torch", "haiku", "default momentum", "`momentum=0.1` -> `decay_rate=0.9`"),
    ],
)
def test_rows_say_what_to_write(a, b, property, words):
    assert words in moving(a, b, property).write


def test_rows_that_agree_are_folded():
    assert moving("torch", "flax-linen", "default eps").equal
    rows = [Row("default eps", "eps=1", 1.0)]
    assert [d.equal for d in differences("core", "core", rows, rows)] == [True]


def invoke(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_command_compares_with_the_definition(tmp_path):
    done = invoke("core", "--json", tmp_path / "rows.json", "--markdown")
    assert done.exit_code == 0 and "Alike: default eps" in done.output, done.output
    assert json.loads((tmp_path / "rows.json").read_text())["schema"] == "bnconform-compare"


@pytest.mark.parametrize("arguments", [(), ("nobody",), ("--question", "nobody")])
def test_command_refuses_wrong_use(arguments):
    assert invoke(*arguments).exit_code == 2


def test_questions_are_listed_with_answer_and_setting():
    done = invoke("--question")
    assert done.exit_code == 0 and len(QUESTIONS) >= 12
    for asked in QUESTIONS.values():
        assert asked.asks in done.output and asked.answer in done.output and asked.setting in done.output


@pytest.mark.parametrize(
    "name, words",
    [
        ("own-layer", "m = 32: 1.57%, m = 64: 0.78%"),
        ("lasagne", "read back 0.500000, 2.000000; momentum 0.1"),
        (
            "synchronized",
            "mean 5.40, variance 13.04; a mean of the means 7.50, 15.50; weighted by the counts 5.40, 13.04",
        ),
        ("correction", "m = 2: factor 2.0000"),
    ],
)
def test_questions_are_measured(name, words):
    assert words in QUESTIONS[name].measure()
