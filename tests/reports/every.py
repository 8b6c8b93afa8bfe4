"""A page of every kind, made of the hand-made record."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.environments.stack_folder import State
from conformance.records import Case, ClauseResult, Record, Verdict, write
from conformance.records.history import read_history
from conformance.reports import render
from conformance.reports.changes import changes
from conformance.reports.comparison_pages import comparison_html
from conformance.reports.matrix import Column, Matrix
from conformance.reports.matrix import html as matrix_html
from conformance.reports.trend import histories
from conformance.reports.trend_pages import trend_html

Open = Callable[..., Any]
SPEEDS = {"8b-lora-default": 11857.0, "0.5b-lora-default": 44438.0}
PUBLISHED = "others, on their own card: 12473 tokens/s, 402 TFLOP/s"


def compared(record: Record) -> str:
    better = replace(record.clauses[0], verdict=Verdict.PASS, cases=record.clauses[0].cases[:1])
    stack = replace(record.stack, packages={"torch": "2.5.0"})
    before = replace(record, clauses=(better, *record.clauses[2:]), stack=stack)
    return comparison_html(changes(before, record))


def followed(record: Record, folder: Path) -> str:
    for number, verdict in enumerate(["pass", "fail", "pass", "fail"]):
        clause = replace(record.clauses[1], verdict=Verdict(verdict))
        case = replace(clause.cases[0], evidence={"bytes": 10.0 * 2**number})
        packages = {"transformers": f"5.{number}.0"}
        at = replace(
            record,
            stack=replace(record.stack, packages=packages),
            clauses=(replace(clause, cases=(case, *clause.cases)), *record.clauses[2:]),
        )
        write(at, folder / str(number))
    (folder / "damaged.json").write_text("{")
    return trend_html(histories(read_history(folder)))


def timed(record: Record, by: float = 1.0) -> Record:
    """The record with two trainings that were timed, ``by`` times as fast as `SPEEDS`."""
    cases = tuple(_timed(name, by * speed) for name, speed in SPEEDS.items())
    clause = ClauseResult("throughput.lora", "throughput", "MUST", Verdict.PASS, "", cases)
    stack = replace(record.stack, device="cuda", hardware={"card": "NVIDIA H100"})
    return replace(record, clauses=(*record.clauses, clause), stack=stack)


def _timed(training: str, speed: float) -> Case:
    evidence: dict[str, float | int | str] = {
        "tokens_a_second": speed,
        "tokens_a_second_low": 0.98 * speed,
        "tokens_a_second_high": 1.03 * speed,
        "peak_allocated": 2**34,
        **{"batch": 2, "accumulation": 1, "sequence": 4096, "kernels": "as by default"},
        **({"published": PUBLISHED} if training.startswith("8b") else {}),
    }
    name = f"test_lora[{training}]"
    return Case(name, "throughput.lora", {}, Verdict.PASS, evidence=evidence)


def timed_over(record: Record, folder: Path) -> str:
    """A history of five records, the last two of which are a tenth slower."""
    for number, by in enumerate((1.0, 1.01, 1.0, 0.9, 0.9)):
        packages = {"transformers": f"5.{number}.0"}
        each = timed(record, by)
        write(replace(each, stack=replace(each.stack, packages=packages)), folder / str(number))
    return trend_html(histories(read_history(folder)))


def judged_by_many(record: Record) -> str:
    """A matrix of four stacks, one of which could not be judged."""
    columns = [Column(State(n, f"stack {n}", (f"transformers==5.{n}",)), record) for n in range(3)]
    odd = Column(State(3, "odd", ("peft==0.1",), reason="no index has it"), None, "no index has it")
    return matrix_html(Matrix((*columns, odd)))


EVERY: dict[str, Callable[[Record, Record, Path], str]] = {
    "record": lambda record, _, __: render(record, "html"),
    "causes": lambda _, one_cause, __: render(one_cause, "html"),
    "throughput": lambda record, _, __: render(timed(record), "html"),
    "comparison": lambda record, _, __: compared(record),
    "history": lambda record, _, folder: followed(record, folder),
    "speeds": lambda record, _, folder: timed_over(record, folder),
    "matrix": lambda record, _, __: judged_by_many(record),
}
