"""`Rule`: which cases a template shows."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from conformance.records import Case
from conformance.scenarios import Scenario


class NoScript(Exception):
    """No script would show what the case showed; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of check: its template, and the cases it is about.

    ``check`` is the part of the template, as a rule the clause that it is of (empty: the case's
    own), ``says`` a regular expression for what the case says. ``tells`` gives the template what
    the case alone knows; it may raise `NoScript`.
    """

    template: str
    check: str
    clauses: tuple[str, ...]
    tests: tuple[str, ...] = ("*",)
    says: str = ""
    when: Callable[[Scenario], bool] = lambda _: True
    tells: Callable[[Case, Scenario], dict[str, Any]] = lambda _, __: {}

    def concerns(self, case: Case, test: str, scenario: Scenario) -> bool:
        """Whether it shows what this case showed."""
        return (
            any(fnmatchcase(case.clause, pattern) for pattern in self.clauses)
            and any(fnmatchcase(test, pattern) for pattern in self.tests)
            and re.search(self.says, case.message) is not None
            and self.when(scenario)
        )

    def told(self, case: Case, scenario: Scenario) -> dict[str, Any]:
        """What it ``tells``; raises `NoScript` for a case that no test of this suite has."""
        try:
            return self.tells(case, scenario)
        except (LookupError, OverflowError, TypeError, ValueError) as error:
            raise NoScript(f"no stand-alone script: no case of a test: {error!r}") from error
