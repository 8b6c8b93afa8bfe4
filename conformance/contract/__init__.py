"""The contract as data: one TOML file a chapter, read and checked by `load`."""

from .loader import load, read
from .model import (
    Chapter,
    Clause,
    Contract,
    ContractError,
    Level,
    UnknownChapter,
    UnknownClause,
)
from .tested import tested, untested

__all__ = [
    "Chapter",
    "Clause",
    "Contract",
    "ContractError",
    "Level",
    "UnknownChapter",
    "UnknownClause",
    "load",
    "read",
    "tested",
    "untested",
]
