"""Everything there is to say of one clause, for people at a terminal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from conformance import deviations
from conformance.contract import Clause, Contract, tested
from conformance.deviations import Deviation
from conformance.faults import faults
from conformance.records import stack
from conformance.scenarios.quantizations import NOT_COVERED, OTHERS_JUDGED_BY

_LEVELS = {
    "MUST": "a documented guarantee; a run that finds it broken exits with 1",
    "SHOULD": "documented intent; counts with --strict alone",
    "OBSERVED": "recorded, and never counts",
}
_SCRIPTS = Path(deviations.__file__).parent / "scripts"


@dataclass(frozen=True, slots=True)
class Explained:
    """One clause, the tests that judge it, the faults that prove them, what deviates from it.

    ``faults`` are names to stories, ``versions`` the installed releases.
    """

    clause: Clause
    tests: tuple[str, ...]
    faults: Mapping[str, str]
    deviations: tuple[Deviation, ...]
    versions: Mapping[str, str]


def explained(contract: Contract, identifier: str) -> Explained:
    """What there is to say of the clause of that id; raises `UnknownClause`."""
    clause = contract.clause(identifier)
    planted = {name: f.story for name, f in faults().items() if f.clause == clause.id}
    known = tuple(d for d in deviations.load() if d.concerns(clause.id))
    tests = tuple(tested(contract).get(clause.id, ()))
    return Explained(clause, tests, planted, known, stack().packages)


def show_clause(found: Explained, console: Console) -> None:
    """Print it: what is promised first, how to run it last."""
    clause = found.clause
    level = str(clause.level)
    console.print(Text.assemble((clause.id, "bold"), f" {level}: {_LEVELS[level]}"))
    parts = {
        "": clause.statement,
        "Source": clause.source,
        "If it breaks": clause.broken,
        "Since": ", ".join(f"{package} {version}" for package, version in clause.since.items()),
        "Needs": clause.needs or "",
        "Tests": "\n".join(found.tests or ("none yet",)),
        "Not judged": "\n".join(_not_judged(clause.id)),
        "Faults that turn it red": "\n".join(f"{n}: {story}" for n, story in found.faults.items()),
        "Known deviations": "\n".join(
            line for known in found.deviations for line in _deviation(known, found.versions)
        ),
        "Run": "\n".join(_commands(found)),
    }
    for title, text in parts.items():
        if text:
            _show_part(title, text, console)


def _show_part(title: str, text: str, console: Console) -> None:
    console.print()
    if title:
        console.print(Text(title, "dim"))
    for line in text.splitlines():
        if "://" in line or line.startswith(("  ", "peft-conformance")):  # to be copied whole
            console.print(Text(f"  {line}"), soft_wrap=True)
        else:
            console.print(Padding(Text(line), (0, 0, 0, 2)))


def _deviation(known: Deviation, versions: Mapping[str, str]) -> Iterator[str]:
    """Its name and story, then the releases it is known of, its link and its script."""
    yield f"{known.id}: {known.summary}"
    listed = ", ".join(f"{package} {range_}" for package, range_ in known.versions.items())
    here = "" if known.listed_for(versions) else " (not the installed ones)"
    yield f"  releases: {listed}{here}"
    for trainer in sorted(known.trainers):
        yield f"  by: {trainer} alone"
    yield f"  upstream: {known.link or 'not reported yet'}"
    yield f"  script: {_short(_SCRIPTS / known.script)}"


def _not_judged(clause: str) -> Iterator[str]:
    """What the clause is about and no case of it meets, with the reason."""
    if clause == OTHERS_JUDGED_BY:
        yield from (f"{method}: {reason}" for method, reason in NOT_COVERED.items())


def _commands(found: Explained) -> Iterator[str]:
    if found.tests:
        yield f"peft-conformance run --clause {found.clause.id}"
    if found.faults:
        yield f"peft-conformance faults {' '.join(found.faults)}"


def _short(path: Path) -> str:
    """The path from the working folder where it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
