"""Where the data that travels with the package lies."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def fixtures() -> Path:
    """The folder of tiny architectures: inside an installed package, beside it in a clone."""
    installed = _PACKAGE / "_fixtures"
    return installed if installed.is_dir() else _PACKAGE.parent / "fixtures"


def in_a_clone() -> bool:
    """Whether this is a clone of the repository and no installed package."""
    return (_PACKAGE.parent / "pyproject.toml").is_file() and not (_PACKAGE / "_fixtures").is_dir()


def baselines() -> Path:
    """The folder of committed baselines: in an installed package, or in ``reports/`` of a clone."""
    installed = _PACKAGE / "_baselines"
    return installed if installed.is_dir() else _PACKAGE.parent / "reports" / "baselines"
