from collections.abc import Collection
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.environments.search import Found, Outcome, Search

SIGNS = {"+": Outcome.GOOD, "-": Outcome.BAD, "?": Outcome.UNKNOWN}


def line(signs: str) -> Search:
    return Search(len(signs), lambda at: SIGNS[signs[at]])


@st.composite
def broken_lines(draw: st.DrawFn) -> tuple[int, int, frozenset[int]]:
    """A length, the first bad position (from 1) and positions that cannot be judged."""
    length = draw(st.integers(2, 120))
    first = draw(st.integers(1, length - 1))
    return length, first, draw(st.frozensets(st.integers(0, length - 1)))


def search(length: int, first: int, unknown: Collection[int]) -> Search:
    def judge(at: int) -> Outcome:
        if at in unknown:
            return Outcome.UNKNOWN
        return Outcome.BAD if at >= first else Outcome.GOOD

    return Search(length, judge)


@given(broken_lines())
def test_between_two_ends_the_first_bad_is_found_in_few_steps(
    drawn: tuple[int, int, frozenset[int]],
) -> None:
    length, first, unknown = drawn
    unknown = unknown - {0, length - 1}
    tried = search(length, first, unknown)
    assert (tried.outcome(0), tried.outcome(length - 1)) == (Outcome.GOOD, Outcome.BAD)
    good = max(at for at in range(first) if at not in unknown)
    bad = min(at for at in range(first, length) if at not in unknown)
    assert tried.narrow(0, length - 1) == Found(good, bad, tuple(range(good + 1, bad)))
    skipped = sum(at in unknown for at in tried.known)
    assert len(tried.known) - skipped - 2 <= ceil(log2(length))


@given(broken_lines())
def test_the_ends_are_found_too(drawn: tuple[int, int, frozenset[int]]) -> None:
    length, first, unknown = drawn
    tried = search(length, first, unknown)
    end = tried.last_bad()
    goods = [at for at in range(first) if at not in unknown]
    bads = [at for at in range(first, length) if at not in unknown]
    assert end == (bads[-1] if bads else None)
    if end is None:
        return
    good = tried.good_before(end)
    if not goods:
        assert good is None
        return
    assert good in goods
    assert tried.narrow(good, end) == Found(
        goods[-1], bads[0], tuple(range(goods[-1] + 1, bads[0]))
    )
    skipped = sum(at in unknown for at in tried.known)
    assert len(tried.known) - skipped <= 2 * ceil(log2(length)) + 3


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("+-", Found(0, 1)),
        ("+++++---", Found(4, 5)),
        ("+?-", Found(0, 2, (1,))),
        ("++??????-", Found(1, 8, tuple(range(2, 8)))),
    ],
)
def test_found(signs: str, expected: Found) -> None:
    tried = line(signs)
    tried.outcome(0), tried.outcome(len(signs) - 1)
    assert tried.narrow(0, len(signs) - 1) == expected


def test_what_changed_more_than_once_is_said_where_it_was_judged() -> None:
    tried = line("-+++--+-")
    for at in range(8):
        tried.outcome(at)
    assert tried.narrow(3, 5) == Found(3, 4, (), (0, 6))


@pytest.mark.parametrize("signs", ["+++", "++?", "???", "?"])
def test_no_bad_end(signs: str) -> None:
    assert line(signs).last_bad() is None


@pytest.mark.parametrize("signs", ["---", "?--", "??-", "-"])
def test_no_good_end(signs: str) -> None:
    assert line(signs).good_before(len(signs) - 1) is None


def test_a_good_one_that_the_last_step_jumped_over() -> None:
    tried = line("???++---")
    assert tried.good_before(7) in (3, 4)
    assert line("??+???????---").good_before(12) == 2


def test_nothing_is_judged_twice() -> None:
    seen: list[int] = []

    def judge(at: int) -> Outcome:
        seen.append(at)
        return Outcome.BAD if at > 6 else Outcome.GOOD

    tried = Search(12, judge)
    end = tried.last_bad()
    assert end is not None
    good = tried.good_before(end)
    assert good is not None
    tried.narrow(good, end)
    assert len(seen) == len(set(seen))
