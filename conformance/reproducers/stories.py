"""The steps of a story in chapter lifecycle, read from what a case says."""

import re
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario

from .rule import NoScript

Step = tuple[str, str, dict[str, Any]]
_STORY = re.compile(r"^the story, with .*:\n((?:\d+\. .*\n?)+)", re.MULTILINE)
_THEN = "(?P<activate> and activate it)?"
_READ = {
    rf"add adapter '(?P<name>\w+)'{_THEN}": "add",
    rf"load saved adapter '(?P<saved>\w+)' as '(?P<name>\w+)'{_THEN}": "load",
    r"activate '(?P<name>\w+)'": "activate",
    r"delete '(?P<name>\w+)'": "delete",
    r"disable the adapters": "disable",
    r"enable the adapters": "enable",
    r"train '\w+' for (?P<steps>\d+) steps": "train",
    r"train '\w+' for (?P<steps>\d+) steps, broken off after (?P<after>\d+) and resumed": (
        "break_off_and_resume"
    ),
    r"evaluate": "evaluate",
    r"save with (?:(?P<by_trainer>Trainer\.save_model)|save_pretrained)": "save",
    r"load '\w+' back onto a fresh base": "",  # which saving does
    r"merge(?P<safe> safely)?": "merge",
    r"unmerge": "unmerge",
    r"merge(?P<safe> safely)? and unload": "merge_for_good",
}
_SWITCHES = ("activate", "by_trainer", "safe")
_MERGING = ("merge", "unmerge", "merge_for_good")


def story(case: Case, scenario: Scenario) -> dict[str, Any]:
    """What the template is told: the ``steps``, each with its text, and what they need."""
    found = _STORY.search(case.message)
    if found is None:
        raise NoScript("no stand-alone script: the message does not tell the story")
    lines = [line.partition(". ")[2] for line in found[1].splitlines()]
    steps = [step for line in lines if (step := _step(line))]
    return {"steps": steps, "merges": any(name in _MERGING for _, name, _ in steps)}


def safe_merge(_: Case, __: Scenario) -> dict[str, Any]:
    """The same for merging an adapter that holds NaN."""
    steps = [
        ("add adapter 'default'", "add", {"name": "default"}),
        ("train 'default' for 1 steps", "train", {"steps": 1}),
        ("put NaN into the adapter, and merge safely", "merge_with_nan", {}),
    ]
    return {"steps": steps, "merges": True}


def _step(text: str) -> Step | None:
    for pattern, name in _READ.items():
        if read := re.fullmatch(pattern, text):
            given = {key: _value(key, value) for key, value in read.groupdict().items()}
            return (text, name, given) if name else None
    raise NoScript(f"no stand-alone script for the step {text!r}")


def _value(key: str, text: str | None) -> str | int | bool:
    if key in _SWITCHES:
        return text is not None
    return int(text or 0) if key in ("steps", "after") else text or ""
