"""Reading a contract: what is accepted, what is refused, what is selected."""

import pickle
from pathlib import Path

import pytest

from conformance.contract import (
    Contract,
    ContractError,
    Level,
    UnknownChapter,
    UnknownClause,
    load,
    read,
)

HEAD = 'chapter = "first"\ntitle = "The first"\norder = 1\n'
CLAUSE = """
[[clause]]
id = "first.one"
level = "MUST"
statement = "It holds."
source = "Where it is written."
broken = "It does not hold."
"""


def contract(folder: Path, **chapters: str) -> Contract:
    for name, text in chapters.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return read(folder)


def test_reads_what_is_given_and_fills_in_the_rest(tmp_path: Path) -> None:
    (clause,) = contract(tmp_path, first=HEAD + CLAUSE).clauses
    assert (clause.id, clause.chapter, clause.level) == ("first.one", "first", Level.MUST)
    assert (clause.floor, clause.since, clause.needs) == (1, {}, None)


def test_reads_the_optional_keys(tmp_path: Path) -> None:
    extra = 'floor = 5\nneeds = "cuda"\nsince = { transformers = "4.46" }\n'
    (clause,) = contract(tmp_path, first=HEAD + CLAUSE + extra).clauses
    assert (clause.floor, clause.needs) == (5, "cuda")
    assert clause.since == {"transformers": "4.46"}


def test_wrapped_texts_become_one_line(tmp_path: Path) -> None:
    wrapped = CLAUSE.replace('"It holds."', '"""\nIt\n  holds."""')
    (clause,) = contract(tmp_path, first=HEAD + wrapped).clauses
    assert clause.statement == "It holds."


def test_order_is_that_of_the_files_order_keys(tmp_path: Path) -> None:
    second = (HEAD + CLAUSE).replace("first", "a-second").replace("order = 1", "order = 2")
    found = contract(tmp_path, first=HEAD + CLAUSE, **{"a-second": second})
    assert [chapter.name for chapter in found.chapters] == ["first", "a-second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chapter = ", "first.toml: not TOML"),
        (HEAD, "first.toml: no clauses"),
        (HEAD.replace("first", "other") + CLAUSE, "first.toml: chapter 'other' is not named"),
        (HEAD.replace('"The first"', '""') + CLAUSE, "first.toml: title is missing or empty"),
        (HEAD.replace("order = 1", "") + CLAUSE, "first.toml: order is None"),
        ('colour = "red"\n' + HEAD + CLAUSE, "first.toml: unknown key colour"),
        (HEAD + CLAUSE + 'note = "x"\n', "clause first.one: unknown key note"),
        (HEAD + CLAUSE + CLAUSE, "first.toml: clause first.one is given 2 times"),
        (HEAD + CLAUSE.replace("MUST", "must"), "clause first.one: level is 'must'"),
        (HEAD + CLAUSE.replace('level = "MUST"', ""), "clause first.one: level is None"),
        (HEAD + CLAUSE.replace("It holds.", " "), "clause first.one: statement is missing"),
        (HEAD + CLAUSE.replace("Where it is written.", ""), "source is missing or empty"),
        (HEAD + CLAUSE.replace("It does not hold.", ""), "broken is missing or empty"),
        (HEAD + CLAUSE.replace("first.one", "First.one"), "clause First.one: the id is not"),
        (HEAD + CLAUSE.replace("first.one", "first"), "clause first: the id is not"),
        (HEAD + CLAUSE.replace("first.one", "first.one two"), "the id is not lower-case"),
        (HEAD + CLAUSE.replace('id = "first.one"', ""), "(without id): id is missing"),
        (HEAD + CLAUSE + "floor = 0\n", "clause first.one: floor is 0"),
        (HEAD + CLAUSE + "floor = true\n", "clause first.one: floor is True"),
        (HEAD + CLAUSE + 'needs = "luck"\n', "clause first.one: needs is 'luck'"),
        (HEAD + CLAUSE + 'since = "4.46"\n', "clause first.one: since is '4.46'"),
        (HEAD + CLAUSE + 'since = { peft = "soon" }\n', "since peft 'soon' is no version"),
        (HEAD + CLAUSE + "since = { peft = 1 }\n", "since peft 1 is no version"),
    ],
)
def test_refuses_what_is_malformed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        contract(tmp_path, first=text)
    assert message in str(caught.value)


def test_refuses_an_order_given_twice(tmp_path: Path) -> None:
    second = (HEAD + CLAUSE).replace("first", "second")
    with pytest.raises(ContractError, match=r"first.toml, second.toml: order 1 is given 2 times"):
        contract(tmp_path, first=HEAD + CLAUSE, second=second)


def test_refuses_an_id_given_in_two_chapters(tmp_path: Path) -> None:
    second = HEAD.replace("first", "second").replace("order = 1", "order = 2") + CLAUSE
    with pytest.raises(ContractError, match=r"first.toml, second.toml: clause first.one"):
        contract(tmp_path, first=HEAD + CLAUSE, second=second)


def test_selects_everything_when_nothing_is_asked_for() -> None:
    assert load().select() == load().clauses


def test_selects_chapters_and_clauses_in_the_order_of_the_contract() -> None:
    chosen = load().select(chapters=["detection"], clauses=["loop.clipping", "output.epoch"])
    detection = [clause.id for clause in load().chapter("detection").clauses]
    assert [clause.id for clause in chosen] == ["output.epoch", *detection, "loop.clipping"]


def test_an_unknown_clause_is_refused_with_close_matches() -> None:
    with pytest.raises(UnknownClause, match=r"'frozen.bit-identcal'; did you mean frozen.bit-id"):
        load().select(clauses=["frozen.bit-identcal"])


def test_an_unknown_chapter_is_refused_with_close_matches() -> None:
    with pytest.raises(UnknownChapter, match=r"'frozn'; did you mean frozen\?"):
        load().select(chapters=["frozn"])


def test_a_name_like_no_other_is_refused_without_a_hint() -> None:
    with pytest.raises(UnknownClause, match=r"unknown clause 'zzz'$"):
        load().clause("zzz")


def test_clauses_can_be_hashed_and_sent_to_other_processes() -> None:
    clauses = load().clauses
    assert len(set(clauses)) == len(clauses)
    assert pickle.loads(pickle.dumps(clauses)) == clauses
