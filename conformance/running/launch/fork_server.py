"""The fork server: ``python -m conformance.running.launch.fork_server``, or a fork of the process
that asks (see `server_process`).

Imports the libraries once, then forks the ranks of each training it is asked for: a line of JSON on
standard input, a line of JSON back. It never trains itself and never starts a thread, since a fork
copies the thread that calls it alone.

Where a card is trained on, it imports nothing and each rank does: bitsandbytes initialises CUDA as
it is imported, and what is forked after that cannot use a card.
"""

import contextlib
import faulthandler
import functools
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from conformance import device
from conformance.leaving import end_with_the_parent
from conformance.one_thread import require_one_thread
from conformance.printed import bound, end_of
from conformance.redacting import redacted

from .rendezvous import joined, listening, unreachable

GRACE = 8.0  # seconds the others get to end by themselves once one rank has failed
OUTPUT_KEPT = 3000  # characters kept of what a rank wrote
BEFORE = 600  # of them, those before the stack of one that died: what a library said
POLL = 0.005


def main() -> None:
    """Answer orders until standard input ends."""
    end_with_the_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


def serve(orders: IO[str], answers: IO[str]) -> None:
    """Answer ``orders`` until they end."""
    _stay_on_this_machine()
    warm = device.chosen() == device.CPU
    for line in orders:
        if warm:
            _warm_up()
        order = {**json.loads(line), "cold": not warm}
        answers.write(json.dumps(_launch(order)) + "\n")
        answers.flush()


@functools.cache
def _warm_up() -> None:
    _prepare()
    _fill_caches()
    _freeze()


def _prepare() -> None:
    from conformance import subjects

    subjects.prepare()
    import conformance.faults  # noqa: F401 - imported here, so that no rank has to

    from . import rank  # noqa: F401 - the same


def _fill_caches() -> None:
    """Do once what every rank would: build a model and inject an adapter, which fills the caches of
    the libraries and of `build`.

    A rank meets for itself what fails here.
    """
    from conformance.running import build
    from conformance.scenarios import Scenario

    with contextlib.suppress(Exception):
        plainest = Scenario()
        build.inject(plainest, build.base_model(plainest), 0)


def _freeze() -> None:
    gc.collect()
    gc.freeze()


def _plant(fault: str) -> None:
    """Plant a fault into this rank alone."""
    from conformance.faults import faults

    faults()[fault].plant()


@functools.cache
def _import_deepspeed() -> None:
    """Once it is wanted, so that no rank has to."""
    import deepspeed  # noqa: F401

    _freeze()


def _stay_on_this_machine() -> None:
    """No hub, no device that is not asked for, and no connection but to this machine."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    device.choose(device.chosen())
    device.take_all_cards(os.environ)
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "GLOO_SOCKET_IFNAME": "lo"}

    def local_only(event: str, details: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(details[1], tuple):
            host = str(details[1][0])
            if host not in ("localhost", "::1") and not host.startswith("127."):
                raise OSError(f"no network while trainings are judged: {host}")

    sys.addaudithook(local_only)


def _launch(order: dict[str, Any]) -> dict[str, Any]:
    """Fork the ranks, wait for them.

    ``statuses`` are exit statuses, negative for signals, null for ranks that had to be ended;
    ``late`` tells whether that was because all of them took too long. ``alone`` is why there could
    not be several.
    """
    if int(order["ranks"]) > 1 and (why := unreachable()):
        return {"alone": why}
    if not order["cold"] and str(order["scenario"].get("launch", "")).startswith("zero"):
        _import_deepspeed()
    require_one_thread()
    require_no_cuda()
    ranks = int(order["ranks"])
    results = Path(order["results"])
    with listening() as listener:
        pids = [_fork(order, rank, ranks, listener, results) for rank in range(ranks)]
    written = [results / f"rank-{rank}.txt" for rank in range(ranks)]
    statuses, late = _wait(pids, float(order["patience"]), written)
    heard = list(map(_end_of_output, written))
    return {"statuses": statuses, "late": late, "heard": heard}


def require_no_cuda() -> None:
    """Raise `RuntimeError` where CUDA is initialised: no process that is forked could use it."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise RuntimeError("CUDA is initialised already, and what is forked now could not use it")


def _fork(
    order: dict[str, Any], rank: int, ranks: int, listener: socket.socket, results: Path
) -> int:
    if pid := os.fork():
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        end_with_the_parent()
        _redirect_output(results / f"rank-{rank}.txt")
        if order["cold"]:
            _prepare()
        if order["fault"]:
            _plant(order["fault"])
        from . import rank as program

        with joined(rank, ranks, listener):
            program.run(order, results / f"rank-{rank}.pt")
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        faulthandler.dump_traceback()
    finally:
        os._exit(status)


def _redirect_output(path: Path) -> None:
    """Send what the rank prints to a file, and its stacks when it is told to end."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    faulthandler.enable()
    faulthandler.register(signal.SIGTERM, chain=False)


def _wait(
    pids: list[int], patience: float, written: Sequence[Path]
) -> tuple[list[int | None], bool]:
    statuses: dict[int, int] = {}
    deadline, failed = time.monotonic() + patience, False
    while len(statuses) < len(pids) and time.monotonic() < deadline:
        time.sleep(POLL)
        for path in written:
            bound(path)
        statuses |= dict(_reaped([pid for pid in pids if pid not in statuses]))
        if not failed and any(statuses.values()):
            deadline, failed = min(deadline, time.monotonic() + GRACE), True
    left = [pid for pid in pids if pid not in statuses]
    _kill(left)
    return [statuses.get(pid) for pid in pids], bool(left) and not failed


def _reaped(pids: list[int]) -> Iterator[tuple[int, int]]:
    for pid in pids:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            yield pid, os.waitstatus_to_exitcode(status)


def _kill(pids: list[int]) -> None:
    """Have the ranks write their stacks, then end them."""
    if not pids:
        return
    for each in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, each)
        time.sleep(0.5 if each is signal.SIGTERM else 0)
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _end_of_output(path: Path) -> str:
    """The end of what a rank wrote; of one that died, its stack and the words right before."""
    text = redacted(end_of(path)) if path.exists() else ""
    fatal = text.rfind("Fatal Python error")
    return text[-OUTPUT_KEPT:] if fatal < 0 else text[max(0, fatal - BEFORE) :][:OUTPUT_KEPT]


if __name__ == "__main__":
    main()
