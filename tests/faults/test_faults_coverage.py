"""A clause that cannot fail does not count: every MUST that has a test has a fault."""

from collections import Counter

import pytest

from conformance import contract
from conformance.faults import Fault, faults
from conformance.faults.selecting import select
from conformance.options import UsageError

TWICE = ("frozen", "checkpoint", "resume", "accumulation", "loss", "quantized")


def test_every_tested_must_has_a_fault() -> None:
    tested = contract.tested(contract.load())
    musts = {c.id for c in contract.load().clauses if c.level == "MUST" and tested.get(c.id)}
    assert musts - {fault.clause for fault in faults().values()} == set()


@pytest.mark.parametrize("chapter", TWICE)
def test_every_must_of_these_chapters_has_two(chapter: str) -> None:
    clauses = contract.load().chapter(chapter).clauses
    planted = Counter(fault.clause for fault in faults().values())
    musts = [clause.id for clause in clauses if clause.level == "MUST"]
    assert musts
    assert [identifier for identifier in musts if planted[identifier] < 2] == []


@pytest.mark.parametrize("fault", faults().values(), ids=list(faults()))
def test_fault_names_a_clause_and_tells_its_story(fault: Fault) -> None:
    assert contract.load().clause(fault.clause)
    assert fault.story.endswith("."), fault.name


def test_selecting() -> None:
    assert [fault.name for fault in select(["beta-slightly-off"], [])] == ["beta-slightly-off"]
    assert {fault.clause for fault in select([], ["signature"])} == {
        "signature.train-parameters",
        "signature.import-path",
        "signature.model-at-init",
    }
    assert len(select([], [])) == len(faults())
    with pytest.raises(UsageError, match="unknown fault 'zzz'"):
        select(["zzz"], [])
