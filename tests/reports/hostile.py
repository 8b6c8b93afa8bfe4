"""A record in which everything that people or libraries write is out to break a report."""

from dataclasses import replace

from conformance.records import Record, Verdict

MARKUP = "<script>alert(1)</script>|`a`|[x](javascript:alert(1)) @all **b** &lt; $x$ ::error::%0A"
CONTROL = "\x00\x08\x0b\x1b[31m\x7f\x9b\ufffe\ud800"
LINES = f"{MARKUP}\n```\n~~~\r\n]]>\n</pre><img src=x onerror=alert(1)>\n{CONTROL}"


def hostile(record: Record) -> Record:
    """The record with hostile text wherever text is free, its verdicts as they were."""
    clauses = []
    for clause in record.clauses:
        cases = [
            replace(
                case,
                id=f"{case.id} {MARKUP}",
                message=LINES,
                reproducer=LINES,
                evidence={MARKUP: 1.0, "text": LINES, f"tried {MARKUP}: {LINES}": 1},
                deviation=MARKUP if case.verdict is Verdict.DEVIATION else "",
            )
            for case in clause.cases
        ]
        clauses.append(replace(clause, cases=tuple(cases), reason=LINES * bool(clause.reason)))
    packages = {"torch": MARKUP, MARKUP: LINES}
    stack = replace(record.stack, packages=packages, platform=LINES, python=MARKUP)
    return replace(record, clauses=tuple(clauses), stack=stack, trainer=MARKUP, fault=MARKUP)
