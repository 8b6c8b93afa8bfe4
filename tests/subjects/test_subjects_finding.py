"""The nearest declaration counts: on the class, in an entry point, shipped, of a base class."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import Seq2SeqTrainer, Trainer

from conformance import subjects
from conformance.subjects import SEQ2SEQ, SHIPPED, TRAINER, Subject, SubjectError, finding

HERE = Path(__file__).parent
MINE = Subject(trainer="elsewhere:Mine")


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package, as far as metadata goes, whose entry point ``own`` leads somewhere."""

    def install(leads_to: str) -> None:
        about = tmp_path / "own-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{finding.GROUP}]\nown = {leads_to}\n")

    def forget() -> None:
        finding._entry_points.cache_clear()
        subjects.of.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(HERE))
    forget()
    yield install
    forget()


def without_lineage(subject: Subject) -> Subject:
    return replace(subject, lineage=TRAINER.lineage)


def test_the_trainer_itself_declares_nothing() -> None:
    assert subjects.of(Trainer) == TRAINER


def test_shipped_ones_are_found_by_their_names() -> None:
    found = subjects.of(Seq2SeqTrainer)
    assert without_lineage(found) == SEQ2SEQ
    assert found.lineage == {"transformers:Seq2SeqTrainer", "transformers:Trainer"}
    assert set(SHIPPED) == {subject.trainer for subject in SHIPPED.values()}


def test_ones_own_subclass_inherits_the_nearest() -> None:
    class Middle(Seq2SeqTrainer):  # type: ignore[misc]
        conformance_subject = MINE

    class Below(Middle):
        pass

    class Beside(Seq2SeqTrainer):  # type: ignore[misc]
        pass

    class Plain(Trainer):  # type: ignore[misc]
        pass

    assert without_lineage(subjects.of(Below)) == MINE
    assert without_lineage(subjects.of(Beside)) == SEQ2SEQ
    assert without_lineage(subjects.of(Plain)) == TRAINER
    assert "transformers:Seq2SeqTrainer" in subjects.of(Below).lineage


def test_an_attribute_can_lead_to_a_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    class Led(Trainer):  # type: ignore[misc]
        conformance_subject = "own_subjects:SUBJECT"

    monkeypatch.syspath_prepend(str(HERE))
    assert subjects.of(Led).differences[0].reason == "it says so"


def test_an_entry_point_declares_for_its_class_and_those_below(
    enter: Callable[[str], None],
) -> None:
    enter("own_subjects:SUBJECT")
    own = subjects.trainer_class("own")
    assert (own.__name__, own) == ("Own", subjects.trainer_class("own_subjects:Own"))

    class Below(own):  # type: ignore[misc, valid-type]
        pass

    for trainer in (own, Below):
        assert [d.reason for d in subjects.of(trainer).differences] == ["it says so"]
    assert without_lineage(subjects.of(Seq2SeqTrainer)) == SEQ2SEQ


@pytest.mark.parametrize(
    ("leads_to", "message"),
    [
        ("own_subjects:NOT_A_SUBJECT", "leads to a int, not to a Subject"),
        ("own_subjects:NO_SUCH", "own_subjects has no NO_SUCH"),
        ("no_such_module:X", "no_such_module cannot be imported: ModuleNotFoundError"),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_refused(
    enter: Callable[[str], None], leads_to: str, message: str
) -> None:
    enter(leads_to)
    with pytest.raises(SubjectError, match=r"^entry point 'own' of peft_conformance.subjects") as e:
        subjects.of(Seq2SeqTrainer)
    assert message in str(e.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nonsense", "is not of the form package.module:Class"),
        ("no_such_module:X", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("transformers:NoSuchTrainer", "transformers has no NoSuchTrainer"),
        ("transformers:TrainingArguments", "is not a subclass of transformers.Trainer"),
    ],
)
def test_what_is_no_trainer_is_refused(path: str, message: str) -> None:
    with pytest.raises(SubjectError, match=message):
        subjects.trainer_class(path)
