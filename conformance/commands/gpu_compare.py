"""The commands that compare throughput: of records, of stacks in turns, of one with itself."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conformance.device import CPU, CUDA
from conformance.options import UsageError

from .arguments import Cache
from .printing import say
from .upgrade import StacksCommand

if TYPE_CHECKING:
    from conformance.benchmarks.comparing import Compared
    from conformance.benchmarks.measuring import Order

DEFAULT = Path("reports/gpu/calibration.json")

Cases = Annotated[
    list[str] | None, typer.Option("--case", help="Only this training, as 8b-lora-default.")
]
Calibrated = Annotated[
    Path, typer.Option("--calibration", help="What gpu-calibrate wrote on this card.")
]
Pairs = Annotated[int, typer.Option(help="How often each side is measured, in turns.")]
Profile = Annotated[str, typer.Option(help="quick or full.")]
Device = Annotated[str, typer.Option(help="cuda; or cpu, to try the way.")]


def add_to(app: typer.Typer) -> None:
    """Make the commands part of the program."""
    app.command("gpu-compare")(compare)
    app.command("gpu-calibrate")(calibrate)
    app.command("gpu-upgrade", cls=StacksCommand)(upgrade)


def compare(
    before: Annotated[Path, typer.Argument(help="A record of gpu, or the folder it lies in.")],
    after: Annotated[Path, typer.Argument(help="A later one of the same card.")],
    calibration: Calibrated = DEFAULT,
) -> None:
    """Say what became faster or slower; exits 1 on a regression. Refuses different cards."""
    from conformance.benchmarks.comparing import Incomparable
    from conformance.benchmarks.comparing import compare as compared
    from conformance.records import read

    old, new = read(before), read(after)
    try:
        limits = _limits(calibration, new.stack.hardware)
        found = compared(old, new, limits)
    except Incomparable as error:
        raise UsageError(str(error)) from error
    if not found:
        raise UsageError("the records have no measured training in common")
    _tell(found)


def calibrate(
    *,
    cases: Cases = None,
    profile: Profile = "quick",
    device: Device = CUDA,
    pairs: Pairs = 5,
    out: Annotated[Path, typer.Option(help="Where it is written.")] = DEFAULT,
) -> None:
    """Measure the installed stack against itself: how far apart the same lies on this card."""
    from conformance.benchmarks.fresh_process import in_a_process
    from conformance.benchmarks.turns import FEWEST, Calibration, in_turns

    if pairs < FEWEST:
        raise UsageError(f"{pairs} pairs calibrate nothing, {FEWEST} are needed")
    shifts = {}
    for order in _orders(cases, profile, device):
        turns = in_turns(order, in_a_process, in_a_process, pairs, say)
        shifts[order.training.id] = turns.shifts
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Calibration(_hardware(), shifts)
    made.write(out)
    for name, values in shifts.items():
        told = ", ".join(f"{value:+.2%}" for value in values)
        typer.echo(f"{name}: {told}")
    typer.echo(str(out))


def upgrade(
    *,
    before: Annotated[list[str], typer.Option("--from", help="A stack, as of `upgrade`.")],
    after: Annotated[list[str], typer.Option("--to", help="Another one.")],
    cases: Cases = None,
    profile: Profile = "quick",
    device: Device = CUDA,
    pairs: Pairs = 3,
    calibration: Calibrated = DEFAULT,
    cache: Cache = None,
) -> None:
    """Measure two stacks in turns, each time in a fresh process; exits 1 on a regression."""
    from functools import partial

    from conformance.benchmarks.comparing import Incomparable
    from conformance.benchmarks.fresh_process import in_a_process
    from conformance.benchmarks.turns import in_turns, judge
    from conformance.environments import Stack, Unresolvable, build

    if pairs < 1:
        raise UsageError(f"{pairs} pairs measure nothing, at least 1 is needed")
    orders = _orders(cases, profile, device)
    try:
        limits = _limits(calibration, _hardware())
        built = [build(Stack.of(specs), cache, say) for specs in (before, after)]
    except (Incomparable, Unresolvable) as error:
        raise UsageError(str(error)) from error
    ways = [
        partial(in_a_process, python=str(each.python), environ=each.environ()) for each in built
    ]
    _tell(
        judge(
            order.training.id,
            in_turns(order, ways[0], ways[1], pairs, say),
            limits.get(order.training.id),
        )
        for order in orders
    )


def _orders(cases: list[str] | None, profile: str, device: str) -> "list[Order]":
    from conformance.benchmarks.bench import ordered
    from conformance.benchmarks.cases import DEFAULT, trainings
    from conformance.cards import machine, users

    if device == CUDA:
        if reason := machine().missing or users():
            raise UsageError(reason)
    elif device != CPU:
        raise UsageError(f"unknown device {device!r}; known are {CPU}, {CUDA}")
    known = {each.id: each for each in trainings(CPU if device == CPU else profile)}
    wanted = cases or [name for name, each in known.items() if each.kernels == DEFAULT]
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"unknown case {unknown[0]!r}; known are {', '.join(known) or 'none'}")
    return [ordered(known[name], device) for name in wanted]


def _hardware() -> dict[str, str]:
    from conformance.cards import machine

    return machine().hardware()


def _limits(path: Path, hardware: Mapping[str, str]) -> dict[str, float]:
    """The calibrated thresholds; none without a calibration, unless one was asked for."""
    from conformance.benchmarks.turns import Calibration

    if path == DEFAULT and not path.is_file():
        return {}
    return Calibration.read(path).thresholds(hardware)


def _tell(found: "Iterable[Compared]") -> None:
    """One line a training; exits 1 when one got slower."""
    slower = False
    for each in found:
        slower |= each.verdict == "regression"
        typer.echo(_line(each))
    raise typer.Exit(int(slower))


def _line(found: "Compared") -> str:
    if found.shift is None:
        return f"{found.id}: {found.verdict}: {found.reason}"
    by = found.shift
    told = f"{by.value:+.2%} a step ({by.low:+.2%} to {by.high:+.2%})"
    limit = f", threshold {found.threshold:.2%}" if found.threshold is not None else ""
    reason = f": {found.reason}" if found.reason else ""
    return f"{found.id}: {found.verdict}: {told}{limit}{reason}"
