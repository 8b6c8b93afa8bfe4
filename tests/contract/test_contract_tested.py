"""Which clauses have tests, found in a suite's source."""

from pathlib import Path

import pytest

from conformance import contract
from conformance.contract import Contract, ContractError, load, untested

SOURCE = '''
import does_not_exist
from conformance.marks import clause, sweep

@clause("frozen.bit-identical")
@sweep()
def test_base(scenario):
    """Never imported."""

@clause("frozen.no-gradient", "frozen.bit-identical")
def test_both():
    pass

class TestGroup:
    @marks.clause("frozen.optimizer-groups")
    def test_inside(self):
        pass

@clause("frozen.disabled-logits")
def helper():
    pass

@sweep()
def test_of_nothing():
    pass
'''


@pytest.fixture
def frozen() -> Contract:
    return Contract((load().chapter("frozen"),))


def suite(folder: Path, source: str) -> Path:
    (folder / "test_frozen.py").write_text(source, encoding="utf-8")
    (folder / "other.py").write_text('@clause("no.such")\ndef test_x(): ...\n', encoding="utf-8")
    return folder


def test_finds_tests_in_the_contracts_order(tmp_path: Path, frozen: Contract) -> None:
    found = contract.tested(frozen, suite(tmp_path, SOURCE))
    assert list(found.items()) == [
        ("frozen.bit-identical", ("test_frozen.py::test_base", "test_frozen.py::test_both")),
        ("frozen.no-gradient", ("test_frozen.py::test_both",)),
        ("frozen.optimizer-groups", ("test_frozen.py::test_inside",)),
    ]


def test_the_rest_is_untested(tmp_path: Path, frozen: Contract) -> None:
    ids = {clause.id for clause in untested(frozen, suite(tmp_path, SOURCE))}
    assert {"frozen.disabled-logits", "frozen.modules-to-save"} <= ids
    assert "frozen.bit-identical" not in ids


def test_nothing_is_tested_where_there_is_no_suite(tmp_path: Path, frozen: Contract) -> None:
    assert untested(frozen, tmp_path / "missing") == frozen.clauses


@pytest.mark.parametrize(
    ("decorator", "message"),
    [
        ('clause("frozen.bit-identicle")', "did you mean frozen.bit-identical"),
        ("clause()", "at least one"),
        ("clause", "at least one"),
        ("clause(NAME)", "literal strings"),
        ('clause("frozen.no-gradient", NAME)', "literal strings"),
        ("clause(7)", "literal strings"),
    ],
)
def test_refuses_what_names_no_clause(
    tmp_path: Path, frozen: Contract, decorator: str, message: str
) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        contract.tested(frozen, suite(tmp_path, f"@{decorator}\ndef test_x():\n    pass\n"))
    assert "test_frozen.py::test_x" in str(caught.value)
