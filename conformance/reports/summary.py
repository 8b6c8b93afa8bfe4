"""The one sentence every report ends or begins with."""

from collections.abc import Iterable, Mapping

from conformance.records import Record, Verdict

_WORDS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.ERROR: ("clause met an error of the harness", "clauses met an error of the harness"),
    Verdict.CRASH: ("clause crashes", "clauses crash"),
    Verdict.TIMEOUT: ("clause times out", "clauses time out"),
    Verdict.FAIL: ("clause fails", "clauses fail"),
    Verdict.FIXED: ("fixed deviation", "fixed deviations"),
    Verdict.DEVIATION: ("known deviation", "known deviations"),
    Verdict.PASS: ("clause passes", "clauses pass"),
    Verdict.NOT_RUN: ("not run", "not run"),
}
_IDS_SHOWN = 4
_ORDER = (
    Verdict.ERROR,
    Verdict.CRASH,
    Verdict.TIMEOUT,
    Verdict.FAIL,
    Verdict.PASS,
    Verdict.DEVIATION,
    Verdict.FIXED,
    Verdict.NOT_RUN,
)


def counted(number: int, what: str) -> str:
    """A number and what it counts, in the plural unless it is one."""
    return f"{number} {what}{'s' * (number != 1)}"


def first(ids: Iterable[str]) -> str:
    """The first few of these, and how many more there are."""
    every = list(ids)
    more = f", … {len(every) - _IDS_SHOWN} more" if len(every) > _IDS_SHOWN else ""
    return ", ".join(every[:_IDS_SHOWN]) + more


def headline(record: Record) -> str:
    """The verdict on the whole run, in a few words."""
    if not record.judged_anything:
        return "judged nothing"
    return {0: "conforms", 1: "does not conform"}.get(record.exit_status, "cannot tell")


def sentence(record: Record) -> str:
    """The verdict, what it rests on and what it cost, on one line."""
    return f"{_verdict(record)}: {grounds(record)}"


def brief(record: Record) -> list[str]:
    """The same in parts, of what it cost the seconds alone."""
    wall = [f"{record.timing['wall']:.0f} s"] if "wall" in record.timing else []
    return [f"{_verdict(record)}: {_counts(record)}", _cases(record), *wall]


def grounds(record: Record) -> str:
    """What the verdict rests on and what it cost."""
    return " · ".join([_counts(record), _cases(record), *cost(record)])


def _verdict(record: Record) -> str:
    return headline(record) + (f" (with the planted fault {record.fault})" if record.fault else "")


def _cases(record: Record) -> str:
    return counted(sum(record.case_counts.values()), "case")


def _counts(record: Record) -> str:
    counts = record.counts
    found = [
        f"{counts[verdict]} {_WORDS[verdict][counts[verdict] != 1]}"
        for verdict in _ORDER
        if verdict.value in counts
    ]
    return ", ".join(found) or "no clauses"


def cost(record: Record) -> list[str]:
    """Where the time went, and the peak of memory, as far as the record tells."""
    timing = record.timing
    inside = [
        f"{name} {timing[name]:.0f} s"
        for name in ("imports", "training", "reference", "overhead")
        if name in timing
    ]
    if "trainings" in timing:
        several = timing.get("launches", 0)
        among = f", {several:.0f} of them launched" if several else ""
        inside.append(f"{timing['trainings']:.0f} trainings{among}")
    parts = []
    if "wall" in timing:
        parts.append(f"{timing['wall']:.0f} s" + (f" ({', '.join(inside)})" if inside else ""))
    if "peak_rss_mib" in timing:
        parts.append(f"peak {timing['peak_rss_mib'] / 1024:.1f} GiB")
    return parts
