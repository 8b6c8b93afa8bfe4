from dataclasses import replace
from pathlib import Path

import pytest

from conformance import options
from conformance.options import RunOptions, UsageError, check_trainer, validated
from conformance.records import UnsupportedStack


def test_the_defaults_are_valid(tmp_path: Path) -> None:
    asked = RunOptions(report_dir=tmp_path / "new" / "folder")
    assert validated(asked) is asked
    assert list(asked.report_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"profile": "zzz"}, "unknown profile 'zzz'; known are smoke, quick, full, faults"),
        ({"workers": -1}, "-1 workers"),
        ({"timeout": 0.0}, "a timeout of 0 s"),
        ({"timeout": float("inf")}, "a timeout of inf s"),
        ({"seed": -1}, "seed -1 is not a whole number from 0"),
        ({"seed": 2**32}, "seed 4294967296"),
        ({"chapters": ("x",)}, "unknown chapter 'x'"),
        ({"clauses": ("x",)}, "unknown clause 'x'"),
        ({"baseline": Path("none.json")}, "there is no baseline none.json"),
        ({"update_baseline": True, "chapters": ("frozen",)}, "a baseline holds the whole contract"),
        ({"update_baseline": True, "ignore_deviations": True}, "a run that is made to fail"),
    ],
)
def test_refused(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        validated(RunOptions(report_dir=tmp_path, **changes))  # type: ignore[arg-type]
    assert str(caught.value).startswith(expected)


def test_an_installed_package_has_no_baseline_to_rewrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options.paths, "in_a_clone", lambda: False)
    asked = RunOptions(report_dir=tmp_path, update_baseline=True)
    with pytest.raises(UsageError, match="name another by --baseline"):
        validated(asked)
    validated(replace(asked, baseline=tmp_path / "mine.json"))


def test_an_unsupported_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise UnsupportedStack("unsupported stack: peft is not installed")

    monkeypatch.setattr(options, "check_supported", refuse)
    with pytest.raises(UsageError, match="peft is not installed"):
        validated(RunOptions(report_dir=tmp_path))


def test_a_report_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write reports to .*file: File exists"):
        validated(RunOptions(report_dir=tmp_path / "file"))


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        ("", "is not of the form"),
        ("json", "is not of the form"),
        (":Trainer", "is not of the form"),
        ("no_such_module:Trainer", "cannot be imported: ModuleNotFoundError: No module named"),
        (".relative:Trainer", "cannot be imported: TypeError: "),
        ("json:Trainer", "json has no Trainer"),
        ("json:loads", "is not a subclass of transformers.Trainer"),
        ("json:JSONDecoder", "is not a subclass of transformers.Trainer"),
    ],
)
def test_trainers_that_are_none(trainer: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_trainer(trainer)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_fails_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_module.py").write_text("raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="failing_module cannot be imported: RuntimeError"):
        check_trainer("failing_module:Trainer")


def test_a_subclass(tmp_path: Path) -> None:
    asked = RunOptions(report_dir=tmp_path, trainer="transformers:Seq2SeqTrainer")
    assert validated(asked) is asked
