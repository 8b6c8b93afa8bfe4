"""JUnit XML that CI servers read: the schema is what Jenkins, GitLab and GitHub's actions share."""

from pathlib import Path

import pytest
import xmlschema
from hostile import MARKUP, hostile

from conformance.records import Record
from conformance.reports import render

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


def test_it_fits_what_ci_servers_read(record: Record) -> None:
    SCHEMA.validate(render(record, "junit"))


def test_what_xml_forbids_is_left_out(record: Record) -> None:
    text = render(hostile(record), "junit")
    SCHEMA.validate(text)
    assert not set(text) & set("\x00\x08\x0b\x1b\x7f\x9b\ufffe\ud800")


def test_messages_arrive_as_they_were(record: Record) -> None:
    data = SCHEMA.to_dict(render(hostile(record), "junit"))
    case = next(c for s in data["testsuite"] for c in s["testcase"] if "failure" in c)
    assert case["failure"]["@message"] == f"fail: {MARKUP}"


@pytest.mark.parametrize("damage", ['skipped="1" name', 'unknown="1" name'])
def test_the_schema_refuses_what_they_do_not_read(record: Record, damage: str) -> None:
    text = render(record, "junit").replace("<testsuites name", f"<testsuites {damage}")
    assert not SCHEMA.is_valid(text)
