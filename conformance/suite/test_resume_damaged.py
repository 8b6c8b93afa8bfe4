"""Chapter resume: whatever a file of the checkpoint has suffered, nothing goes wrong in silence."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.checks.resume import continues
from conformance.checks.trying import ERROR, tried
from conformance.judging import Violation, equal, note, require
from conformance.marks import clause, crossing_only_in_full, scenarios
from conformance.running.damage import KINDS
from conformance.scenarios import Scenario

ADAPTER, CONFIG = "adapter_model.safetensors", "adapter_config.json"
STATES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
UNUSED = ("training_args.bin", "README.md")
DAMAGES = [
    *((file, kind) for file in (ADAPTER, CONFIG, *STATES) for kind in ("empty", "cut")),
    *((file, "other-content") for file in (CONFIG, *STATES)),
    *((file, "missing") for file in (ADAPTER, CONFIG, "trainer_state.json")),
    *((file, "empty") for file in UNUSED),
    (ADAPTER, "reshaped"),
    (ADAPTER, "widened"),
    ("trainer_state.json", "later"),
]
OTHERWISE = [
    *((file, "later") for file in (CONFIG, "scheduler.pt", "rng_state.pth")),
    (ADAPTER, "extra-tensor"),
    (CONFIG, "double-alpha"),
]
CHANGED = [
    *((file, "other-number") for file in (ADAPTER, "optimizer.pt", "trainer_state.json")),
    (ADAPTER, "narrowed"),
]
SAVING = Scenario(save="steps", dropout=0.1)
IN_FULL = crossing_only_in_full(SAVING)


@clause("resume.damage-noticed")
@pytest.mark.parametrize(("file", "kind"), DAMAGES)
@scenarios([SAVING])
def test_one_file_damaged(runs, scenario, folder, file, kind):
    """A damaged file is an error before any step, or the resume ends as the uninterrupted run."""
    _noticed(runs, scenario, folder, file, kind)


@clause("resume.damage-noticed")
@pytest.mark.parametrize(("file", "kind"), OTHERWISE)
@IN_FULL
def test_one_file_of_another_kind(runs, scenario, folder, file, kind):
    """The same where a file comes from a later release, or holds what is not read from it."""
    _noticed(runs, scenario, folder, file, kind)


@clause("resume.damage-noticed")
@pytest.mark.parametrize("file", STATES[:3])
@scenarios([SAVING])
def test_missing_state(runs, scenario, folder, file):
    """The same where the optimizer, the schedule or the random state is not there."""
    _noticed(runs, scenario, folder, file, "missing")


@clause("resume.damage-noticed")
@pytest.mark.parametrize("kind", ["renamed", "lost-tensor"])
@scenarios([SAVING])
def test_lost_tensors(runs, scenario, folder, kind):
    """The same where the adapter file lacks tensors of the adapter."""
    _noticed(runs, scenario, folder, ADAPTER, kind)


@clause("resume.damage-noticed")
@pytest.mark.parametrize(("file", "kind"), CHANGED)
@scenarios([SAVING])
def test_changed_content(runs, scenario, folder, file, kind):
    """The same where a file is whole and says something else."""
    _noticed(runs, scenario, folder, file, kind)


@clause("resume.damage-noticed")
@IN_FULL
def test_rounded_moments(runs, scenario, folder):
    """The same where the optimizer's moments were rounded to bfloat16."""
    _noticed(runs, scenario, folder, "optimizer.pt", "narrowed")


@clause("resume.damage-noticed")
@pytest.mark.parametrize("file", [ADAPTER, CONFIG, *STATES])
@IN_FULL
def test_cut_at_each_power_of_two(runs, scenario, file):
    """The same where a file ends after 1, 2, 4, … bytes."""
    last = (runs.train(scenario).saved(3).folder / file).stat().st_size - 1
    for length in (2**n for n in range(last.bit_length())):
        _noticed(runs, scenario, runs.folder(), file, "cut", where=(length + 0.5) / last)


@clause("resume.damage-noticed")
@IN_FULL
@given(draw=st.data())
def test_cut_or_flipped_anywhere(runs, scenario, draw):
    """The same wherever a file is cut, and wherever a bit flips in the state."""
    kind = draw.draw(st.sampled_from(["cut", "flipped"]), label="damage")
    files = STATES[:3] if kind == "flipped" else (ADAPTER, CONFIG, *STATES)
    file = draw.draw(st.sampled_from(files), label="file")
    where = draw.draw(st.floats(0, 1), label="where")
    _noticed(runs, scenario, runs.folder(), file, kind, where=where)


@clause("resume.damage-noticed")
@pytest.mark.parametrize("file", [ADAPTER, "trainer_state.json"])
@IN_FULL
@given(draw=st.data())
def test_flipped_in_what_has_no_checksum(runs, scenario, file, draw):
    """The same wherever a bit flips in the adapter file or in the trainer's state."""
    _flipped(runs, scenario, file, draw)


@clause("resume.damage-noticed")
@IN_FULL
@given(draw=st.data())
def test_flipped_in_the_config(runs, scenario, draw):
    """The same wherever a bit flips in the adapter's config."""
    _flipped(runs, scenario, CONFIG, draw)


def _flipped(runs, scenario, file, draw):
    """Flip a bit anywhere, or in a digit: few bits of a file of text leave it readable."""
    content = (runs.train(scenario).saved(3).folder / file).read_bytes()
    last = 8 * len(content) - 8
    digits = [8 * n for n, byte in enumerate(content) if byte in b"0123456789"]
    in_a_digit = st.builds(int.__add__, st.sampled_from(digits), st.integers(0, 2))
    where = (draw.draw(st.integers(0, last) | in_a_digit, label="bit") + 0.5) / last
    _noticed(runs, scenario, runs.folder(), file, "flipped", where=where)


def _noticed(runs, scenario, folder, file, kind, *, where=0.5):
    full = runs.train(scenario)
    damaged = Path(shutil.copytree(full.saved(3).folder, folder / "checkpoint-3"))
    require((damaged / file).is_file(), "the checkpoint", f"has no {file}", "one")
    note(file=file, byte=int(where * ((damaged / file).stat().st_size - 1)))
    KINDS[kind](damaged / file, where)
    with tried("damaged file") as got:
        resumed = runs.resume_from(scenario, str(damaged), folder / "resumed")
        note(noticed=resumed.failure.type if resumed.failure else "")
        if resumed.failure is not None:
            equal("steps taken before the error", len(resumed.steps), 0)
            got(ERROR)
            return
        try:
            continues(full, resumed)
        except Violation as other:
            what = f"{file} {kind}, and nothing was raised: {other.what}"
            raise Violation(what, other.got, other.expected) from None
