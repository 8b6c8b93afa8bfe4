"""Every report shows one cause of many red clauses once, and hides none of them."""

import io
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from conformance.records import ClauseResult, Record, Verdict, compare
from conformance.reports import render
from conformance.reports.changes import changes
from conformance.reports.comparison import show_comparison
from conformance.reports.comparison_pages import comparison_html, comparison_markdown
from conformance.reports.model import view
from conformance.reports.terminal import show
from conformance.reports.upgrade import as_json, as_markdown

TOLD = ("injection.add-adapter", "injection.equivalent", "methods.native-refused")
RED = (*TOLD, "loop.clipping")
SAID = "ValueError: The version of PEFT, 0.21.2, is too old: use >= 0.22.0"
PLACE = "transformers/utils/peft_utils.py:113, in check_peft_version"


def in_terminal(record: Record) -> str:
    file = io.StringIO()
    show(record, Console(file=file, width=300))
    return file.getvalue()


def before(record: Record) -> Record:
    """The same, as it was before anything broke."""

    def green(clause: ClauseResult) -> ClauseResult:
        cases = (replace(case, verdict=Verdict.PASS) for case in clause.cases)
        return replace(clause, verdict=Verdict.PASS, cases=tuple(cases))

    changed = (*RED, "precision.bf16")
    clauses = (green(each) if each.id in changed else each for each in record.clauses)
    return replace(record, clauses=tuple(clauses))


def test_the_model_tells_which_clauses_need_no_more_words(one_cause: Record) -> None:
    seen = view(one_cause)
    (cause,) = seen.causes
    assert cause.count == "4 clauses, 5 cases; 1 more case could not be judged for it"
    assert cause.example.id == "llama-wrapped-lora,seed=0"
    told = {clause.id for clause in seen.alarming} - {clause.id for clause in seen.apart}
    assert told == set(TOLD)
    (clipping,) = (clause for clause in seen.apart if clause.id == "loop.clipping")
    assert clipping.shared == "1 case of cause 1"
    assert [group.headline for group in clipping.own_groups] == ["clipped gradients of step 1"]


def test_a_script_makes_a_case_the_one_that_is_shown(one_cause: Record) -> None:
    clauses = list(one_cause.clauses)
    at = next(n for n, clause in enumerate(clauses) if clause.id == "injection.equivalent")
    (case,) = clauses[at].cases
    clauses[at] = replace(clauses[at], cases=(replace(case, script="reproducers/x.py"),))
    (cause,) = view(replace(one_cause, clauses=tuple(clauses))).causes
    assert cause.example.clause == "injection.equivalent"


def test_a_script_that_shows_it_goes_before_one_that_does_not(one_cause: Record) -> None:
    shows = {"loop.clipping": "did not reproduce", "methods.native-refused": "reproduced in a"}

    def scripted(clause: ClauseResult) -> ClauseResult:
        first, *others = clause.cases
        first = replace(first, script="reproducers/x.py", reproduced=shows.get(clause.id, "could"))
        return replace(clause, cases=(first, *others))

    clauses = (scripted(each) if each.id in RED else each for each in one_cause.clauses)
    seen = view(replace(one_cause, clauses=tuple(clauses)))
    assert seen.causes[0].example.clause == "methods.native-refused"


def test_a_terminal_shows_it_first_and_lists_its_clauses(one_cause: Record) -> None:
    text = in_terminal(one_cause)
    assert text.count("is too old") == 1
    assert text.index("fail cause 1 4 clauses, 5 cases") < text.index("crash checkpoint")
    labels = {line[2:14].strip(): line[14:].strip() for line in text.splitlines()}
    assert (labels["raised"], labels["in"]) == (SAID, PLACE)
    assert all(clause in text for clause in RED)
    assert not any(f"fail {clause}" in text for clause in TOLD)
    assert labels["and"] == "1 case of cause 1"
    assert labels["not judged"] == "precision.bf16"


def test_markdown_shows_it_once_and_lists_its_clauses(one_cause: Record) -> None:
    text = render(one_cause, "markdown")
    (found,) = re.findall(r"\n## fail: cause 1, 4 clauses, 5 cases.*?(?=\n## )", text, re.DOTALL)
    assert found.endswith(
        "\n- injection: injection.add-adapter, injection.equivalent\n- loop: loop.clipping"
        "\n- methods: methods.native-refused\n- not judged for it: precision.bf16\n"
    )
    assert [line for line in text.splitlines() if line.startswith("## fail: ")][1:] == [
        "## fail: frozen.bit-identical (MUST)",
        "## fail: loop.clipping (MUST)",
    ]


def test_what_belongs_to_no_cause_is_shown_as_ever(record: Record) -> None:
    for form in ("markdown", "html", "annotations"):
        assert "cause 1" not in render(record, form)
    assert "cause" not in in_terminal(record)


def test_junit_still_has_one_for_each_clause(one_cause: Record) -> None:
    root = ElementTree.fromstring(render(one_cause, "junit"))
    failed = [
        each.get("classname") for each in root.iter("testcase") if each.find("failure") is not None
    ]
    assert {name: failed.count(name) for name in RED} == dict(zip(RED, (2, 1, 1, 2), strict=True))


def test_annotations_begin_with_it(one_cause: Record) -> None:
    lines = render(one_cause, "annotations").splitlines()
    assert lines[0].startswith("::error title=fail%3A cause 1%2C 4 clauses%2C 5 cases")
    assert all(clause in lines[0] for clause in RED)
    assert sum("is too old" in line for line in lines) == 1


def test_comparisons_tell_it_once(one_cause: Record) -> None:
    found = compare(before(one_cause), one_cause)
    file = io.StringIO()
    show_comparison(found, Console(file=file, width=300))
    whole = changes(before(one_cause), one_cause)
    for text in (file.getvalue(), as_markdown(found, ("a", "b")), comparison_markdown(whole)):
        assert "cause 1" in text
        assert all(clause in text for clause in RED)
        assert text.count("clipped gradients") == 1


def test_upgrades_hold_it_for_programs(one_cause: Record) -> None:
    data = json.loads(as_json(compare(before(one_cause), one_cause), ("a", "b")))
    (cause,) = data["causes"]
    assert (cause["said"], cause["place"], len(cause["clauses"])) == (SAID, PLACE, 4)
    assert {clause["id"] for clause in data["clauses"]} >= set(RED)


@pytest.mark.parametrize("page", ["record", "comparison"])
def test_pages_keep_every_clause(one_cause: Record, page: str) -> None:
    whole = changes(before(one_cause), one_cause)
    text = render(one_cause, "html") if page == "record" else comparison_html(whole)
    assert text.count('<div class="cause" id="cause-1">') == 1
    for clause in RED:
        assert f'<a href="#{clause}">{clause}</a>' in text
        assert f'<details class="clause" id="{clause}"' in text
