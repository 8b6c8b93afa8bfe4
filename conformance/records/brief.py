"""The parts of ``record.json`` that a history needs, decoded and checked by msgspec.

Fields that are not named here are passed over without becoming objects.
"""

from typing import Literal

import msgspec

from .reading import RecordError, parse
from .verdict import Verdict


class BriefStack(msgspec.Struct, gc=False):
    """See `Stack`."""

    python: str
    platform: str
    device: str
    packages: dict[str, str]
    hardware: dict[str, str] = {}


class BriefCase(msgspec.Struct, gc=False):
    """See `Case`."""

    id: str
    verdict: Verdict
    evidence: dict[str, float | str | bool]


class BriefClause(msgspec.Struct, gc=False):
    """See `ClauseResult`."""

    id: str
    level: Literal["MUST", "SHOULD", "OBSERVED"]
    verdict: Verdict
    cases: list[BriefCase]


class BriefRecord(msgspec.Struct, gc=False):
    """See `Record`."""

    schema: int
    complete: bool
    started: str
    stack: BriefStack
    profile: str
    trainer: str
    timing: dict[str, float]
    clauses: list[BriefClause]
    fault: str = ""


_DECODER = msgspec.json.Decoder(BriefRecord)


def decode(data: bytes) -> BriefRecord:
    """The record in ``data``; raises `RecordError` when it is none, or damaged.

    What msgspec refuses, half of a surrogate pair, Python's own slower reader takes.
    """
    try:
        try:
            return _DECODER.decode(data)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return msgspec.convert(parse(data.decode("utf-8"), "the file"), BriefRecord)
    except msgspec.ValidationError as error:
        raise RecordError(f"is not a record: {error}") from error
    except UnicodeEncodeError:  # half of a pair, in what msgspec was about to quote
        raise RecordError("is not a record: it holds what is no text") from None
    except RecursionError as error:
        raise RecordError("is not a record: it is nested too deep") from error
    except UnicodeDecodeError as error:
        raise RecordError("is not UTF-8") from error
