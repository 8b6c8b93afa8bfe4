"""What a run leaves: the record's shape, judging it, writing it safely, reading and comparing."""

from .comparing import CaseChange, ClauseChange, Comparison, Kind, compare
from .journal import BrokenOff, Journal, recover, write, write_atomically
from .judging import judge
from .moving import EvidenceChange
from .reading import JOURNAL, RECORD, RecordError, read
from .record import SCHEMA, Case, ClauseResult, Record, Selection
from .stack import SUPPORTED, Stack, UnsupportedStack, check_supported, stack
from .verdict import SEVERITY, Verdict, worst

__all__ = [
    "JOURNAL",
    "RECORD",
    "SCHEMA",
    "SEVERITY",
    "SUPPORTED",
    "BrokenOff",
    "Case",
    "CaseChange",
    "ClauseChange",
    "ClauseResult",
    "Comparison",
    "EvidenceChange",
    "Journal",
    "Kind",
    "Record",
    "RecordError",
    "Selection",
    "Stack",
    "UnsupportedStack",
    "Verdict",
    "check_supported",
    "compare",
    "judge",
    "read",
    "recover",
    "stack",
    "worst",
    "write",
    "write_atomically",
]
