from pathlib import Path

import pytest
from packaging.version import Version

from conformance.environments.matrixfile import SUPPORTED, Row, pinned, read, select
from conformance.options import UsageError

TWO = """
common = ["bitsandbytes==0.50.2"]
[[stack]]
name = "one"
specs = ["transformers==5.0.0", "peft==0.18.1"]
[[stack]]
name = "two"
specs = ["latest"]
"""
AXES = """
[axes]
transformers = ["4.57.6", ">=5.0,<5.1"]
peft = ["0.18.1", "0.21.2"]
[[exclude]]
transformers = "4.57.6"
peft = "0.21.2"
"""


def parsed(folder: Path, text: str) -> tuple[Row, ...]:
    path = folder / "matrix.toml"
    path.write_text(text)
    return read(path)


def test_stacks_by_name(tmp_path: Path) -> None:
    assert parsed(tmp_path, TWO) == (
        Row(0, "one", ("transformers==5.0.0", "peft==0.18.1", "bitsandbytes==0.50.2")),
        Row(1, "two", ("latest", "bitsandbytes==0.50.2")),
    )


def test_axes_multiply_but_for_what_is_excluded(tmp_path: Path) -> None:
    rows = parsed(tmp_path, AXES)
    assert [row.name for row in rows] == [
        "transformers-4.57.6+peft-0.18.1",
        "transformers-_5.0_5.1+peft-0.18.1",
        "transformers-_5.0_5.1+peft-0.21.2",
    ]
    assert rows[0].specs == ("transformers==4.57.6", "peft==0.18.1")
    assert rows[1].specs == ("transformers<5.1,>=5.0", "peft==0.18.1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no stack is listed"),
        ("[axes]", "no stack is listed"),
        ("stack = 3", "stack is not a list of tables"),
        ("nonsense", "is not TOML"),
        ("[[stacks]]", "unknown key 'stacks'; known are axes, common, exclude, stack"),
        (TWO + 'sepcs = ["x"]', "stack 1: unknown key 'sepcs'"),
        ('[[stack]]\nspecs = ["latest"]', "None is not a name"),
        ('[[stack]]\nname = "../x"\nspecs = ["latest"]', "'../x' is not a name"),
        ('[[stack]]\nname = "x"\nspecs = []', "specs is empty"),
        ('[[stack]]\nname = "x"\nspecs = "latest"', "specs is not a list of texts"),
        ('[[stack]]\nname = "x"\nspecs = ["peft=0.1"]', "stack x: 'peft=0.1' is not a requirement"),
        ('[[stack]]\nname = "x"\nspecs = ["--pre"]', "stack x: '--pre' is not a requirement"),
        (TWO + TWO.partition("\n")[2].partition("\n")[2].replace("two", "ONE"), "named 'one'"),
        ("[axes]\npeft = []", "peft is empty"),
        ('[axes]\npeft = ["newest"]', "'newest' is neither a version nor a specifier"),
        (AXES + '[[exclude]]\npeft = "0.9"', "exclude 1: peft = '0.9' is on no axis"),
        (AXES + "[[exclude]]", "exclude 1 is empty"),
        (
            "[axes]\n" + "\n".join(f"p{n} = {['1'] * 9}" for n in range(40)),
            f"axes: {9**40} combinations are more than 1000",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=r"matrix\.toml") as caught:
        parsed(tmp_path, text)
    assert complaint in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read(tmp_path / "none.toml")


def test_selecting(tmp_path: Path) -> None:
    one, two = parsed(tmp_path, TWO)
    assert select((one, two), ["two", "0", "one"]) == (two, one)
    with pytest.raises(UsageError, match=r"no stack '2'; there are 0 to 1: one, two"):
        select((one, two), ["2"])


def test_the_stacks_shipped_span_the_supported_range() -> None:
    rows = read(SUPPORTED)
    found = [version for row in rows if (version := pinned(row, "transformers"))]
    assert len(rows) >= 12
    assert found == sorted(found)
    assert found[0] < Version("4.46") < Version("5.20") < found[-1]
    assert all(pinned(row, "peft") for row in rows if row.name != "newest")
