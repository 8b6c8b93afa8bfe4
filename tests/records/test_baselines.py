"""Baselines: what they keep, what a run is told of them, and what is no baseline."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import baselines, paths
from conformance.baselines import against, changes, place, read, text, update
from conformance.records import Case, ClauseResult, Record, RecordError, Stack, Verdict, worst

FROZEN, EPOCH = "frozen.bit-identical", "output.epoch"


def clause(name: str, verdicts: dict[str, Verdict]) -> ClauseResult:
    cases = tuple(
        Case(n, name, {"seed": 1}, v, {"distance": 0.5}, 2.0, "told", "run it")
        for n, v in verdicts.items()
    )
    return ClauseResult(name, name.partition(".")[0], "MUST", worst(verdicts.values()), "", cases)


def of(record: Record, **found: dict[str, Verdict]) -> Record:
    names = {"frozen": FROZEN, "epoch": EPOCH}
    clauses = tuple(clause(names[name], verdicts) for name, verdicts in found.items())
    return replace(record, clauses=clauses, complete=True, fault="")


PASS, FAIL, NOT_RUN, DEVIATION = Verdict.PASS, Verdict.FAIL, Verdict.NOT_RUN, Verdict.DEVIATION
HERE = Path("baseline.json")


def test_what_is_kept_survives_the_file_and_nothing_else_is_in_it(
    record: Record, tmp_path: Path
) -> None:
    kept = read(update(record, tmp_path / "made" / "b.json"))
    assert [(c.id, c.level, c.verdict) for c in kept.clauses] == [
        (c.id, c.level, c.verdict) for c in record.clauses
    ]
    assert {(c.clause, c.id, c.verdict, c.deviation) for r in kept.clauses for c in r.cases} == {
        (c.clause, c.id, c.verdict, c.deviation) for r in record.clauses for c in r.cases
    }
    assert kept.stack.packages == record.stack.packages
    written = (tmp_path / "made" / "b.json").read_text(encoding="utf-8")
    assert record.stack.platform not in written
    assert "evidence" not in written
    assert "seconds" not in written


def test_one_line_a_case_so_that_diff_shows_what_changed(record: Record) -> None:
    before = text(of(record, frozen={"a": PASS, "b": PASS, "c": PASS})).splitlines()
    after = text(of(record, frozen={"c": PASS, "b": FAIL, "a": PASS})).splitlines()
    assert [line.strip() for line in sorted(set(before) ^ set(after))] == [
        '"b": "fail",',
        '"b": "pass",',
        '"verdict": "fail",',
        '"verdict": "pass",',
    ]


def test_only_cases_that_both_hold_count(record: Record) -> None:
    before = of(record, frozen={"a": PASS, "b": FAIL}, epoch={"x": PASS})
    found = changes(before, of(record, frozen={"a": PASS, "new": FAIL}), HERE)
    assert (found.compared, found.regressed, found.fixed, found.lost) == (1, (), (), ())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (PASS, FAIL, ("regressed",)),
        (DEVIATION, Verdict.CRASH, ("regressed",)),
        (FAIL, PASS, ("fixed",)),
        (DEVIATION, Verdict.FIXED, ("fixed",)),
        (PASS, NOT_RUN, ("lost",)),
        (PASS, DEVIATION, ()),
        (NOT_RUN, PASS, ()),
        (PASS, PASS, ()),
    ],
)
def test_what_became_of_a_clause(
    record: Record, before: Verdict, after: Verdict, expected: tuple[str, ...]
) -> None:
    found = changes(of(record, frozen={"a": before}), of(record, frozen={"a": after}), HERE)
    names = ("regressed", "fixed", "lost")
    assert tuple(name for name in names if getattr(found, name) == (FROZEN,)) == expected


def test_a_case_that_is_run_now_fixes_no_clause_that_held(record: Record) -> None:
    before = of(record, frozen={"a": PASS, "b": NOT_RUN})
    assert changes(before, of(record, frozen={"a": PASS, "b": PASS}), HERE).fixed == ()


def test_one_case_that_got_worse_is_seen_behind_one_that_was_red_before(record: Record) -> None:
    before = of(record, frozen={"a": FAIL, "b": PASS})
    found = changes(before, of(record, frozen={"a": FAIL, "b": FAIL}), HERE)
    assert found.regressed == (FROZEN,)


def test_suspects_are_packages_of_both_sides_that_a_training_runs_through(record: Record) -> None:
    old = Stack(
        "3.11.7", "a machine", "cpu", {"peft": "1", "trl": "1", "pytest": "8", "torch": "2"}
    )
    new = Stack(
        "3.11.7", "another", "cpu", {"peft": "2", "optuna": "4", "pytest": "9", "torch": "2"}
    )
    found = changes(replace(record, stack=old), replace(record, stack=new), HERE)
    assert found.suspects == ("peft 1 → 2",)
    assert set(found.moved) == {"peft", "trl", "optuna", "pytest"}


# ---- which one ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(baselines.paths, "baselines", lambda: tmp_path)
    return tmp_path


def test_each_trainer_has_its_own(record: Record, folder: Path) -> None:
    sft = replace(of(record, frozen={"a": PASS}), trainer="trl:SFTTrainer")
    assert update(sft) == folder / "trl-SFTTrainer.json" == place("trl:SFTTrainer")
    assert against(sft) is not None
    assert against(replace(sft, trainer="transformers:Trainer")) is None


def test_each_card_has_its_own_and_one_without_is_set_beside_the_cpu(
    record: Record, folder: Path
) -> None:
    plain = of(record, frozen={"a": PASS})
    on_card = replace(plain, stack=replace(plain.stack, hardware={"card": "NVIDIA H100 80GB"}))
    expected = (
        folder / "transformers-Trainer.json",
        folder / "transformers-Trainer-NVIDIA-H100-80GB.json",
    )
    assert update(plain) == expected[0] == against(on_card).path
    assert update(on_card) == expected[1] == against(on_card).path
    assert against(plain).path == expected[0]


def test_a_damaged_baseline_of_a_card_is_seen_before_anything_runs(folder: Path) -> None:
    baselines.check("transformers:Trainer", card="NVIDIA H100 80GB")
    place("transformers:Trainer", "NVIDIA H100 80GB").write_text("{}")
    baselines.check("transformers:Trainer")
    with pytest.raises(RecordError):
        baselines.check("transformers:Trainer", card="NVIDIA H100 80GB")


def test_a_run_that_was_made_to_fail_is_not_compared(record: Record, folder: Path) -> None:
    sound = of(record, frozen={"a": PASS})
    update(sound)
    assert against(sound) is not None
    assert against(replace(sound, fault="one-base-weight-nudged")) is None
    assert against(replace(sound, deviations_ignored=True)) is None


def test_no_name_of_a_trainer_leads_out_of_the_folder(folder: Path) -> None:
    for trainer in ("../../etc:Passwd", "/etc/passwd", "..", "a\\..\\b:C", "C:D"):
        assert place(trainer).resolve().parent == folder.resolve()


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"format": 2}', '{"format": 1}', "\x00", "[" * 100_000, "[" * 20 + "]" * 20],
)
def test_what_is_no_baseline_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RecordError, match=r"b\.json is "):
        read(path)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("seed",), "0"),
        (("stack", "packages"), None),
        (("stack", "packages", "torch"), 2),
        (("clauses",), []),
        (("clauses", FROZEN, "level"), "MAY"),
        (("clauses", FROZEN, "cases"), {"a": "fine"}),
        (("clauses", FROZEN, "cases"), {"a": 1}),
        (("clauses", FROZEN, "surplus"), 1),
    ],
)
def test_each_value_of_a_baseline_is_of_its_kind(
    record: Record, tmp_path: Path, at: tuple[str, ...], value: object
) -> None:
    data = place = json.loads(text(of(record, frozen={"a": PASS})))
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    path = tmp_path / "b.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RecordError, match=r"b\.json is not a baseline: "):
        read(path)


def test_a_baseline_that_is_not_there(record: Record, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="does not exist"):
        against(replace(record, fault=""), tmp_path / "none.json")


def test_in_a_clone_they_lie_in_reports() -> None:
    assert paths.in_a_clone()
    assert paths.baselines() == Path(__file__).parents[2] / "reports" / "baselines"


@pytest.mark.parametrize(
    "path", sorted(paths.baselines().glob("transformers-*.json")), ids=lambda path: path.name
)
def test_what_is_committed_is_as_expected(path: Path) -> None:
    found = {case.verdict for clause in read(path).clauses for case in clause.cases}
    assert found <= {PASS, DEVIATION, NOT_RUN}
