"""The exception that a text shows last."""

import traceback

import pytest

from conformance.records.raised import in_a_line, in_a_line_with_cause, last_raised


def printed(raiser: object) -> str:
    try:
        exec(str(raiser))
    except BaseException:
        return traceback.format_exc()
    raise AssertionError


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise ValueError('a\\nhint: b')", ("ValueError", "a")),
        ("raise KeyboardInterrupt", ("KeyboardInterrupt", "")),
        ("raise StopIteration(3)", ("StopIteration", "3")),
        ("try: 1/0\nexcept Exception as e: raise OSError('last') from e", ("OSError", "last")),
        ("import json; json.loads('{')", ("json.decoder.JSONDecodeError", None)),
    ],
)
def test_what_a_traceback_ends_in(code: str, expected: tuple[str, str | None]) -> None:
    found = last_raised(f"note: before\n{printed(code)}note: behind\n")
    assert found is not None
    assert found[0] == expected[0]
    assert expected[1] in (None, found[1])


def test_lines_that_something_stands_before() -> None:
    text = "E   ImportError: no torch\nE   done\nx.py:263: AssertionError"
    assert in_a_line(text) == "ImportError: no torch"


def test_where_nothing_was_raised() -> None:
    assert last_raised("got: 3\nexpected: 4") is None
    assert in_a_line("") == ""


def test_what_it_came_of_first_stands_beside() -> None:
    chained = (
        "ModuleNotFoundError: No module named 'termcolor'\n"
        "\nThe above exception was the direct cause of the following exception:\n\n"
        "ModuleNotFoundError: Could not import module 'Trainer'."
    )
    assert in_a_line_with_cause(chained) == (
        "ModuleNotFoundError: Could not import module 'Trainer'. "
        "(because of ModuleNotFoundError: No module named 'termcolor')"
    )
    assert in_a_line_with_cause("ValueError: alone") == "ValueError: alone"
