"""Which cases get a script, what it is called, and what the record then says."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.records import Case, ClauseResult, Record, Stack, Verdict, read
from conformance.reproducers import handing_out
from conformance.reproducers.handing_out import IN_ALL, OF_A_CLAUSE, hand_out


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Case, Path]]:
    """What the workshop was asked for; it writes an empty script for each."""
    jobs: list[tuple[Case, Path]] = []

    def work_off(given: Iterable[tuple[Case, Path]], stack: Stack) -> Iterator[tuple[str, str]]:
        for case, path in given:
            jobs.append((case, path))
            path.write_text("# /// script\n", encoding="utf-8")
            yield path.name, "reproduced in a fresh process"

    monkeypatch.setattr(handing_out, "work_off", work_off)
    return jobs


def case(number: int, message: str, clause: str = "frozen.bit-identical", steps: int = 5) -> Case:
    scenario = {"seed": number, "max_steps": steps}
    return Case(f"test_x[{number}]", clause, scenario, Verdict.FAIL, message=message)


def with_cases(record: Record, *cases: Case) -> Record:
    clause = ClauseResult("frozen.bit-identical", "frozen", "MUST", Verdict.FAIL, "", tuple(cases))
    return replace(record, clauses=(clause,), complete=True)


BASE = "base parameters and buffers"


def test_the_smallest_of_those_that_fail_alike_gets_it(
    record: Record, tmp_path: Path, asked: list[tuple[Case, Path]]
) -> None:
    cases = (case(1, f"{BASE} 17", steps=9), case(2, f"{BASE} 23", steps=3), case(3, f"{BASE} 4"))
    told = hand_out(with_cases(record, *cases), tmp_path)
    ((chosen, path),) = asked
    assert (chosen.id, path) == ("test_x[2]", tmp_path / "reproducers/frozen.bit-identical.py")
    (clause,) = told.clauses
    assert [found.script for found in clause.cases] == [
        "",
        "reproducers/frozen.bit-identical.py",
        "",
    ]
    assert clause.cases[1].reproduced == "reproduced in a fresh process"
    assert read(tmp_path) == told


def test_each_way_of_failing_gets_one_up_to_a_number(
    record: Record, tmp_path: Path, asked: list[tuple[Case, Path]]
) -> None:
    kinds = ("base parameters and buffers", "base gradients", "the inactive adapter", "eval_loss")
    cases = (case(n, kind) for n, kind in enumerate(kinds))
    told = hand_out(with_cases(record, *cases), tmp_path).clauses[0].cases
    names = [path.name for _, path in asked]
    assert len(names) == OF_A_CLAUSE
    (left,) = (each.reproduced for each in told if not each.script)
    assert left == "no stand-alone script: this clause has 3, of smaller cases"
    assert names == [f"frozen.bit-identical{end}.py" for end in ("", "-2", "-3")]


def test_no_more_than_a_number_in_all_and_one_of_each_clause_first(
    record: Record, tmp_path: Path, asked: list[tuple[Case, Path]]
) -> None:
    two = (case(1, f"{BASE}"), case(2, "base gradients"))
    many = tuple(
        ClauseResult(name, "frozen", "MUST", Verdict.FAIL, "", _renamed(two, name))
        for name in (f"frozen.c{n}" for n in range(IN_ALL - 3))
    )
    told = hand_out(replace(record, clauses=many, complete=True), tmp_path)
    (left,) = (each.reproduced for each in told.clauses[-1].cases if not each.script)
    assert left == f"no stand-alone script: this run has 40; `run --clause {many[-1].id}` writes it"
    seconds = [path.name for _, path in asked if path.name.endswith("-2.py")]
    assert len(asked) == IN_ALL
    assert len(seconds) == 3


def _renamed(cases: tuple[Case, ...], clause: str) -> tuple[Case, ...]:
    return tuple(replace(each, clause=clause) for each in cases)


def test_why_there_is_none_is_said(
    record: Record, tmp_path: Path, asked: list[tuple[Case, Path]]
) -> None:
    told = hand_out(with_cases(record, case(1, "odd")), tmp_path)
    assert told.clauses[0].cases[0].reproduced.startswith("no stand-alone script for this clause: ")
    sft = replace(with_cases(record, case(1, BASE)), trainer="trl:SFTTrainer")
    (found,) = hand_out(sft, tmp_path).clauses[0].cases
    assert found.reproduced.startswith("no stand-alone script: trl:SFTTrainer")
    assert asked == []
    assert not (tmp_path / "reproducers").exists()


def test_a_run_that_conforms_leaves_the_record_and_removes_old_scripts_alone(
    record: Record, tmp_path: Path, asked: list[tuple[Case, Path]]
) -> None:
    place = tmp_path / "reproducers"
    place.mkdir()
    (place / "old.py").write_text("# /// script\n", encoding="utf-8")
    (place / "mine.py").write_text("print()\n", encoding="utf-8")
    green = replace(record, clauses=(), complete=True)
    assert hand_out(green, tmp_path) is green
    assert [path.name for path in place.iterdir()] == ["mine.py"]


def test_records_without_scripts_are_read_and_written_as_before(record: Record) -> None:
    plain = record.clauses[0].cases[0]
    assert {"script", "reproduced"}.isdisjoint(plain.to_json())
    assert Case.from_json(plain.to_json()) == plain


def test_one_of_each_cause_goes_before_all_others_of_it(
    one_cause: Record, tmp_path: Path, asked: list[tuple[Case, Path]]
) -> None:
    hand_out(replace(one_cause, clauses=one_cause.clauses[-5:]), tmp_path)
    assert [path.name for _, path in asked] == [
        "injection.add-adapter.py",
        "loop.clipping.py",
        "injection.equivalent.py",
    ]
