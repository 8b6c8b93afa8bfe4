import sys
from pathlib import Path

import pytest

from conformance.environments import Environment, Stack, Unjudged, judge
from conformance.records import Record, write


def environment(**versions: str) -> Environment:
    return Environment(Stack(), Path(sys.executable), versions, {})


def test_what_is_judged(tmp_path: Path) -> None:
    record = judge(environment(), ["--profile", "smoke", "--clause", "throughput.lora"], tmp_path)
    assert record.complete
    assert [clause.id for clause in record.clauses] == ["throughput.lora"]
    assert "not run" in (tmp_path / "run.log").read_text("utf-8")


def test_a_run_that_leaves_no_record(tmp_path: Path, record: Record) -> None:
    write(record, tmp_path)  # of an earlier run, not to be taken for this one's
    with pytest.raises(Unjudged, match=r"as installed was not judged: .*unknown chapter 'x'"):
        judge(environment(), ["--chapter", "x"], tmp_path)


@pytest.mark.parametrize(
    ("torch", "transformers", "set_"),
    [
        ("2.13.0+cpu", "4.47.1", True),
        ("2.13.0+cpu", "4.48.0", False),
        ("2.5.1", "4.45.0", False),
    ],
)
def test_what_old_releases_need_set(torch: str, transformers: str, set_: bool) -> None:
    found = environment(torch=torch, transformers=transformers)
    variable = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    assert found.variables == ({variable: "1"} if set_ else {})
    assert any(variable in note for note in found.notes) is set_
    assert found.environ().get(variable) == ("1" if set_ else None)
