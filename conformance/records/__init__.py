"""What a run leaves: the record's shape, judging it, writing it safely, reading and comparing.

- the shape: `record`, `verdict`, `stack` (the installed versions), ``schema.json``
- from cases to clauses: `clause_results`; alike failures: `causes`, with `raised` (the exception
  that a message is about)
- what was done to trainings on purpose: `tried`
- on disk: `journal` writes, `reading` reads; `brief` reads the little that a history needs
- several records: `comparing` two, with `evidence_changes`; `history` of many
"""

from .causes import Cause, causes
from .clause_results import judge
from .comparing import CaseChange, ChangeKind, ClauseChange, Comparison, compare, worse
from .evidence_changes import EvidenceChange
from .journal import BrokenOff, Journal, left_in, recover, write, write_atomically
from .reading import JOURNAL, RECORD, RecordError, read
from .record import SCHEMA, Case, ClauseResult, Record, Selection
from .stack import SUPPORTED, Stack, UnsupportedStack, check_supported, installed, stack
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
    "Cause",
    "ChangeKind",
    "ClauseChange",
    "ClauseResult",
    "Comparison",
    "EvidenceChange",
    "Journal",
    "Record",
    "RecordError",
    "Selection",
    "Stack",
    "UnsupportedStack",
    "Verdict",
    "causes",
    "check_supported",
    "compare",
    "installed",
    "judge",
    "left_in",
    "read",
    "recover",
    "stack",
    "worse",
    "worst",
    "write",
    "write_atomically",
]
