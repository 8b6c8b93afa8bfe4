"""A record as the JSON that https://shields.io/badges/endpoint-badge makes a badge of."""

import json

from conformance.records import Record, Verdict

from .summary import counted, headline


def badge(record: Record) -> str:
    """Green where the run conforms, and how many clauses stand or what broke."""
    data = {
        "schemaVersion": 1,
        "label": "peft-conformance",
        "message": _message(record),
        "color": _colour(record),
        "isError": record.exit_status == 2,
    }
    return json.dumps(data, indent=1) + "\n"


def _message(record: Record) -> str:
    unexpected = sum(map(record.unexpected, record.clauses))
    if record.exit_status == 1:
        return f"{counted(unexpected, 'clause')} broken"
    if record.exit_status == 2:
        return headline(record)
    counts = record.counts
    listed = counts.get(Verdict.DEVIATION.value, 0)
    known = f", {counted(listed, 'known deviation')}" if listed else ""
    passing = counts.get(Verdict.PASS.value, 0)
    return f"{counted(passing, 'clause')} pass{'es' * (passing == 1)}{known}"


def _colour(record: Record) -> str:
    if record.exit_status == 0:
        return "brightgreen"
    return "red" if record.exit_status == 1 else "lightgrey"
