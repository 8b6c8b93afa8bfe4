"""What an interrupted command waits for, ends and says."""

import sys
from pathlib import Path

import pytest

from conformance import collector
from conformance.collector import Collector
from conformance.progress import Progress
from conformance.records import Journal


def test_where_an_interrupt_came_is_not_written_at_length(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pytest's terminal asks for it before a run can end, next after this plugin."""
    for name in ("be_deaf_to_interrupts", "end_descendants"):
        monkeypatch.setattr(collector, name, lambda: None)
    with pytest.raises(KeyboardInterrupt) as excinfo:
        raise KeyboardInterrupt
    hook = Collector.pytest_keyboard_interrupt
    hook(Collector(Journal(tmp_path), (), Progress(sys.stderr), 1.0, 0), excinfo)
    written = excinfo.getrepr(funcargs=True)
    assert type(written.reprtraceback).__name__ == "ReprTracebackNative"
    assert written.reprcrash is not None
    assert hook.pytest_impl["tryfirst"]
