"""Tokens per second: read of a record and over records, drawn from zero, in numbers beside."""

from dataclasses import replace
from pathlib import Path

import pytest
from every import SPEEDS, Open, timed, timed_over

from conformance.benchmarks.figures import PUBLISHED
from conformance.records import Record, Verdict, read, write
from conformance.records.history import Spread, read_history
from conformance.reports import render
from conformance.reports.throughput import courses, in_words, scale, throughput
from conformance.reports.trend import histories

EIGHT = "8b-lora-default"


@pytest.mark.parametrize(
    ("largest", "ticks"),
    [
        (55929.0, [0, 20000, 40000, 60000]),
        (50000.0, [0, 10000, 20000, 30000, 40000, 50000]),
        (0.3, [0, 0.1, 0.2, 0.3]),
        (0.0, [0, 1]),
        (float("nan"), [0, 1]),
    ],
)
def test_a_scale_begins_at_zero_and_ends_at_a_round_number(
    largest: float, ticks: list[float]
) -> None:
    assert scale(largest).ticks == pytest.approx(ticks)
    assert scale(largest).top == scale(largest).ticks[-1]


def test_what_was_measured_is_read_with_its_interval(record: Record) -> None:
    found = throughput(timed(record))
    assert found is not None
    assert found.card == "NVIDIA H100"
    assert [each.training for each in found.speeds] == list(SPEEDS)
    assert found.speeds[0].interval == pytest.approx((11619.86, 11857.0, 12212.71))
    assert (found.speeds[0].published, found.speeds[1].published) == (12473.0, None)
    assert found.speeds[0].about == "2 rows x 4096 tokens"
    assert found.columns == ("peak memory",)


def test_only_what_passed_and_was_timed_counts(record: Record) -> None:
    assert throughput(record) is None
    clause = timed(record).clauses[-1]
    failed = tuple(replace(case, verdict=Verdict.FAIL) for case in clause.cases)
    assert throughput(replace(record, clauses=(replace(clause, cases=failed),))) is None


def test_every_published_figure_is_a_number(record: Record) -> None:
    for said in PUBLISHED.values():
        case = replace(timed(record).clauses[-1].cases[0], evidence={"published": said})
        speed = throughput(timed(record)).speeds[0]  # type: ignore[union-attr]
        assert replace(speed, case=case).published


def test_a_history_keeps_each_trainings_speed(record: Record, tmp_path: Path) -> None:
    write(timed(record), tmp_path)
    (only,) = read_history(tmp_path).snapshots
    assert only.machine == "NVIDIA H100"
    assert only.speeds[EIGHT] == Spread(0.98 * 11857, 11857.0, 1.03 * 11857)
    assert not any("tokens_a_second" in name for _, name in only.spreads)


def test_cards_are_not_set_beside_each_other(record: Record, tmp_path: Path) -> None:
    timed_over(record, tmp_path)
    last = read(tmp_path / "4")
    stack = replace(last.stack, hardware={"card": "NVIDIA H200"})
    write(replace(last, stack=stack), tmp_path / "4")
    found = histories(read_history(tmp_path)).trends
    assert [(trend.device, len(trend.snapshots)) for trend in found] == [
        ("NVIDIA H100", 4), ("NVIDIA H200", 1),
    ]  # fmt: skip


def test_a_course_says_how_far_it_went(record: Record, tmp_path: Path) -> None:
    timed_over(record, tmp_path)
    (trend,) = histories(read_history(tmp_path)).trends
    course = next(each for each in courses(trend.snapshots) if each.training == EIGHT)
    assert course.change == pytest.approx(-0.1)
    assert course.apart
    assert in_words(course).startswith("11,857 → 10,671 (10,458 to 10,991) tokens/s, -10.0%")
    assert [point.x for point in course.points] == [10, 30, 50, 70, 90]
    assert all(p.y_high < p.y < p.y_low <= 100 for p in course.points)


def test_bars_are_as_long_as_what_was_measured(opened: Open, record: Record) -> None:
    page = opened(render(timed(record), "html"))
    widths = [box.bounding_box()["width"] for box in page.locator("rect.median").all()]
    assert widths[1] / widths[0] == pytest.approx(44438 / 11857, rel=0.01)
    lefts = {round(box.bounding_box()["x"]) for box in page.locator("rect.median").all()}
    assert len(lefts) == 1
    mark, first = page.locator(".published").bounding_box(), page.locator(".median").first
    assert mark["x"] > first.bounding_box()["x"] + widths[0]
    said = page.get_by_role("img", name=EIGHT).locator("desc").text_content()
    assert said == "11,857 tokens per second, between 11,620 and 12,213; published 12,473"
    row = page.locator(".numbers tr", has_text=EIGHT)
    assert row.inner_text().split()[1:5] == ["11,857", "11,620", "to", "12,213"]


def test_a_history_draws_each_record(opened: Open, record: Record, tmp_path: Path) -> None:
    page = opened(timed_over(record, tmp_path / "h"))
    figure = page.locator("figure", has_text=EIGHT)
    assert "-10.0 % from first to last; their intervals lie apart" in figure.inner_text()
    dots = [box.bounding_box()["y"] for box in figure.locator(".dot").all()]
    assert len(dots) == 5
    assert dots[3] > dots[0]
    figure.get_by_text("In numbers").click()
    assert figure.locator("tbody tr").count() == 5
