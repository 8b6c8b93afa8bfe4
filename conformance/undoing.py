"""What a case may change of its process, put back after it, so that the next does not notice."""

import contextlib
import locale
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Undo = Callable[[], object]


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Put back the working folder, environment, locale, umask, signals, random numbers, and
    torch's defaults.
    """
    undo = [*_process(), *_signals(), *_random(), *_torch()]
    try:
        yield
    finally:
        for each in undo:
            with contextlib.suppress(Exception):  # a folder that is gone; the others still count
                each()


def _process() -> Iterator[Undo]:
    folder, words = os.getcwd(), locale.setlocale(locale.LC_ALL)  # noqa: PTH109
    mask = os.umask(0o022)
    os.umask(mask)
    variables = dict(os.environ)
    yield lambda: os.chdir(folder)
    yield lambda: _set_environment(variables)
    yield lambda: locale.setlocale(locale.LC_ALL, words)
    yield lambda: os.umask(mask)


def _set_environment(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name not in variables]:
        del os.environ[name]
    for name, value in variables.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _signals() -> Iterator[Undo]:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in signal.valid_signals():
        yield from _signal(number, signal.getsignal(number))
    if hasattr(signal, "pthread_sigmask"):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        yield lambda: signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _signal(number: signal.Signals, handler: Any) -> Iterator[Undo]:
    if handler is not None and number not in (signal.SIGKILL, signal.SIGSTOP):

        def undo() -> None:
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)

        yield undo


def _random() -> Iterator[Undo]:
    state = random.getstate()
    yield lambda: random.setstate(state)
    if (numpy := sys.modules.get("numpy")) is not None:
        drawn = numpy.random.get_state()
        yield lambda: numpy.random.set_state(drawn)


def _torch() -> Iterator[Undo]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_rng_state"):
        return
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    gradients, threads = torch.is_grad_enabled(), torch.get_num_threads()
    exact = torch.are_deterministic_algorithms_enabled()
    yield lambda: torch.set_rng_state(state)
    yield lambda: torch.set_default_dtype(dtype)
    yield lambda: torch.set_grad_enabled(gradients)
    yield lambda: torch.use_deterministic_algorithms(exact)
    yield lambda: torch.get_num_threads() == threads or torch.set_num_threads(threads)
