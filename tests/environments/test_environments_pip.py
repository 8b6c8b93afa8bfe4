import pytest

from conformance.environments.pip import reason

PRINTED = {
    "ERROR: Ignored the following yanked versions: 4.14.0\n"
    "ERROR: Could not find a version that satisfies the requirement peft==9 (from versions: 0.1, "
    "0.2)\nERROR: No matching distribution found for peft==9": "no index has peft==9; the newest "
    "for this Python is 0.2",
    "ERROR: Could not find a version that satisfies the requirement peft==9 (from versions: none)"
    "\n": "no index has any release of peft==9 for this Python",
    "ERROR: Could not find a version that satisfies the requirement tokenizers<1 (from "
    "transformers) (from versions: none)\n": "no index has any release of tokenizers<1 (from "
    "transformers) for this Python",
    "Collecting a\n\nThe conflict is caused by:\n    The user requested a==1\n    b 2 depends on "
    "a==3\n\nTo fix this you could try to:\n1. x\nERROR: ResolutionImpossible: y": "The user "
    "requested a==1; b 2 depends on a==3",
    "  fatal: no repository\n  error: subprocess\nERROR: Failed to build": "no repository",
    "Traceback\nKeyError: 'x'": "KeyError: 'x'",
    "": "pip said nothing",
}


@pytest.mark.parametrize(("printed", "expected"), PRINTED.items())
def test_the_reason_in_one_line(printed: str, expected: str) -> None:
    assert reason(printed) == expected
