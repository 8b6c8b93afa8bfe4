"""A hand-made record with every verdict, for the tests of what reads and shows records."""

from dataclasses import replace

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


REFUSED = "ValueError in phase inject: The version of PEFT, 0.21.2, is too old: use >= 0.22.0"


def refused(scenario: str, caller: str) -> str:
    """The message of a training that one place of a library ended, on the way from ``caller``."""
    packages = f"/home/{scenario}/lib/python3.11/site-packages/transformers"
    return (
        f"{REFUSED}\nscenario: Scenario(architecture='{scenario}')\n"
        "Traceback (most recent call last):\n"
        '  File "/work/conformance/running/build.py", line 130, in inject\n'
        f'  File "{packages}/integrations/peft.py", line 408, in {caller}\n'
        f'  File "{packages}/utils/peft_utils.py", line 113, in check_peft_version\n'
        "    raise ValueError\nValueError: whatever"
    )


@pytest.fixture
def one_cause(record: Record) -> Record:
    """The record as an upgrade leaves it that broke one thing: four more clauses of one cause.

    Two of them end in its exception, one finds it where it expects another, and one fails besides
    for a reason of its own; a fifth could not be judged.
    """
    found = {
        "injection.add-adapter": [refused("llama", "add_adapter"), refused("bert", "add_adapter")],
        "injection.equivalent": [refused("t5", "load_adapter")],
        "methods.native-refused": [f"the message\n  got:      {REFUSED}\n  expected: TypeError"],
        "loop.clipping": [refused("gpt2", "add_adapter"), "clipped gradients of step 1\n  got: 3"],
    }
    clauses = [
        ClauseResult(name, name.partition(".")[0], "MUST", Verdict.FAIL, "", _said(name, messages))
        for name, messages in found.items()
    ]
    kept = Case("x", "precision.bf16", {}, Verdict.NOT_RUN, message=f"no adapter got in: {REFUSED}")
    last = ClauseResult("precision.bf16", "precision", "MUST", Verdict.NOT_RUN, "why", (kept,))
    return replace(record, clauses=(*record.clauses, *clauses, last))


def _said(clause: str, messages: list[str]) -> tuple[Case, ...]:
    return tuple(
        replace(case(clause, number, Verdict.FAIL, message), scenario={"seed": number})
        for number, message in enumerate(messages)
    )
