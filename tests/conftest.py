"""A hand-made record with every verdict, for the tests of what reads and shows records."""

import pytest

from conformance.records import Case, ClauseResult, Record, Stack, Verdict, worst

FROZEN = "frozen.bit-identical"


def case(clause: str, number: int, verdict: Verdict, message: str = "") -> Case:
    return Case(
        id=f"llama-wrapped-lora,seed={number}",
        clause=clause,
        scenario={"seed": number, "save": "steps"},
        verdict=verdict,
        evidence={"compared": 21, "largest_difference": number / 1000, "kind": "f32", "ok": True},
        seconds=0.25,
        message=message,
        reproducer=f'pytest x.py --conformance-scenario "Scenario(seed={number})"',
        deviation="peft-1" if verdict is Verdict.DEVIATION else "",
    )


def _clauses() -> tuple[ClauseResult, ...]:
    ill = "<script>alert('&')</script> [bold] ]]> \x1b[31mred\x1b[0m \x00 \ud800 | `code`\nsecond"
    given = {
        (FROZEN, "frozen", "MUST"): (Verdict.PASS, Verdict.FAIL, Verdict.FAIL),
        ("output.named-tuple", "output", "MUST"): (Verdict.PASS, Verdict.PASS),
        ("output.epoch", "output", "MUST"): (Verdict.DEVIATION, Verdict.PASS),
        ("output.metrics-values", "output", "SHOULD"): (Verdict.FIXED,),
        ("checkpoint.total-limit", "checkpoint", "MUST"): (Verdict.TIMEOUT,),
        ("checkpoint.adapter-only", "checkpoint", "MUST"): (Verdict.CRASH, Verdict.NOT_RUN),
        ("gone.clause", "gone", "OBSERVED"): (Verdict.NOT_RUN,),
    }
    found = []
    for (name, chapter, level), verdicts in given.items():
        cases = tuple(
            case(name, n, verdict, "" if verdict is Verdict.PASS else ill)
            for n, verdict in enumerate(verdicts)
        )
        verdict = worst(verdicts)
        reason = ill if verdict is Verdict.NOT_RUN else ""
        found.append(ClauseResult(name, chapter, level, verdict, reason, cases))
    return (*found, ClauseResult("loss.x", "loss", "MUST", Verdict.NOT_RUN, "no test yet"))


@pytest.fixture
def record() -> Record:
    return Record(
        suite_version="0.1.0",
        started="2025-01-02T03:04:05+00:00",
        stack=Stack("3.11.7", "Linux-6.1-x86_64", "cpu", {"torch": "2.6.0", "peft": "0.15.0"}),
        profile="quick",
        clauses=_clauses(),
        timing={
            "wall": 96.0,
            "imports": 9.0,
            "training": 70.0,
            "reference": 2.0,
            "overhead": 15.0,
            "trainings": 412,
            "peak_rss_mib": 1126.4,
            "workers": 2,
        },
        complete=True,
    )
