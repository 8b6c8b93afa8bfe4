"""What optimum.quanto compiles the first time that it unpacks weights of 4 bits."""

import importlib.metadata
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

from .available import Unavailable, is_installed
from .compiling import run_python

_PREPARED = "CONFORMANCE_QUANTO"  # set for the processes started from here: why not, or ""
_CODE = """
import optimum.quanto
from optimum.quanto.library.extensions import get_extension
get_extension("quanto_cpp").lib
"""


def prepare_quanto(say: Callable[[str], None] = lambda _: None) -> None:
    """Have its extension compiled, in a process of its own: half a minute or more once, and no
    case's time.

    Nothing happens where optimum.quanto is missing, or has compiled for this torch before.
    """
    if _PREPARED in os.environ or not is_installed("optimum.quanto"):
        return
    if _is_compiled():
        os.environ[_PREPARED] = ""
        return
    say("optimum.quanto is prepared; the first time it compiles for half a minute or more …")
    os.environ[_PREPARED] = run_python("-c", _CODE)


def require_quanto_compiled() -> None:
    """Raise `Unavailable`, with what the compiler or torch said, where it cannot be compiled."""
    prepare_quanto()
    if reason := os.environ.get(_PREPARED, ""):
        raise Unavailable(f"optimum.quanto cannot compile what unpacks 4 bits: {reason}")


def _is_compiled() -> bool:
    """Whether there is a build, of the installed torch; found without importing anything large."""
    package = importlib.util.find_spec("optimum.quanto")
    if package is None or package.origin is None:
        return False
    build = Path(package.origin).parent / "library" / "extensions" / "cpp" / "build"
    made_for = build / "pytorch_version.txt"
    same = made_for.is_file() and made_for.read_text(
        encoding="utf-8"
    ) == importlib.metadata.version("torch")
    return same and any(build.glob("quanto_cpp.*"))
