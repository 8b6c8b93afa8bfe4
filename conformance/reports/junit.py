"""A record as JUnit XML: one test suite a chapter, one test case a case.

Without a library: junitparser is as thin a layer over ElementTree, takes what XML does not allow
as it is, so that all texts had to be cleaned here as well, and counts ``skipped`` on the root,
which Jenkins' schema does not know; the last release of junit-xml is of 2020.
"""

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from conformance.records import Case, ClauseResult, Record, Verdict

from .groups import clean
from .model import ChapterView, view

_ELEMENTS = {
    Verdict.FAIL: "failure",
    Verdict.TIMEOUT: "failure",
    Verdict.CRASH: "error",
    Verdict.ERROR: "error",
    Verdict.DEVIATION: "skipped",
    Verdict.NOT_RUN: "skipped",
}


def junit(record: Record) -> str:
    """The record in the dialect that CI servers read (https://github.com/testmoapp/junitxml).

    A deviation and what was not run are skipped, with the message. A fixed deviation fails in a
    strict run and passes otherwise. What a clause came to without a case of its own (it was not
    run, or has too few cases) is a test case named as the clause.
    """
    root = Element("testsuites", name="peft-conformance")
    for chapter in view(record).chapters:
        _suite(root, chapter, record)
    _total(root)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: Element, chapter: ChapterView, record: Record) -> None:
    suite = SubElement(root, "testsuite", name=clean(chapter.name), timestamp=clean(record.started))
    properties = SubElement(suite, "properties")
    for name, version in record.stack.packages.items():
        SubElement(properties, "property", name=clean(name), value=clean(version))
    for clause in chapter.clauses:
        for case in _cases(clause.result):
            _case(suite, case, clause.level, record.strict)
    _count(suite)


def _cases(result: ClauseResult) -> Iterator[Case]:
    yield from result.cases
    if result.reason and (not result.cases or result.verdict is not Verdict.NOT_RUN):
        yield Case(result.id, result.id, {}, result.verdict, message=result.reason)


def _case(suite: Element, case: Case, level: str, strict: bool) -> None:
    element = SubElement(
        suite,
        "testcase",
        classname=clean(case.clause),
        name=clean(case.id),
        time=f"{case.seconds:.3f}",
    )
    tag = _ELEMENTS.get(case.verdict)
    if case.verdict is Verdict.FIXED and strict:
        tag = "failure"
    if tag:
        lines = case.message.splitlines() or [str(case.verdict)]
        message = clean(f"{case.verdict}: {lines[0]}")
        outcome = SubElement(element, tag, message=message, type=level)
        said = filter(None, (case.message, case.reproducer, case.script))
        outcome.text = clean("\n\n".join(said))
    elif case.verdict is Verdict.FIXED:
        SubElement(element, "system-out").text = clean(f"fixed: {case.message}")


def _count(suite: Element) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _total(root: Element) -> None:
    """The sums; Jenkins' schema has no ``skipped`` on the root."""
    suites = root.findall("testsuite")
    for attribute in ("tests", "failures", "errors"):
        root.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}")
