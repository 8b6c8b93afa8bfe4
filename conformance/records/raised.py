"""What a case's message says was raised: the exception, and the place in a library it came from."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .record import Case

_CAUSED = "\nThe above exception was the direct cause"
_LIKE_A_DEVIATION = "\nas the known deviation "  # what `conformance.verdicts` adds below
_IN_PHASE = re.compile(r"^(\w+) in phase [\w-]+: (.*)")
_AS_REPR = re.compile(r"^(\w+)\((.*)\)$")
_AFTER_FRAMES = re.compile(  # what a traceback ends in: a line that is not indented
    r"^Traceback \(most recent call last\):\n(?:(?:[ \t+|].*)?\n)*([A-Za-z_][\w.]*)(?:: ?(.*))?$",
    re.MULTILINE,
)
_ANYWHERE = re.compile(r"\b((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Interrupt)): (.+)")
_TOLD = re.compile(r"\b(\w+(?:Error|Exception))(?: in phase [\w-]+)?: (.+)")
_FRAME = re.compile(r'^ *File "([^"]+)", line (\d+), in (\S+)', re.MULTILINE)
_PACKAGES = re.compile(r"^.*/(?:site|dist)-packages/")
_STANDARD = re.compile(r"^<|/lib/python[\d.]+/")
_SOURCES = re.compile(r"^.*/src/|^.*/(?=(?:[^/]+/){2}[^/]+$)")
_CALLED = ("torch", "numpy")  # by libraries: what they raise says less than who called them
_OURS = ("conformance", "_pytest", "pluggy", "pytest", "hypothesis")
_VARYING = re.compile(
    r"Scenario\((?:[^()']|'[^']*')*\)"
    r"|(?:[A-Za-z]:)?[/\\][^\s'\"`]+"  # paths
    r"|\b[A-Z]\w*(?:For[A-Z]\w+|Model|Config)\b"  # what an architecture's classes are called
    r"|(?<![A-Za-z_])[-+]?\d[\d.e+-]*"
)


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception: its type, the first line of its message, the place in a library."""

    type: str
    text: str
    place: str

    def __str__(self) -> str:
        return f"{self.type}: {self.text}"


def raised(case: Case) -> Raised | None:
    """The exception from a library that the message is about; `None` where it is about none."""
    message = case.message.partition(_LIKE_A_DEVIATION)[0]
    found, place = _named(message), _place(_FRAME.findall(message))
    return Raised(*found, place) if found and place else None


def last_raised(text: str) -> tuple[str, str] | None:
    """Type and first line of the exception that a text shows last; `None` where it shows none.

    It is what the last traceback ends in. Where there is none, or something stands before each of
    its lines, it is what is called an error and says something.
    """
    found = _AFTER_FRAMES.findall(text) or _ANYWHERE.findall(text)
    return found[-1] if found else None


def in_a_line(text: str) -> str:
    """The same as Python writes it; empty where there is none."""
    return ": ".join(filter(None, last_raised(text) or ()))


def in_a_line_with_cause(text: str) -> str:
    """The same, and in brackets what it came of first, where exceptions were chained."""
    last, first = in_a_line(text), in_a_line(text.partition(_CAUSED)[0])
    return f"{last} (because of {first})" if first not in ("", last) else last


def told(case: Case) -> Iterator[tuple[str, str]]:
    """Type and first line of every exception that a message names, whoever met it."""
    for line in case.message.partition("\nTraceback (most")[0].splitlines():
        if found := _TOLD.search(line):
            yield found[1], found[2]


def normalizer(names: Iterable[str]) -> Callable[[str], str]:
    """What takes out of a text what differs by scenario: numbers, paths, and these names."""
    words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    named = re.compile(rf"(?<!\w)(?:{words})(?!\w)" if words else "(?!)")
    return lambda text: named.sub("…", _VARYING.sub("…", text.strip()))


def _named(message: str) -> tuple[str, str] | None:
    """Type and first line, in the three ways in which `conformance.verdicts` writes them."""
    first = (message.splitlines() or [""])[0]
    if first.startswith("Traceback ("):
        last = last_raised(message)
        return (last[0].rpartition(".")[2], last[1]) if last else None
    if phase := _IN_PHASE.match(first):
        return phase[1], phase[2]
    if shown := _AS_REPR.match(first):
        return shown[1], _first_line(shown[2])
    return None


def _first_line(given: str) -> str:
    """The first line of an exception's message, from the arguments in its `repr`."""
    try:
        value = ast.literal_eval(given)
    except (ValueError, SyntaxError):
        return given
    return (str(value).splitlines() or [""])[0]


def _place(frames: Iterable[tuple[str, str, str]]) -> str:
    """Where a library raised: its innermost frame, unless a test or a tool of ours is further in.

    What it calls of `_CALLED`, or of the standard library, counts as its own.
    """
    called = ""
    for file, line, name in reversed(list(frames)):
        module = _module(file.replace("\\", "/"))
        package = module.partition("/")[0]
        if package in _OURS:
            break
        here = f"{module}:{line}, in {name}"
        if module and package not in _CALLED:
            return here
        called = called or (here if module else "")
    return called


def _module(file: str) -> str:
    """A library's file, from its package on; empty for one of the standard library."""
    if _PACKAGES.match(file):
        return _PACKAGES.sub("", file)
    if _STANDARD.search(file):
        return ""
    return "conformance" if "/conformance/" in file else _SOURCES.sub("", file)
