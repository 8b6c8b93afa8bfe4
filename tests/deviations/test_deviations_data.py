"""Malformed files are refused, and cases are matched as a file says."""

from pathlib import Path

import pytest

from conformance.deviations.matching import (
    CaseKey,
    Deviation,
    DeviationError,
    Symptom,
    certain,
    explaining,
    load,
)
from conformance.scenarios import Scenario

WHOLE = """
summary = "It goes wrong."
clauses = ["resume.*"]
tests = ["test_path", "test_restores_*"]
link = ""
script = "it.py"
[versions]
transformers = ">=5.0,<=5.23.0"
[when]
injection = "add_adapter"
save = ["steps", "epoch"]
accumulation = {min = 2}
[symptom]
error = "ValueError"
phase = "train"
message = "^no index in .*checkpoint-\\\\d+"
"""
STACK = {"transformers": "5.10.2", "peft": "0.21.2"}
NATIVE = Scenario(injection="add_adapter", save="steps", accumulation=2)


def deviation_of(folder: Path, text: str = WHOLE, name: str = "it") -> Deviation:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    (loaded,) = load(folder)
    return loaded


def case(
    clause: str = "resume.path", test: str = "test_path", scenario: Scenario | None = NATIVE
) -> CaseKey:
    return CaseKey(clause, test, scenario)


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('summary = "It goes wrong."', ""),
        ('clauses = ["resume.*"]', ""),
        ('link = ""', ""),
        ('script = "it.py"', ""),
        ("[symptom]", "[sympton]"),
        ('error = "ValueError"', ""),
        ('message = "^no', 'note = "^no'),
        ('message = "^no', 'message = "(no'),
        ('link = ""', 'link = ""\nseverity = "high"'),
        ('link = ""', 'link = ""\ndevice = "abacus"'),
        ('">=5.0,<=5.23.0"', '"from 5.0 on"'),
        ('">=5.0,<=5.23.0"', "5"),
        ("[when]", "[when"),
        ("[versions]\ntransformers", "[requires]\ntransformers"),
        ("[symptom]", "[[symptoms]]"),
        ("[symptom]", '[[symptoms]]\nerror = "E"\nmessage = ""\n[symptom]'),
        ("[symptom]", '[[symptoms]]\nerror = "E"\nlink = ""\nmessage = ""\n[[symptoms]]'),
        ('script = "it.py"', 'script = "../it.py"'),
        ('summary = "It goes wrong."', f'summary = "{"It goes wrong. " * 5000}"'),
        ('link = ""', f"link = {'[' * 5000}{']' * 5000}"),
        ('link = ""', "link = 5"),
        ('clauses = ["resume.*"]', 'clauses = "resume.*"'),
        ('tests = ["test_path", "test_restores_*"]', "tests = [1]"),
        ('link = ""', 'link = ""\nalways = "false"'),
        ('link = ""', 'link = ""\n[spares]\n"trl:SFTTrainer" = "evaluation.*"'),
        ("[when]\n", 'when = "add_adapter"\n[[symptoms]]\n'),
        ('error = "ValueError"', 'error = "ValueError"\nwhen = ["add_adapter"]'),
    ],
)
def test_refuses_what_is_malformed_and_names_the_file(tmp_path: Path, old: str, new: str) -> None:
    assert WHOLE.count(old) == 1
    with pytest.raises(DeviationError, match=r"^broken\.toml: "):
        deviation_of(tmp_path, WHOLE.replace(old, new), name="broken")


# ---- which cases are listed -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "versions", "expected"),
    [
        (case(), STACK, True),
        # versions
        (case(), {"transformers": "5.0.0"}, True),
        (case(), {"transformers": "5.23.0"}, True),
        (case(), {"transformers": "5.11.0.dev0"}, True),
        (case(), {"transformers": "4.57.6"}, False),
        (case(), {"transformers": "5.23.1"}, False),
        (case(), {"peft": "0.21.2"}, False),
        # clauses and tests
        (case(clause="resume.after-kill"), STACK, True),
        (case(clause="output.epoch"), STACK, False),
        (case(test="test_restores_adapter"), STACK, True),
        (case(test="test_sweep"), STACK, False),
        # scenarios: a value, a list of values, a least value
        (case(scenario=None), STACK, False),
        (case(scenario=NATIVE.but(injection="get_peft_model")), STACK, False),
        (case(scenario=NATIVE.but(save="epoch")), STACK, True),
        (case(scenario=NATIVE.but(save="no")), STACK, False),
        (case(scenario=NATIVE.but(accumulation=4)), STACK, True),
        (case(scenario=NATIVE.but(accumulation=1)), STACK, False),
        (case(scenario=NATIVE.but(dropout=0.5)), STACK, True),
    ],
)
def test_lists_a_case(
    tmp_path: Path, key: CaseKey, versions: dict[str, str], expected: bool
) -> None:
    assert bool(deviation_of(tmp_path).expected_of(key, versions)) is expected


@pytest.mark.parametrize(
    ("lineage", "expected"),
    [
        ({"trl:SFTTrainer", "transformers:Trainer"}, True),
        ({"mine:Mine", "trl:SFTTrainer", "transformers:Trainer"}, True),
        ({"transformers:Trainer"}, False),
        ({"trl:SFTTrainerToo", "transformers:Trainer"}, False),
    ],
)
def test_of_some_trainers_alone(tmp_path: Path, lineage: set[str], expected: bool) -> None:
    text = WHOLE.replace('script = "it.py"', 'script = "it.py"\ntrainers = ["trl:SFTTrainer"]')
    key = CaseKey("resume.path", "test_path", NATIVE, frozenset(lineage))
    assert bool(deviation_of(tmp_path, text).expected_of(key, STACK)) is expected


@pytest.mark.parametrize(
    ("clause", "lineage", "expected"),
    [
        ("resume.path", {"trl:SFTTrainer", "transformers:Trainer"}, False),
        ("resume.after-kill", {"trl:SFTTrainer", "transformers:Trainer"}, True),
        ("resume.path", {"transformers:Trainer"}, True),
    ],
)
def test_spares_a_trainer_in_some_clauses(
    tmp_path: Path, clause: str, lineage: set[str], expected: bool
) -> None:
    text = WHOLE.replace("[when]", '[spares]\n"trl:SFTTrainer" = ["resume.p*"]\n[when]')
    key = CaseKey(clause, "test_path", NATIVE, frozenset(lineage))
    assert bool(deviation_of(tmp_path, text).expected_of(key, STACK)) is expected


def test_without_tests_and_conditions_every_case_of_the_clause_is_listed(tmp_path: Path) -> None:
    bare = WHOLE.replace('tests = ["test_path", "test_restores_*"]', "").split("[when]")[0]
    found = deviation_of(tmp_path, bare + '[symptom]\nerror = "E"\nmessage = ""\n')
    assert found.always
    assert found.expected_of(case(test="test_sweep", scenario=None), STACK)


def test_properties_of_a_scenario_can_be_conditions(tmp_path: Path) -> None:
    text = WHOLE.replace("accumulation = {min = 2}", "uneven = true")
    found = deviation_of(tmp_path, text)
    assert found.expected_of(case(scenario=NATIVE.but(examples=10, batch_size=4)), STACK)
    assert not found.expected_of(case(scenario=NATIVE.but(examples=8, batch_size=4)), STACK)


def test_it_concerns_the_clauses_of_its_patterns(tmp_path: Path) -> None:
    found = deviation_of(tmp_path)
    assert found.concerns("resume.path")
    assert not found.concerns("output.epoch")


# ---- which symptoms are its -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("symptom", "expected"),
    [
        (Symptom("ValueError", "no index in /tmp/checkpoint-3", "train"), True),
        (Symptom("ValueError", "no index in /tmp/checkpoint-3", "build"), False),
        (Symptom("ValueError", "no index in /tmp/checkpoint-3"), False),
        (Symptom("OSError", "no index in /tmp/checkpoint-3", "train"), False),
        (Symptom("ValueError", "no index in /tmp", "train"), False),
        (Symptom("ValueError", "there is no index in /tmp/checkpoint-3", "train"), False),
    ],
)
def test_shows(tmp_path: Path, symptom: Symptom, expected: bool) -> None:
    (showing,) = deviation_of(tmp_path).showings
    assert showing.shows(symptom) is expected


@pytest.mark.parametrize("phase", ["", "train", "look"])
def test_without_a_phase_any_phase_shows(tmp_path: Path, phase: str) -> None:
    (found,) = deviation_of(tmp_path, WHOLE.replace('phase = "train"\n', "")).showings
    assert found.shows(Symptom("ValueError", "no index in checkpoint-3", phase))


# ---- one cause, several symptoms ------------------------------------------------------------

SEVERAL = WHOLE.replace("[symptom]", """
[[symptoms]]
clauses = ["output.epoch"]
tests = ["test_epoch"]
always = false
versions = { transformers = ">=5.10,<=5.23.0" }
when = { save = "no" }
error = "KeyError"
message = "^epoch$"
[[symptoms]]""")  # fmt: skip
EPOCH = case("output.epoch", "test_epoch", Scenario())


def test_each_symptom_has_its_own_cases(tmp_path: Path) -> None:
    found = deviation_of(tmp_path, SEVERAL)
    epoch, index = found.showings
    assert found.concerns("output.epoch") and found.concerns("resume.path")
    assert found.expected_of(EPOCH, STACK) == (epoch,)
    assert found.expected_of(case(), STACK) == (index,)
    assert found.expected_of(EPOCH, {"transformers": "5.0.0"}) == ()
    assert found.expected_of(case(), {"transformers": "5.0.0"}) == (index,)
    assert found.expected_of(case("output.epoch", "test_epoch", NATIVE), STACK) == ()


def test_what_a_symptom_does_not_state_is_the_files(tmp_path: Path) -> None:
    epoch, index = deviation_of(tmp_path, SEVERAL).showings
    assert (epoch.always, index.always) == (False, True)
    assert (epoch.phase, index.phase) == ("", "train")
    assert index.clauses == ("resume.*",)
    assert index.when["save"] == ["steps", "epoch"]


def test_a_symptom_explains_no_case_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conformance.deviations import matching

    found = deviation_of(tmp_path, SEVERAL)
    monkeypatch.setattr(matching, "_shipped", lambda: (found,))
    monkeypatch.setattr(matching, "installed_versions", lambda: STACK)
    index = Symptom("ValueError", "no index in checkpoint-3", "train")
    assert explaining(case(), index) == found
    assert explaining(EPOCH, Symptom("KeyError", "epoch")) == found
    assert explaining(EPOCH, index) is None
    assert explaining(case(), Symptom("KeyError", "epoch")) is None


def test_only_symptoms_that_always_show_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case that passes is `fixed` when a symptom of it always shows, whatever others do."""
    from conformance.deviations import matching

    found = deviation_of(tmp_path, SEVERAL)
    monkeypatch.setattr(matching, "_shipped", lambda: (found,))
    monkeypatch.setattr(matching, "installed_versions", lambda: STACK)
    assert certain(case()) == (found,)
    assert certain(EPOCH) == ()
