"""What is tried is counted, with what it got, whether that is a finding or not."""

import pytest

from conformance.checks.trying import ERROR, tried
from conformance.compat import Unavailable
from conformance.judging import Violation, collect_evidence


def test_each_outcome_is_counted() -> None:
    collect_evidence()
    for _ in range(2):
        with tried("cut"):
            pass
    with tried("cut") as got:
        got(ERROR)
    with pytest.raises(Violation), tried("cut"):
        raise Violation("it", "gone", "there")
    with pytest.raises(Unavailable), tried("cut"):
        raise Unavailable("not here")
    assert collect_evidence() == {
        "tried cut: as unhurt": 2,
        "tried cut: an error": 1,
        "tried cut: neither": 1,
    }
