"""The pytest plugin: options, one item a scenario, and each item's verdict.

Verdicts travel as a user property called ``conformance`` on the item's report (a dictionary with
the fields of `conformance.records.Case`), so that they survive the way from a worker process.
"""

import argparse
import faulthandler
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance import deviations, subjects
from conformance.compat import Unavailable, require_since
from conformance.contract import load
from conformance.deviations import CaseKey
from conformance.device import DEVICES, lacking
from conformance.marks import chosen
from conformance.scenarios import PROFILES, Scenario
from conformance.subjects import TRAINER, Subject

PROPERTY = "conformance"
_SUBJECT = pytest.StashKey[Subject]()
CASES_EXAMPLES = 20  # generated examples that fit into the timeout of one case


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the suite; all have defaults, so that plain pytest runs it."""
    group = parser.getgroup("conformance", "conformance of Trainer.train() with PEFT adapters")
    group.addoption(
        "--conformance-profile",
        default="quick",
        choices=sorted(PROFILES),
        help="how broad the run is (default: quick)",
    )
    group.addoption(
        "--conformance-clause",
        action="append",
        default=[],
        metavar="ID",
        help="judge this clause only; repeatable",
    )
    group.addoption(
        "--conformance-trainer",
        default="transformers:Trainer",
        metavar="MODULE:CLASS",
        help="the Trainer class to judge",
    )
    group.addoption(
        "--conformance-device",
        default="cpu",
        choices=DEVICES,
        help="what is trained on (default: cpu)",
    )
    group.addoption(
        "--conformance-measure",
        default="",
        metavar="NAME",
        help="measure these throughputs, of quick, full and cpu; none by default",
    )
    group.addoption(
        "--conformance-scenario",
        default=None,
        type=_scenario,
        metavar="REPR",
        help="judge this scenario instead of the profile's: Scenario(architecture='gpt2')",
    )
    group.addoption(
        "--conformance-fault",
        default=None,
        metavar="NAME",
        help="plant a deliberate defect into the libraries first",
    )
    group.addoption(
        "--conformance-ignore-deviations",
        action="store_true",
        help="let known deviations fail like anything else",
    )
    group.addoption(
        "--conformance-done",
        default=frozenset(),
        type=_done,
        metavar="FILE",
        help="pass over these cases: a JSON list of pairs, each a clause and a case's id",
    )
    group.addoption(
        "--conformance-timeout",
        default=None,
        type=float,
        metavar="SECONDS",
        help="end the process when a case still runs after so long, whatever it is in",
    )


def _done(path: str) -> frozenset[tuple[str, str]]:
    """An option's value to the clause and id of each case in that file, for argparse."""
    try:
        listed = json.loads(Path(path).read_text(encoding="utf-8"))
        return frozenset((str(clause), str(case)) for clause, case in listed)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{path} lists no cases: {error}") from error


def _scenario(text: str) -> Scenario:
    """An option's value to a scenario, for argparse."""
    try:
        return Scenario.from_repr(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks; make generated scenarios the same on every machine."""
    deviations.heed(not config.getoption("--conformance-ignore-deviations"))
    config.addinivalue_line("markers", "conformance_clause(id): the clause a test judges")
    config.addinivalue_line("markers", "conformance_scenarios(choose): the scenarios it meets")
    config.addinivalue_line("markers", "conformance_generating: it generates its own scenarios")
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "conformance",
        max_examples=PROFILES[config.getoption("--conformance-profile")].examples,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("conformance")
    _draw_no_constants()


def _draw_no_constants() -> None:
    """Have Hypothesis draw none of the constants that it finds in the code of local modules.

    These are others where this package is installed and not in a clone, and change with each
    module that happens to be imported; to read them takes most of a second.
    """
    from hypothesis.internal.conjecture import providers

    if hasattr(providers, "is_local_module_file"):
        providers.is_local_module_file = lambda _: False


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item a scenario."""
    mark = metafunc.definition.get_closest_marker("conformance_scenarios")
    if mark is None:
        return
    option = metafunc.config.getoption
    wanted = option("--conformance-scenario")
    able = _able(metafunc.definition)
    found = (wanted,) if wanted else chosen(mark, option("--conformance-profile"), able)
    metafunc.parametrize("scenario", [pytest.param(each, id=each.id) for each in found])


def _able(item: pytest.Item) -> Callable[[Scenario], bool]:
    """Whether the subject lets a scenario of this test be judged."""
    subject, clause = subject_of(item.config), clause_of(item) or ""
    return lambda scenario: not subject.declines(subject.key(clause, test_name(item), scenario))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop unwanted clauses; bring items of one scenario together, so that trainings are shared."""
    _keep(config, items)
    for item in items:
        _allow_for_examples(item)
    order: dict[str, int] = {}
    for item in items:
        order.setdefault(_scenario_key(item), len(order))
    items.sort(key=lambda item: order[_scenario_key(item)])


def _keep(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the items of wanted clauses that are not done."""
    clauses = set(config.getoption("--conformance-clause"))
    device, measure = (config.getoption(f"--conformance-{name}") for name in ("device", "measure"))
    done = config.getoption("--conformance-done")

    def wanted(item: pytest.Item) -> bool:
        of = clause_of(item)
        if of is None:
            return True
        if lacking(load().clause(of), device, measure) or (of, item.name) in done:
            return False
        return not clauses or of in clauses

    kept = [item for item in items if wanted(item)]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
        items[:] = kept


def _patience(item: pytest.Item) -> float:
    """How many times the timeout of a case this one may take: generated ones are many in one, and
    a test may say for itself how long it takes.
    """
    timeout = item.config.getoption("timeout", None)
    if timeout and (own := item.get_closest_marker("timeout")):
        return max(1.0, float(own.args[0]) / float(timeout))
    drawn = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    generated = drawn or item.get_closest_marker("conformance_generating") is not None
    examples = PROFILES[item.config.getoption("--conformance-profile")].examples
    return max(1.0, examples / CASES_EXAMPLES) if generated else 1.0


def _allow_for_examples(item: pytest.Item) -> None:
    timeout = item.config.getoption("timeout", None)
    if timeout and _patience(item) > 1:
        item.add_marker(pytest.mark.timeout(timeout * _patience(item)))


def clause_of(item: pytest.Item) -> str | None:
    """The clause an item judges, if it is a conformance test."""
    mark = item.get_closest_marker("conformance_clause")
    return None if mark is None else str(mark.args[0])


def test_name(item: pytest.Item) -> str:
    """The test function's name, without the scenario."""
    return str(getattr(item, "originalname", item.name))


def subject_of(config: pytest.Config) -> Subject:
    """What the Trainer class under judgement declares of itself."""
    if _SUBJECT not in config.stash:
        path = config.getoption("--conformance-trainer")
        plain = path == TRAINER.trainer  # the one that needs no import
        config.stash[_SUBJECT] = TRAINER if plain else subjects.of(subjects.trainer_class(path))
    return config.stash[_SUBJECT]


def key_of(item: pytest.Item) -> CaseKey:
    """The case that an item is."""
    return subject_of(item.config).key(clause_of(item) or "", test_name(item), scenario_of(item))


def scenario_of(item: pytest.Item) -> Scenario | None:
    """The scenario an item is parametrized with."""
    found = getattr(item, "callspec", None)
    scenario = None if found is None else found.params.get("scenario")
    return scenario if isinstance(scenario, Scenario) else None


def _scenario_key(item: pytest.Item) -> str:
    scenario = scenario_of(item)
    return item.nodeid if scenario is None else scenario.id


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """End the process of a case that no signal can stop, such as one hanging in native code."""
    limit = item.config.getoption("--conformance-timeout")
    if limit is None:
        return (yield)
    faulthandler.dump_traceback_later(limit * _patience(item), exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What the subject declares that it does not do is not run, nor what a release has not yet."""
    if (clause := clause_of(item)) is None:
        return
    if reason := subject_of(item.config).declines(key_of(item)):
        raise Unavailable(reason)
    require_since(load().clause(clause).since)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Turn what happened into a verdict, and the verdict into what pytest shows."""
    report = yield
    clause = clause_of(item)
    if clause is None or call.when == "teardown" or (call.when == "setup" and not call.excinfo):
        return report
    from conformance import verdicts  # which imports the libraries that are judged

    case = verdicts.case(item, key_of(item), subject_of(item.config), call)
    report.user_properties.append((PROPERTY, case))
    if case["verdict"] == "not-run":
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"not-run: {case['message']}")
    elif case["verdict"] == "deviation":
        report.outcome = "skipped"
        report.wasxfail = f"known deviation {case['deviation']}"
    return report
