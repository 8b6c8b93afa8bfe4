"""What a run is asked for, and refusing what cannot be done before anything costly starts."""

import difflib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from conformance import paths
from conformance.contract import ContractError, load
from conformance.device import DEVICES
from conformance.faults import faults
from conformance.records import UnsupportedStack, check_supported
from conformance.scenarios import PROFILES
from conformance.subjects import SubjectError, at, of, trainer_class

DEFAULT_TRAINER = "transformers:Trainer"
DEFAULT_MEMORY = 8192
"""MiB; a worker takes about a tenth of it."""


class UsageError(ValueError):
    """The program was asked for something it cannot do; the message is one line."""


class SuiteError(RuntimeError):
    """The suite could not be run at all, as where the libraries cannot be imported; the message is
    one line of what its processes said.
    """

    def __init__(self, said: str) -> None:
        super().__init__(f"the suite could not be run: {said}")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """One run.

    ``chapters`` and ``clauses`` add up, and both empty mean everything; ``trainer`` is
    ``package.module:Class``; ``workers`` `None` leaves their number to the run; ``timeout`` is
    in seconds for one case; ``fault`` names a deliberate defect to plant first;
    ``ignore_deviations`` lets known deviations fail like anything else; ``baseline`` is the one to
    compare with (`None`: that of the trainer judged), which ``update_baseline`` writes anew,
    ``force_baseline`` even where the run is red or narrower; ``memory`` is the limit of one worker
    in MiB, 0 for none; ``resume`` goes on with the run that
    was broken off in ``report_dir``. ``device`` is what is trained on, ``measure`` names what of
    the throughput is measured (`benchmarks.cases.trainings`), nothing where it is empty.
    """

    profile: str = "quick"
    chapters: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    trainer: str = DEFAULT_TRAINER
    report_dir: Path = Path("reports")
    strict: bool = False
    workers: int | None = None
    seed: int = 0
    timeout: float = 120.0
    fault: str | None = None
    ignore_deviations: bool = False
    baseline: Path | None = None
    update_baseline: bool = False
    force_baseline: bool = False
    memory: int = DEFAULT_MEMORY
    resume: bool = False
    device: str = "cpu"
    measure: str = ""

    def arguments(self) -> list[str]:
        """What asks ``peft-conformance run`` for the same, but for the report folder."""
        found = [*self.common_arguments(), "--timeout", str(self.timeout)]
        if self.fault:
            found += ["--fault", self.fault]
        if self.device != DEVICES[0]:
            found += ["--device", self.device]
        if self.memory != DEFAULT_MEMORY:
            found += ["--memory", str(self.memory)]
        switches = {"--strict": self.strict, "--ignore-deviations": self.ignore_deviations}
        return [*found, *(name for name, on in switches.items() if on)]

    def common_arguments(self) -> list[str]:
        """Those that all of ``run``, ``matrix``, ``bisect`` and ``upgrade`` know by these names."""
        return [
            *("--profile", self.profile, "--trainer", self.trainer, "--seed", str(self.seed)),
            *(("--workers", str(self.workers)) if self.workers is not None else ()),
            *(part for name in self.chapters for part in ("--chapter", name)),
            *(part for name in self.clauses for part in ("--clause", name)),
        ]


def validated(options: RunOptions) -> RunOptions:
    """The same options, once everything they name is known to be there.

    Makes the report folder. Imports transformers only when another trainer than the default is
    asked for. Raises `UsageError` for the first thing found wrong.
    """
    if options.profile not in PROFILES:
        raise UsageError(_unknown("profile", options.profile))
    if options.device not in DEVICES:
        raise UsageError(f"unknown device {options.device!r}; known are {', '.join(DEVICES)}")
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"{options.workers} workers cannot run anything, at least 1 is needed")
    if not 0 < options.timeout < float("inf"):
        raise UsageError(f"a timeout of {options.timeout:g} s makes no sense, it must be positive")
    if options.memory < 0:
        raise UsageError(f"{options.memory} MiB of memory cannot hold anything; 0 sets no limit")
    if not 0 <= options.seed < 2**32:
        raise UsageError(f"seed {options.seed} is not a whole number from 0 to {2**32 - 1}")
    if options.fault is not None and options.fault not in faults():
        raise UsageError(f"unknown fault {options.fault!r}; `faults --list` names them")
    try:
        load().select(options.chapters, options.clauses)
        check_supported()
    except (ContractError, UnsupportedStack) as error:
        raise UsageError(str(error)) from error
    if options.trainer != DEFAULT_TRAINER:
        check_trainer(options.trainer)
    _check_baseline(options)
    _check_writable(options.report_dir)
    return options


def _check_baseline(options: RunOptions) -> None:
    """Raise `UsageError` for a baseline that is not there, or that this run could not become."""
    given = options.baseline
    if given is not None and not options.update_baseline and not given.is_file():
        raise UsageError(f"there is no baseline {given}")
    if not options.update_baseline:
        return
    if options.chapters or options.clauses:
        raise UsageError("a baseline holds the whole contract: no --chapter, no --clause")
    if options.fault or options.ignore_deviations:
        raise UsageError("a run that is made to fail is no baseline")
    if given is None and not paths.in_a_clone():
        raise UsageError("an installed package keeps its baselines: name another by --baseline")


def check_trainer(path: str) -> None:
    """Raise `UsageError` unless ``path`` names a subclass of `transformers.Trainer` whose
    declaration is sound and leads to arguments of its own.
    """
    try:
        at(of(trainer_class(path)).arguments)
    except SubjectError as error:
        raise UsageError(str(error)) from error


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write reports to {folder}: {error.strerror}") from error


def _unknown(kind: str, name: str) -> str:
    close = difflib.get_close_matches(name, PROFILES, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(PROFILES)}"
    return f"unknown {kind} {name!r}; {hint}"
