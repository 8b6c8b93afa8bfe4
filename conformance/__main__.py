"""``python -m conformance`` is ``peft-conformance``."""

import contextlib
import os
import sys

INTERRUPTED = 128  # and the signal's number: what a shell says of a program that a signal ended


def main() -> None:
    """Run the program; an interrupt is told on one line, also where it is still being imported."""
    try:
        from conformance.cli import main as program

        program()
    except KeyboardInterrupt:
        _say("peft-conformance: interrupted")
        _end(130)
    except SystemExit as ended:
        if isinstance(ended.code, int) and ended.code > INTERRUPTED:
            _end(ended.code)
        raise


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr)


def _end(status: int) -> None:
    """Exit at once: Python would end itself by SIGINT where the interrupt came within an `exec`."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
