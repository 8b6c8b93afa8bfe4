"""From ``package.module:Class`` to the class, and from a class to its `Subject`."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import metadata
from typing import Any

from conformance.contract import load, tested
from conformance.redacting import redacted
from conformance.scenarios import Scenario

from .preparing import quieten
from .shipped import SHIPPED, TRAINER
from .subject import Difference, Subject

GROUP = "peft_conformance.subjects"
ATTRIBUTE = "conformance_subject"


class SubjectError(ValueError):
    """What is named as a Trainer is none, or its declaration is unsound; the message says why."""


def trainer_class(path: str) -> type:
    """The class at ``package.module:Class``, or that of the entry point of that name.

    Raises `SubjectError` when it is no Trainer.
    """
    if ":" not in path and (declared := _entry_points().get(path)):
        return trainer_class(declared.trainer)
    found = at(path, "trainer")
    trainer = importlib.import_module("transformers").Trainer
    if not (isinstance(found, type) and issubclass(found, trainer)):
        raise SubjectError(f"trainer {path!r} is not a subclass of transformers.Trainer")
    return found


@cache
def of(trainer: type) -> Subject:
    """The nearest declaration in the class's method resolution order, for this class.

    Raises `SubjectError` for a declaration that is unsound, such as one of an unknown clause.
    """
    names = [short_name(each) for each in trainer.__mro__]
    above = names.index(TRAINER.trainer)  # which declares nothing: the contract is its own
    own = trainer.__mro__[:above]
    declared = next(filter(None, map(_of_its_own, own)), TRAINER)
    for difference in declared.differences:
        _check(declared, difference)
    return replace(declared, lineage=frozenset(names[: above + 1]))


def short_name(trainer: type) -> str:
    """A class by its top-level package, as deviations name it: ``trl:SFTTrainer``."""
    return f"{trainer.__module__.partition('.')[0]}:{trainer.__qualname__}"


def _of_its_own(trainer: type) -> Subject | None:
    """What is declared for this very class."""
    attached = vars(trainer).get(ATTRIBUTE)
    if attached is not None:
        return _subject(attached, f"{ATTRIBUTE} of {short_name(trainer)}")
    for declared in _entry_points().values():
        if _is(trainer, declared.trainer):
            return declared
    return SHIPPED.get(short_name(trainer))


def _is(trainer: type, path: str) -> bool:
    """Whether a path leads to this class; nothing of other packages is imported to find out."""
    package = re.split("[.:]", path)[0]
    return package == trainer.__module__.partition(".")[0] and trainer_class(path) is trainer


@cache
def _entry_points() -> Mapping[str, Subject]:
    """The subjects that installed packages declare, by the names of their entry points."""
    return {
        point.name: _subject(point.value, f"entry point {point.name!r} of {GROUP}")
        for point in metadata.entry_points(group=GROUP)
    }


def _subject(declared: Any, where: str) -> Subject:
    found = at(declared, where) if isinstance(declared, str) else declared
    if not isinstance(found, Subject):
        raise SubjectError(f"{where} leads to a {type(found).__name__}, not to a Subject")
    return found


def at(path: str, what: str = "class") -> Any:
    """What lies at ``package.module:Name``. Raises `SubjectError`, which begins with ``what``."""
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise SubjectError(f"{what} {path!r} is not of the form package.module:Class")
    quieten()
    try:
        module = importlib.import_module(module_name)
        found = getattr(module, name, None)  # imports, where a package loads its parts lazily
    except Exception as error:
        said = " ".join(redacted(str(error)).split())[:300]
        why = f"{module_name} cannot be imported: {type(error).__name__}: {said}"
        raise SubjectError(f"{what} {path!r}: {why}") from error
    if found is None:
        raise SubjectError(f"{what} {path!r}: {module_name} has no {name}")
    return found


def _check(subject: Subject, difference: Difference) -> None:
    """A declaration that can match nothing would hide that its case is judged after all."""
    names = tested(load())
    clauses = [clause.id for clause in load().clauses]
    tests = [name.partition("::")[2] for each in names.values() for name in each]
    for pattern in difference.clauses:
        _known(subject, "clause", pattern, clauses)
    for pattern in difference.tests:
        _known(subject, "test", pattern, tests)
    for name in difference.when:
        if not hasattr(Scenario(), name):
            raise SubjectError(f"the subject of {subject.trainer}: scenarios have no {name!r}")
    try:
        re.compile(difference.symptom)
    except re.error as error:
        raise SubjectError(f"the subject of {subject.trainer}: symptom: {error}") from error


def _known(subject: Subject, what: str, pattern: str, names: list[str]) -> None:
    if not any(fnmatchcase(name, pattern) for name in names):
        raise SubjectError(f"the subject of {subject.trainer}: unknown {what} {pattern!r}")
