"""What is installed, and what a release does not offer."""

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from typing import Any

from packaging.version import Version


class Unavailable(Exception):
    """The installed libraries do not offer what a scenario asks for; the message is the reason."""


def need(distribution: str) -> None:
    """Raise `Unavailable` when a distribution (if one is named) is not installed."""
    if not distribution:
        return
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise Unavailable(f"{distribution} is not installed") from None


def require_since(releases: Mapping[str, str]) -> None:
    """Raise `Unavailable` when a package is older than the release that is given for it.

    A pre-release counts as the release that it leads to.
    """
    for package, release in releases.items():
        need(package)
        installed = Version(importlib.metadata.version(package))
        if Version(installed.base_version) < Version(release):
            raise Unavailable(f"since {package} {release}, and {installed} is installed")


def require_working(package: str) -> None:
    """Raise `Unavailable`, with the reason, unless a package can be used."""
    if package in _hidden:
        raise Unavailable(_hidden[package])
    if not is_installed(package):
        raise Unavailable(f"{package} is not installed")
    if package == "bitsandbytes":
        native = importlib.import_module("bitsandbytes.cextension")
        if type(native.lib).__name__ == "ErrorHandlerMockBNBNativeLibrary":
            raise Unavailable("the native library of bitsandbytes does not load")


def is_installed(package: str) -> bool:
    """Whether a package, or a part of one, is there to be imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is a part of
        return False


_hidden: dict[str, str] = {}  # packages that cannot be imported, with the reason


def hide_broken(package: str) -> None:
    """Make a package that is there but cannot be imported look as if it were missing.

    The libraries ask only whether it is there, and would fail wherever they then import it, in
    trainings too that never need it.
    """
    try:
        if importlib.util.find_spec(package) is not None:
            importlib.import_module(package)
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        _hidden[package] = f"{package} cannot be imported: {type(error).__name__}: {first_line}"
        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            del sys.modules[name]
        sys.modules[package] = None  # type: ignore[assignment]


def optuna() -> Any:
    """The module optuna, quiet. Raises `Unavailable` when it is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise Unavailable("optuna is not installed")
    module = importlib.import_module("optuna")
    module.logging.set_verbosity(module.logging.WARNING)
    return module


def fixed_trial(values: Mapping[str, Any]) -> Any:
    """A trial of Optuna that has been given its values, to train with.

    Raises `Unavailable` without Optuna, and on releases that take trials of a study alone.
    """
    from transformers.integrations.integration_utils import hp_params

    trial = optuna().trial.FixedTrial(dict(values))
    try:
        hp_params(trial)
    except RuntimeError as error:
        if "Unknown type for trial" not in str(error):
            raise
        raise Unavailable(f"train() takes trials of a study alone: {error}") from error
    return trial


def reporting_to_tensorboard() -> dict[str, Any]:
    """The arguments that make a training write TensorBoard's event files.

    Raises `Unavailable` when tensorboard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise Unavailable("tensorboard is not installed")
    return {"report_to": ["tensorboard"]}
