import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conformance import __version__, baselines, cli, paths
from conformance.environments import Environment, Stack, Unresolvable, upgrade
from conformance.options import DEFAULT_TRAINER, RunOptions
from conformance.records import Record, Selection, Verdict, stack, write_atomically

Judged = Callable[..., list[str]]


@pytest.fixture
def whole(record: Record) -> Record:
    """A record that this version of the suite could have made of what is installed."""
    clause = replace(record.clauses[0], verdict=Verdict.PASS, cases=record.clauses[0].cases[:1])
    return replace(record, suite_version=__version__, stack=stack(), clauses=(clause,))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judged:
    """Let stacks be judged as these records say, by their text; hands back what was asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "baselines", lambda: Path("baselines"))

    def install(**records: Record) -> list[str]:
        asked: list[str] = []

        def build(wanted: Stack, *_: Any) -> Environment:
            return Environment(wanted, Path("python"), {}, {})

        def judge(environment: Environment, arguments: list[str], folder: Path) -> Record:
            asked.append(f"{environment.stack} in {folder.name}: {' '.join(arguments)}")
            return records[str(environment.stack).replace(" ", "_").partition("==")[0]]

        monkeypatch.setattr(upgrade, "build", build)
        monkeypatch.setattr(upgrade, "judge", judge)
        return asked

    return install


def call(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, ["upgrade", *arguments])


def failing(record: Record) -> Record:
    case = replace(record.clauses[0].cases[0], verdict=Verdict.FAIL, message="broken")
    return replace(
        record, clauses=(replace(record.clauses[0], verdict=Verdict.FAIL, cases=(case,)),)
    )


def test_a_regression_exits_1_and_is_written(whole: Record, judged: Judged) -> None:
    options = ("--workers", "2", "--chapter", "frozen")
    whole_of = replace(whole, selection=Selection(("frozen",)))
    asked = judged(peft=whole_of, transformers=failing(whole_of))
    result = call("--from", "peft==0.18.0", "--to", "transformers==5.0", "peft==0.18.0", *options)
    assert (result.exit_code, result.stderr.count("judging")) == (1, 2)
    assert [line.partition(":")[0] for line in asked] == [
        "peft==0.18.0 in from",
        "transformers==5.0 peft==0.18.0 in to",
    ]
    assert all("--workers 2 --chapter frozen" in line for line in asked)
    folder = Path("reports/upgrade")
    data = json.loads((folder / "comparison.json").read_text("utf-8"))
    assert (data["regressed"], data["counts"]["regressed"]) == (True, 1)
    assert data["clauses"][0]["kind"] == "regressed"
    text = (folder / "comparison.md").read_text("utf-8")
    assert text.startswith("# 1 clause got worse, 1 of them MUST\n\nFrom `peft==0.18.0` to ")


def test_no_regression_exits_0(whole: Record, judged: Judged) -> None:
    judged(peft=failing(whole), transformers=whole)
    result = call("--from", "peft", "--to", "transformers")
    assert result.exit_code == 0
    assert "1 fixed" in result.stdout


def test_without_a_start_what_is_installed(whole: Record, judged: Judged) -> None:
    asked = judged(as_installed=whole, latest=whole)
    assert call("--to", "latest").exit_code == 0
    assert [line.partition(":")[0] for line in asked] == ["as installed in from", "latest in to"]


def test_without_a_start_the_baseline(whole: Record, judged: Judged) -> None:
    asked = judged(latest=whole)
    kept = baselines.update(replace(whole, trainer=DEFAULT_TRAINER))
    result = call("--to", "latest")
    assert result.exit_code == 0
    assert [line.partition(":")[0] for line in asked] == ["latest in to"]
    data = json.loads(Path("reports/upgrade/comparison.json").read_text("utf-8"))
    assert data["from"] == str(kept)
    assert Path("reports/upgrade/from/record.json").is_file()


@pytest.mark.parametrize("unlike", ["profile", "stack", "damaged"])
def test_a_baseline_that_does_not_fit(whole: Record, judged: Judged, unlike: str) -> None:
    others = replace(whole.stack, packages={**whole.stack.packages, "peft": "0.13.0"})
    changed = {"profile": {"profile": "smoke"}, "stack": {"stack": others}}
    kept = baselines.update(replace(whole, **changed.get(unlike, {})))
    if unlike == "damaged":
        kept.write_text("{")
    assert upgrade.baseline(RunOptions()) is None


def test_a_part_of_a_whole_baseline(whole: Record, judged: Judged, record: Record) -> None:
    other = replace(record.clauses[1], verdict=Verdict.PASS)
    baselines.update(replace(whole, clauses=(*whole.clauses, other)))
    options = RunOptions(chapters=("frozen",))
    found = upgrade.baseline(options)
    assert found is not None
    assert [clause.id for clause in found[1].clauses] == ["frozen.bit-identical"]


def test_a_record_of_another_version_of_the_suite(whole: Record, judged: Judged) -> None:
    judged(latest=whole)
    old = replace(whole, suite_version="0.0.1", seed=7)
    write_atomically(Path("old.json"), json.dumps(old.to_json()))
    result = call("--from", "old.json", "--to", "latest")
    assert result.exit_code == 2
    assert result.stderr == (
        "peft-conformance: old.json cannot be compared: it is of "
        f"suite 0.0.1, not {__version__}; seed 7, not 0\n"
    )


def test_what_cannot_be_built_exits_2(
    whole: Record, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(peft=whole)

    def build(wanted: Stack, *_: Any) -> Environment:
        raise Unresolvable(wanted, "no index has it")

    monkeypatch.setattr(upgrade, "build", build)
    result = call("--from", "peft==0.18.0", "--to", "latest")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "peft-conformance: peft==0.18.0: no index has it\n"


def test_nothing_judged_on_either_side(whole: Record, judged: Judged) -> None:
    clause = replace(whole.clauses[0], verdict=Verdict.NOT_RUN, cases=())
    silent = replace(whole, clauses=(clause,))
    judged(peft=silent, latest=silent)
    result = call("--from", "peft", "--to", "latest")
    assert result.exit_code == 2
    assert "nothing was judged on either side" in result.stderr


@pytest.mark.parametrize("arguments", [("--to", "-rx"), ("--to", "peft", "--profile", "x"), ()])
def test_bad_use_exits_2(arguments: tuple[str, ...], judged: Judged) -> None:
    judged()
    assert call(*arguments).exit_code == 2


def test_options_come_back_as_arguments() -> None:
    given = RunOptions("full", ("frozen",), ("resume.path",), workers=2, seed=3, strict=True)
    assert given.arguments() == [
        *("--profile", "full", "--trainer", DEFAULT_TRAINER, "--seed", "3", "--workers", "2"),
        *("--chapter", "frozen", "--clause", "resume.path", "--timeout", "120.0", "--strict"),
    ]
