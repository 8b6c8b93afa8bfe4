"""From a stack to an environment: resolve, look into the cache, lay what moves over the base.

A layer is a virtual environment without pip whose one ``.pth`` file adds the base's site-packages
behind its own. The base's pip, run for it, sees what the base has as installed, installs only what
moves, and leaves the base alone, which lies outside of the environment. (uv looks into an
environment's own folder only, and would install torch again.)
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from conformance.records import UnsupportedStack, check_supported, write_atomically

from . import pip
from .base import Base, base
from .environment import Environment
from .pip import PipError, Unresolvable
from .resolving import constraints, forced, pins
from .stack import Stack

FORMAT = 1
"""Goes up when layers of an earlier version of this program can be used no more."""

MARKER = "layer.json"
CACHE = "PEFT_CONFORMANCE_CACHE"

Say = Callable[[str], None]

_SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"
_SEEN = "import json; from conformance.records import installed; "
_SEEN += "print(json.dumps(installed()))"
# What the suite needs at the least.
_IMPORTS = (
    "import transformers, peft, accelerate; from peft import get_peft_model; "
    "from transformers import Trainer, TrainingArguments"
)
_PATIENCE = 600.0  # seconds that importing the libraries may take


@dataclass(frozen=True, slots=True)
class _Layer:
    """What the marker of a finished layer says; ``broken`` is why it cannot be imported."""

    versions: dict[str, str]
    broken: str
    seconds: float
    size: int


def cache_folder(cache: Path | None = None) -> Path:
    """Where layers are kept: ``cache``, or what `CACHE` names, or below the user's cache folder."""
    if cache is not None:
        return cache.absolute()
    if named := os.environ.get(CACHE):
        return Path(named).absolute()
    users = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(users).absolute() / "peft-conformance"


def build(stack: Stack, cache: Path | None = None, say: Say = lambda _: None) -> Environment:
    """The environment of a stack, from the cache where it is there; ``say`` gets lines to show.

    Two processes may build the same at the same time: one does, the other waits. What a build
    that was broken off left behind is built anew.

    Raises `Unresolvable` when pip finds no versions that fit, or they cannot be imported or
    judged; `UsageError` when the base has no pip; `OSError` when the disk is full.
    """
    under = base()
    try:
        pinned = pins(stack, under)
    except PipError as error:
        raise Unresolvable(stack, str(error)) from None
    if not pinned:
        return Environment(stack, under.python, under.packages, {})
    layers = cache_folder(cache) / "layers"
    layers.mkdir(parents=True, exist_ok=True)
    folder = layers / _key(under, pinned)
    with _locked(folder, stack, say):
        layer = _finished(folder) or _fresh(folder, stack, under, pinned, say)
    if layer.broken:
        raise Unresolvable(stack, layer.broken)
    return _environment(stack, under, folder, layer)


def _environment(stack: Stack, under: Base, folder: Path, layer: _Layer) -> Environment:
    names = sorted({*under.packages, *layer.versions})
    pairs = {name: (under.packages.get(name, ""), layer.versions.get(name, "")) for name in names}
    moved = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return Environment(
        stack, _python(folder), layer.versions, moved, folder, layer.seconds, layer.size
    )


def _key(under: Base, pinned: tuple[str, ...]) -> str:
    """The same for the same versions over the same base, and for nothing else."""
    content = [FORMAT, str(under.python), under.version, under.folders, under.packages, pinned]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]


@contextlib.contextmanager
def _locked(folder: Path, stack: Stack, say: Say) -> Iterator[None]:
    """Hold a layer's lock, and say so when it has to be waited for."""
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process that builds {stack}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _finished(folder: Path) -> _Layer | None:
    """A layer that was built to its end; `None` for any other."""
    try:
        return _Layer(**json.loads((folder / MARKER).read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _fresh(folder: Path, stack: Stack, under: Base, pinned: tuple[str, ...], say: Say) -> _Layer:
    """Build the layer from nothing; what cannot be installed leaves nothing behind."""
    say(f"building {stack}")
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _lay(folder, under)
        _install(_python(folder), under, pinned)
        layer = _looked_at(stack, under, folder, began)
        write_atomically(folder / MARKER, json.dumps(asdict(layer), indent=1))
    except PipError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Unresolvable(stack, str(error)) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    say(f"built {stack} in {layer.seconds:.0f} s, {layer.size / 2**20:.0f} MiB")
    return layer


def _lay(folder: Path, under: Base) -> None:
    """An empty layer: its own site-packages come before the base's, whose ``.pth`` files count."""
    venv.EnvBuilder(symlinks=os.name != "nt").create(folder)
    own = Path(_printed(_python(folder), _SITE, dict(os.environ)).strip())
    lines = ["import site", *(f"site.addsitedir({path!r})" for path in under.folders)]
    (own / "_base.pth").write_text("; ".join(lines) + "\n", encoding="utf-8")


def _install(python: Path, under: Base, pinned: tuple[str, ...]) -> None:
    with pip.constraint_file(constraints(under, pinned)) as kept:
        wanted = ("--constraint", str(kept), "--", *pinned)
        pip.call("install", "--no-compile", *wanted, python=python)
    if again := forced(pinned):
        wanted = ("--no-deps", "--force-reinstall", "--", *again)
        pip.call("install", "--no-compile", *wanted, python=python)


def _looked_at(stack: Stack, under: Base, folder: Path, began: float) -> _Layer:
    """What can be seen in a layer, and whether the suite could run there."""
    python = _python(folder)
    bare = _environment(stack, under, folder, _Layer({}, "", 0.0, 0))
    versions = json.loads(_printed(python, _SEEN, bare.environ()))
    found = _environment(stack, under, folder, _Layer(versions, "", 0.0, 0))
    broken = _unsupported(versions) or _not_importable(found)
    size = sum(path.lstat().st_size for path in folder.rglob("*"))
    return _Layer(versions, broken, round(time.monotonic() - began, 1), size)


def _unsupported(versions: dict[str, str]) -> str:
    try:
        check_supported(versions)
    except UnsupportedStack as error:
        return str(error)
    return ""


def _not_importable(found: Environment) -> str:
    """Why the libraries cannot be imported together, on one line; empty when they can."""
    try:
        _printed(found.python, _IMPORTS, found.environ())
    except subprocess.CalledProcessError as error:
        if error.returncode < 0:  # a signal's doing, and not the stack's
            raise
        *_, last = error.stderr.strip().splitlines() or ["it says nothing"]
        if pip.FULL.search(last):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(found.folder)) from None
        return f"installed, and cannot be imported: {last}"
    return ""


def _printed(python: Path, code: str, environ: dict[str, str]) -> str:
    ended = subprocess.run(
        [str(python), "-c", code],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environ,
        timeout=_PATIENCE,
        check=True,
    )
    return ended.stdout


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
