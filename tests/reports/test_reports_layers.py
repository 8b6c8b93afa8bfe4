"""Which rooms know of which: nothing that judges, or keeps what was judged, knows of reports."""

import re
from pathlib import Path

import conformance

PACKAGE = Path(conformance.__file__).parent
KNOWING = ("cli.py", "commands/", "reports/")
IMPORT = re.compile(r"^ *(from|import) conformance\.reports", re.MULTILINE)


def test_commands_alone_know_of_reports() -> None:
    sources = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    others = [path for name, path in sources.items() if not name.startswith(KNOWING)]
    assert [path for path in others if IMPORT.search(path.read_text("utf-8"))] == []
