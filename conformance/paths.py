"""Where the data that travels with the package lies."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def fixtures() -> Path:
    """The folder of tiny architectures: inside an installed package, beside it in a clone."""
    installed = _PACKAGE / "_fixtures"
    return installed if installed.is_dir() else _PACKAGE.parent / "fixtures"
