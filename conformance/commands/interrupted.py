"""What an interrupted run says: what is known so far, where it is kept, how to go on."""

import shlex
from collections import Counter

from conformance.options import RunOptions
from conformance.records import JOURNAL, Case, RecordError, Verdict, left_in

_SHOWN = 8  # clauses named at most
_PROGRAM = "peft-conformance"


def so_far(options: RunOptions, signal: str = "") -> str:
    """A few lines on the run in the report folder of ``options``, which has just ended.

    ``signal`` names what ended it, where that was no interrupt from the keyboard.
    """
    how = f"{_PROGRAM}: interrupted{f' by {signal}' if signal else ''}"
    try:
        header, cases = left_in(options.report_dir)
    except RecordError:
        return f"{how} before anything was judged"
    if header.complete:
        what = "all cases are judged and recorded, reports and scripts are not all written"
        return f"{how}: {what}; to write them:\n  {_again(options)}"
    kept = options.report_dir / JOURNAL
    lines = [f"{how} after {_counted(cases)}", *_failing(cases)]
    lines += [f"kept in {kept}; to judge what is missing:", f"  {_again(options)}"]
    return "\n".join(lines)


def _counted(cases: tuple[Case, ...]) -> str:
    found = Counter(case.verdict for case in cases)
    counts = ", ".join(f"{found[verdict]} {verdict}" for verdict in Verdict if found[verdict])
    return f"{len(cases)} case{'s' * (len(cases) != 1)}{f': {counts}' if counts else ''}"


def _failing(cases: tuple[Case, ...]) -> list[str]:
    failing = Counter(case.clause for case in cases if case.verdict.broken)
    if not failing:
        return []
    named = ", ".join(f"{clause} ({count})" for clause, count in failing.most_common(_SHOWN))
    more = f", … {len(failing) - _SHOWN} more" if len(failing) > _SHOWN else ""
    return [f"failing so far: {named}{more}"]


def _again(options: RunOptions) -> str:
    command, given = ("gpu", _of_gpu(options)) if options.measure else ("run", options.arguments())
    given += ["--report-dir", str(options.report_dir)]
    return f"{_PROGRAM} {command} --resume {shlex.join(given)}"


def _of_gpu(options: RunOptions) -> list[str]:
    """What asks ``gpu`` for the same: it has fewer options, and its own names of profiles."""
    given = ["--profile", "full" if options.profile == "full" else "quick"]
    given += ["--device", options.device]
    given += [part for name in options.chapters for part in ("--chapter", name)]
    given += [part for name in options.clauses for part in ("--clause", name)]
    return [*given, *(["--workers", str(options.workers)] if options.workers else [])]
