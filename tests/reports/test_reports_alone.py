"""Records are read, compared and shown where the libraries that were judged are not installed."""

import subprocess
import sys

ALONE = """
import sys
sys.modules.update(dict.fromkeys(("torch", "transformers", "peft", "accelerate")))
import conformance.contract, conformance.deviations, conformance.records, conformance.scenarios
import conformance.reports.annotations, conformance.reports.badge, conformance.reports.ci
import conformance.commands.reporting, conformance.reports.comparison_pages
import conformance.reports.html, conformance.reports.terminal
import conformance.reports.trend_pages, conformance.reports.trend_terminal
import conformance.environments, conformance.environments.upgrade
import conformance.reports.explaining, conformance.baselines, conformance.reproducers
from conformance.faults import faults
assert faults()
"""


def test_reports_need_none_of_the_libraries() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
