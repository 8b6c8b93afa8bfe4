"""The other way round: with nothing planted, the suite must not raise an alarm, anywhere.

The same run is repeated in surroundings that must make no difference. A verdict that is not the
same in all of them is flaky, and flaky is failed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.leaving import waited
from conformance.records import Record, Verdict, read
from conformance.redacting import redacted

ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")
LOCALES = ("C.UTF-8", "C", "tr_TR.UTF-8", "de_DE.UTF-8")  # C stands in for one that is not there
FOLDERS = ("plain", "with space", "bäse-目", "-dash")
_CACHES = ("XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "PYTHONDONTWRITEBYTECODE")


class Unjudged(RuntimeError):
    """A run ended without a record; the message says where and what it said."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What one repetition differs in."""

    seed: int
    hash_seed: int
    zone: str
    locale: str
    folder: str
    threads: int
    home_writable: bool

    def __str__(self) -> str:
        home = "" if self.home_writable else ", HOME read-only"
        return (
            f"seed {self.seed}, PYTHONHASHSEED {self.hash_seed}, TZ {self.zone}, "
            f"LANG {self.locale}, in {self.folder!r}, OMP_NUM_THREADS {self.threads}{home}"
        )

    def environment(self, home: Path) -> dict[str, str]:
        """The environment of a process in these surroundings, with ``home`` as its home."""
        kept = {name: value for name, value in os.environ.items() if name not in _CACHES}
        path = [os.path.abspath(part) for part in sys.path]  # noqa: PTH100
        return kept | {
            "PYTHONHASHSEED": str(self.hash_seed),
            "TZ": self.zone,
            "LANG": self.locale,
            "LC_ALL": self.locale,
            "OMP_NUM_THREADS": str(self.threads),
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
        }


@dataclass(frozen=True, slots=True)
class Repetition:
    """One run: where, what it found, and how long it took in seconds.

    ``red`` are its cases that failed, and ``different`` those whose verdict is not the first run's;
    each as ``clause case: verdict``.
    """

    surroundings: Surroundings
    cases: int
    red: tuple[str, ...]
    different: tuple[str, ...]
    seconds: float


def surroundings(count: int) -> list[Surroundings]:
    """``count`` of them; each has another seed, and takes the next value of everything else."""
    return [
        Surroundings(
            seed=n,
            hash_seed=n,
            zone=ZONES[n % len(ZONES)],
            locale=LOCALES[n % len(LOCALES)],
            folder=FOLDERS[n % len(FOLDERS)],
            threads=1 + n % 2,
            home_writable=n % 3 == 0,
        )
        for n in range(count)
    ]


def repeat(count: int, options: Sequence[str], scratch: Path) -> Iterator[Repetition]:
    """Run the suite ``count`` times with these options of ``run``, each somewhere else.

    Raises `Unjudged` when a run leaves no record.
    """
    first: Mapping[tuple[str, str], Verdict] | None = None
    for number, place in enumerate(surroundings(count)):
        began = time.monotonic()
        record = _run(place, options, scratch / str(number))
        found = verdicts(record)
        first = found if first is None else first
        yield Repetition(
            place,
            len(found),
            red=tuple(_said(key, found[key]) for key in found if _is_red(found[key])),
            different=tuple(differences(first, found)),
            seconds=time.monotonic() - began,
        )


def verdicts(record: Record) -> dict[tuple[str, str], Verdict]:
    """The verdict of each case, by clause and id."""
    cases = [case for clause in record.clauses for case in clause.cases]
    return {(case.clause, case.id): case.verdict for case in cases}


def differences(
    first: Mapping[tuple[str, str], Verdict], other: Mapping[tuple[str, str], Verdict]
) -> Iterator[str]:
    """What is judged otherwise, or in one of them alone."""
    for key in dict.fromkeys((*first, *other)):
        one, two = first.get(key), other.get(key)
        if one is not two:
            yield f"{_said(key, two)}, first {one or 'not judged'}"


def _run(place: Surroundings, options: Sequence[str], scratch: Path) -> Record:
    folder, reports = scratch / place.folder, scratch / "reports"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "conformance", "run", "--no-scripts", *options]
    command += ["--seed", str(place.seed)]
    errors = scratch / "errors.txt"
    with errors.open("wb") as log:
        status = waited(
            subprocess.Popen(
                [*command, "--report-dir", str(reports)],
                cwd=folder,
                env=place.environment(_home(scratch, writable=place.home_writable)),
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        )
    if status not in (0, 1):
        said = redacted(errors.read_text("utf-8", "replace")).strip()[-500:]
        raise Unjudged(f"{place}: exit status {status}: {said}")
    return read(reports)


def _home(scratch: Path, *, writable: bool) -> Path:
    """A home folder; who may write everywhere gets a place below a file for a read-only one."""
    home = scratch / "home"
    home.mkdir(mode=0o755 if writable else 0o555)
    if not writable and os.access(home, os.W_OK):
        home.rmdir()
        home.write_text("not a folder\n")
        return home / "below"
    return home


def _is_red(verdict: Verdict) -> bool:
    return verdict.broken or verdict is Verdict.ERROR


def _said(key: tuple[str, str], verdict: Verdict | None) -> str:
    return f"{key[0]} {key[1]}: {verdict or 'not judged'}"
