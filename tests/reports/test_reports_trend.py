"""Histories: in which order, when clauses turned and what moved there, how numbers drift."""

import io
from dataclasses import replace

import pytest
from hostile import MARKUP
from rich.console import Console

from conformance.records import Record, Stack, Verdict
from conformance.records.history import History, Snapshot, Spread
from conformance.reports.markdown_blocks import COMMENT
from conformance.reports.sparklines import HEIGHT, WIDTH, bars, curve
from conformance.reports.trend import Histories, Order, histories, since
from conformance.reports.trend_pages import trend_html, trend_markdown
from conformance.reports.trend_terminal import show_histories

CLAUSE = "frozen.bit-identical"
EMPTY = Snapshot("", "", Stack("3.11.7", "Linux", "cpu", {}), "quick", "t:T", {}, {}, {})


def at(transformers: str, day: int, verdict: str = "pass", size: float = 1.0) -> Snapshot:
    packages = {"transformers": transformers, "peft": "0.21.2"}
    return replace(
        EMPTY,
        place=f"{transformers}-{day}",
        started=f"2026-01-{day:02}T00:00:00+00:00",
        stack=replace(EMPTY.stack, packages=packages),
        verdicts={CLAUSE: Verdict(verdict)},
        levels={CLAUSE: "MUST"},
        spreads={(CLAUSE, "bytes"): Spread(size, size, 2 * size)},
    )


def over(*snapshots: Snapshot, order: Order = Order.RELEASE) -> Histories:
    return histories(History(snapshots, {"bad.json": "is not JSON"}), order)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.RELEASE, ["odd", "4.57.1", "5.9.0", "5.10.0rc1", "5.10.0"]),
        (Order.DATE, ["5.9.0", "5.10.0", "4.57.1", "5.10.0rc1", "odd"]),
    ],
)
def test_orders(order: Order, expected: list[str]) -> None:
    given = [("5.10.0", 2), ("odd", 5), ("5.9.0", 1), ("4.57.1", 3), ("5.10.0rc1", 4)]
    (trend,) = over(*(at(*each) for each in given), order=order).trends
    assert [each.stack.packages["transformers"] for each in trend.snapshots] == expected


def test_only_comparable_records_make_a_trend() -> None:
    one = at("5.0.0", 1)
    other = replace(one, profile="full")
    found = over(one, other, at("5.1.0", 2))
    assert [len(trend.snapshots) for trend in found.trends] == [2, 1]
    assert found.of("t:T", "full", "cpu") is found.trends[1]
    assert found.of("t:T", "full", "cuda") is None


def test_a_turn_says_from_which_stack_to_which() -> None:
    (trend,) = over(at("5.1.0", 3, "fail"), at("5.0.0", 1), at("5.0.0", 2)).trends
    ((turn,),) = trend.turns.values()
    assert (turn.before, turn.after, turn.worse) == (Verdict.PASS, Verdict.FAIL, True)
    assert turn.moved == {"transformers": ("5.0.0", "5.1.0")}
    assert since(turn) == "2026-01-03, transformers 5.0.0 → 5.1.0"
    assert trend.history(CLAUSE) == ((Verdict.PASS, 2), (Verdict.FAIL, 1))


def test_records_that_did_not_run_a_clause_are_passed_over() -> None:
    verdicts = ["pass", "not-run", "fail", "not-run", "fail"]
    (trend,) = over(*(at(f"5.{n}.0", 1, each) for n, each in enumerate(verdicts))).trends
    ((turn,),) = trend.turns.values()
    assert turn.moved == {"transformers": ("5.0.0", "5.2.0")}


def test_what_nothing_moved_for_is_said() -> None:
    (trend,) = over(at("5.0.0", 1), at("5.0.0", 2, "fail")).trends
    ((turn,),) = trend.turns.values()
    assert since(turn) == "2026-01-02, with nothing in the stack moved"


@pytest.mark.parametrize(
    ("sizes", "change"), [((1, 2), 0.5), ((2, 1), -0.5), ((0, 0), 0), ((0, 3), 1), ((-1, 1), 2)]
)
def test_drift(sizes: tuple[float, float], change: float) -> None:
    (trend,) = over(*(at(f"5.{n}.0", 1, "pass", size) for n, size in enumerate(sizes))).trends
    (drift,) = trend.drifts
    assert drift.change == change
    assert (drift in trend.moving) == bool(change)


def test_curves_stay_inside_and_hide_no_extreme() -> None:
    spreads = [Spread(1.0, 1.0, 1.0)] * 1000
    spreads[777] = Spread(-5.0, 1.0, 9.0)
    drawn = curve(spreads)
    points = [tuple(map(float, point.split(","))) for point in drawn.band.split()]
    assert len(points) == 120
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert {y for _, y in points} >= {2.0, HEIGHT - 2.0}
    assert drawn.label == "1000 records, median from 1 to 1, between -5 and 9"


def test_bars() -> None:
    assert bars([Spread(n, n, n) for n in (0.0, 1.0, 0.5)]) == "▁█▅"
    assert bars([Spread(3.0, 3.0, 3.0)] * 40) == "▁" * 16


def shown(found: Histories) -> str:
    file = io.StringIO()
    show_histories(found, Console(file=file, width=120))
    return file.getvalue()


def test_the_terminal_says_it_all() -> None:
    text = shown(over(at("5.0.0", 1), at("5.1.0", 2, "fail", 4.0)))
    assert f"fail {CLAUSE} MUST, was pass until 2026-01-02, transformers 5.0.0 → 5.1.0" in text
    assert f"{CLAUSE} bytes" in text
    assert "+75.0%" in text
    assert "skipped bad.json: is not JSON" in text
    assert text.splitlines()[-1] == (
        "2 records by release, 1 file skipped, 1 clause worse since the last turn"
    )


def test_a_history_without_records(record: Record) -> None:
    assert shown(over()).splitlines()[-1].startswith("0 records by release")
    assert trend_markdown(over()).startswith("# 0 records by release")
    assert "0 records by release" in trend_html(over())


def test_markdown_of_a_long_hostile_history() -> None:
    named = {f"{MARKUP}{n}": Verdict.PASS for n in range(900)}
    levels = dict.fromkeys(named, "MUST")
    one = replace(at(MARKUP, 1), verdicts=named, levels=levels)
    two = replace(one, started=MARKUP, verdicts=dict.fromkeys(named, Verdict.FAIL))
    text = trend_markdown(over(one, two))
    assert len(text.encode()) <= COMMENT
    assert "lines above" in text.splitlines()[-1]
    assert "<script" not in text.replace("\\<script", "")
