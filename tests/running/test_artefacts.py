"""The checkpoints that other releases wrote are whole, small, and tell nothing of their writers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import paths
from conformance.compat import Unavailable
from conformance.records import RecordError
from conformance.running import artefacts

FOLDER = paths.fixtures() / "across"
EACH = pytest.mark.parametrize("release", artefacts.releases())
LARGEST = 2**20
"""Bytes of all that is kept."""


def test_releases_are_in_their_order_and_reach_over_the_supported_range() -> None:
    found = artefacts.releases()
    assert found[0] == "transformers-4.45.2"
    assert found.index("transformers-4.57.6") < found.index("transformers-5.10.2")


@EACH
@pytest.mark.parametrize("adapter", artefacts.ADAPTERS)
def test_each_adapter_of_each_release_is_kept_with_what_came_of_it(
    release: str, adapter: str
) -> None:
    held = artefacts.kept(release, artefacts.SCENARIO.but(adapter=adapter))
    assert held.checkpoint.joinpath("adapter_model.safetensors").is_file()
    assert (len(held.losses), len(held.rates)) == (2, 2)
    assert set(held.part("start")) == set(held.part("end")) == set(held.part("exp_avg"))
    assert release == f"transformers-{held.versions['transformers']}"


def test_they_are_small_and_hold_no_path_and_no_pickle_of_arguments() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
    assert not [path for path in files if path.name == "training_args.bin"]
    told = [path.read_text(encoding="utf-8") for path in files if path.suffix == ".json"]
    assert not [text for text in told if '"/' in text]


def test_what_is_newer_than_the_installed_libraries_is_told() -> None:
    held = artefacts.kept(artefacts.releases()[0], artefacts.SCENARIO)
    assert held.later == ()
    newer = {**held.versions, "peft": "99.0"}
    assert replace(held, versions=newer).later == ("peft",)


def test_another_base_is_no_base_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A torch that draws other weights is told from a release that reads checkpoints wrongly."""
    own = tmp_path / "across" / "transformers-1.0" / "lora"
    own.mkdir(parents=True)
    about = {"base": "another", "versions": dict.fromkeys(artefacts.PACKAGES, "1.0")}
    (own / "about.json").write_text(json.dumps({**about, "losses": [], "rates": []}))
    monkeypatch.setattr(paths, "fixtures", lambda: tmp_path)
    monkeypatch.setattr(artefacts, "digest", lambda _: "this one")
    with pytest.raises(Unavailable, match="draws another base"):
        artefacts.kept("transformers-1.0", artefacts.SCENARIO)


@pytest.mark.parametrize(
    "text", ["[" * 40 + "]" * 40, "{}", '{"versions": [], "base": 1, "losses": 1, "rates": 1}', "x"]
)
def test_what_nothing_here_wrote_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(artefacts, "_folder", lambda: tmp_path)
    folder = tmp_path / "transformers-4.45.2" / "lora"
    folder.mkdir(parents=True)
    for name in ("about.json", "expected.safetensors"):
        folder.joinpath(name).write_text(text)
    with pytest.raises(RecordError):
        artefacts.kept(folder.parent.name, artefacts.SCENARIO)
    with folder.joinpath("about.json").open("wb") as file:
        file.truncate(2**25)
    with pytest.raises(RecordError, match="too large"):
        artefacts.kept(folder.parent.name, artefacts.SCENARIO)
