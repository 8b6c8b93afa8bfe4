from pathlib import Path

import pytest

from conformance.environments import Stack
from conformance.environments.stack import is_exact
from conformance.options import UsageError

DEFECTS = {
    "-rrequirements.txt": "is not a requirement",
    "--index-url=http://elsewhere transformers": "is not a requirement",
    "peft -e .": "is not a requirement",
    "peft\x00": "is not a requirement",
    "": "an empty requirement names no package",
    "peft>": "is not a requirement",
    "peft @ ftp://elsewhere/peft.whl": "points at neither https, file nor git+https",
    "git+ext://sh": "is not a requirement",
    "git+https://host/x@--upload-pack=touch": "neither a host nor a revision begins with a dash",
    "git+ssh://-oProxyCommand=touch/x": "neither a host nor a revision begins with a dash",
    "peft @ git+ssh://git@-oProxyCommand=x/y": "neither a host nor a revision begins with a dash",
    "peft peft==0.18.0": "a stack names peft once, not 2 times",
    "latest pre": "a stack is latest or pre, not both",
    "nowhere/peft-1-py3-none-any.whl": "the wheel nowhere/peft-1-py3-none-any.whl does not exist",
}


@pytest.mark.parametrize(("given", "complaint"), DEFECTS.items())
def test_what_is_no_stack(given: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint.replace("+", r"\+")):
        Stack.of([given])


def test_wheels_with_bad_names(tmp_path: Path) -> None:
    path = tmp_path / "peft.whl"
    path.touch()
    with pytest.raises(UsageError, match=r"Invalid wheel filename"):
        Stack.of([str(path)])


def test_several_in_one_text_or_apart() -> None:
    expected = ("transformers==5.0.0", "peft==0.18.0")
    assert Stack.of(["transformers==5.0.0 peft==0.18.0"]).specs == expected
    assert Stack.of(expected).specs == expected
    assert Stack.of(["transformers == 5.0.0", "peft==0.18.0"]).specs == expected


def test_names_and_text(wheel: object, tmp_path: Path) -> None:
    stack = Stack.of(["latest", "huggingface_hub<1", "git+https://host/x.git@main"])
    assert stack.names == {"huggingface-hub"}
    assert not stack.holds_companions
    assert str(Stack()) == "as installed"
    assert str(stack) == "latest huggingface_hub<1 git+https://host/x.git@main"


@pytest.mark.parametrize(
    ("spec", "exact"),
    [
        ("peft==0.18.0", True),
        ("peft===0.18.0", True),
        ("peft==0.18.*", False),
        ("peft", False),
        ("peft>=0.18", False),
        ("latest", False),
        ("git+https://host/x", False),
    ],
)
def test_what_means_one_version_alone(spec: str, exact: bool) -> None:
    assert is_exact(spec) is exact
