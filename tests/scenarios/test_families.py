"""Fixtures are data: small, well formed, loadable; every kind and every task has one."""

from pathlib import Path
from typing import Any

import pytest
import torch

from conformance import paths
from conformance.running import build, data
from conformance.running.tasks import DATA, IGNORED
from conformance.scenarios import TASKS, Scenario, core_families, families, family, kinds
from conformance.scenarios.families import FamilyError

KINDS = {
    "decoder",
    "encoder",
    "encoder-decoder",
    "mixture-of-experts",
    "state-space",
    "vision",
    "speech",
    "image-text",
}
EACH = pytest.mark.parametrize("name", families())
LARGEST = 4096  # bytes of a fixture's folder
MOST_PARAMETERS = 20_000


def test_every_kind_has_a_family() -> None:
    assert set(kinds()) == KINDS
    assert sorted(name for names in kinds().values() for name in names) == list(families())


def test_every_task_has_a_family_and_data() -> None:
    assert {family(name).task for name in families()} == set(TASKS) == set(DATA)


def test_core_families_are_those_that_every_clause_meets() -> None:
    assert core_families() == ("bert", "gpt2", "llama", "mixtral", "t5")


@EACH
def test_a_fixture_is_small_and_holds_nothing_else(name: str) -> None:
    files = sorted((paths.fixtures() / name).iterdir())
    assert {file.name for file in files} <= {"config.json", "family.toml"}
    assert sum(file.stat().st_size for file in files) <= LARGEST


@EACH
def test_a_fixture_has_a_config_or_points_at_one(name: str) -> None:
    about = family(name)
    assert (about.folder / "config.json").is_file()
    assert about.folder.parent == paths.fixtures().resolve()
    assert (about.folder.name == name) != bool(_borrowed(name))


def _borrowed(name: str) -> bool:
    return not (paths.fixtures() / name / "config.json").exists()


@EACH
def test_the_model_loads_and_has_what_the_family_names(name: str) -> None:
    about, model = family(name), build.base_model(Scenario(architecture=name))
    assert sum(parameter.numel() for parameter in model.parameters()) <= MOST_PARAMETERS
    owners = {module.rpartition(".")[2] for module, _ in model.named_modules()}
    assert owners & set(about.attention)
    assert {about.head, about.embedding} <= owners
    tied = model.get_output_embeddings() is not None and (
        model.get_output_embeddings().weight is model.get_input_embeddings().weight
    )
    assert tied == about.tied


@EACH
def test_dropout_and_width_reach_the_model(name: str) -> None:
    about = family(name)
    for field, value in (("dropout", 0.5), ("wide", True)):
        path = about.dropout if field == "dropout" else about.feed_forward
        if not path:
            with pytest.raises(ValueError, match=f"{name} has no"):
                Scenario(architecture=name, **{field: value})
            continue
        plain = build.base_model(Scenario(architecture=name)).config
        changed = build.base_model(Scenario(architecture=name, **{field: value})).config
        assert _at(changed, path) == (0.5 if field == "dropout" else 2 * _at(plain, path))


def _at(config: Any, path: str) -> Any:
    for part in path.split("."):
        config = getattr(config, part)
    return config


@EACH
def test_batches_are_padded_and_labelled(name: str) -> None:
    scenario = Scenario(architecture=name)
    collate = data.Collator(scenario.family.task)
    batch, again = (collate(data.training_examples(scenario)) for _ in range(2))
    assert all(torch.equal(tensor, again[key]) for key, tensor in batch.items())
    assert {len(tensor) for tensor in batch.values()} == {scenario.examples}
    labels = [batch[label] for label in scenario.task.labels]
    assert all((tensor != IGNORED).any() for tensor in labels)
    assert set(batch) - set(scenario.task.labels) == set(data.probe(scenario))


def test_a_config_may_be_anothers_with_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "fixtures", lambda: tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "config.json").write_text('{"model_type": "bert", "num_labels": 3}')
    (tmp_path / "two" / "family.toml").write_text(
        'kind = "encoder"\ntask = "question-answering"\nattention = ["query"]\n'
        'default_targets = []\nhead = "qa_outputs"\nembedding = "word_embeddings"\n'
        'config = "../one"\n[overrides]\nnum_labels = 2\n'
    )
    found = family.__wrapped__("two")
    assert found.config == {"model_type": "bert", "num_labels": 2}
    assert found.about_task.labels == ("start_positions", "end_positions")
    assert not found.core


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('head = "qa_outputs"\n', ""),
        ('kind = "encoder"', "kind = 1"),
        ('attention = ["query"]', 'attention = "query"'),
        ("default_targets = []", "default_targets = []\ncores = true"),
        ('config = "."', 'config = "../.."'),
        ('config = "."', 'config = "/etc"'),
        ('kind = "encoder"', "kind = "),
        ('kind = "encoder"', f"kind = {'[' * 5000}{']' * 5000}"),
        ('kind = "encoder"', f'kind = "{"encoder" * 10_000}"'),
    ],
)
def test_what_is_malformed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    monkeypatch.setattr(paths, "fixtures", lambda: tmp_path)
    whole = 'kind = "encoder"\ntask = "question-answering"\nattention = ["query"]\n'
    whole += 'default_targets = []\nhead = "qa_outputs"\nembedding = "word"\nconfig = "."\n'
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").write_text("{}")
    (tmp_path / "one" / "family.toml").write_text(whole)
    assert family.__wrapped__("one").head == "qa_outputs"
    assert old in whole
    (tmp_path / "one" / "family.toml").write_text(whole.replace(old, new))
    with pytest.raises(FamilyError, match="the fixture one is malformed"):
        family.__wrapped__("one")
