"""Reading records, with one clear line for each way in which a file can be unfit."""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .record import SCHEMA, Case, Record

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

LARGEST = 512 * 2**20
"""Bytes of a file that is read at all; a record of the full profile has a hundredth of it."""

DEEPEST = 16
"""Lists and objects within each other; a record has eight at most."""

RECORD = "record.json"
JOURNAL = "record.jsonl"


class RecordError(ValueError):
    """A file is not a record this program can use; the message names the file and says why."""


def read(path: Path) -> Record:
    """Read a complete record from ``path``: a file, or the folder that holds ``record.json``.

    Raises `RecordError` when the file is missing or unreadable, is not JSON, is of another
    schema, is of a run that was broken off, or has another shape than ``schema.json`` states.
    """
    path = path / RECORD if path.is_dir() else path
    record = check_record(parse(text_of(path), str(path)), str(path))
    if not record.complete:
        raise RecordError(f"{path}: the run was broken off after {_left_of(path)}")
    return record


def text_of(path: Path) -> str:
    """The text of a file; raises `RecordError` when it cannot be read."""
    try:
        return bytes_of(path).decode("utf-8")
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist") from None
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"{path} is not JSON: it is not UTF-8 at byte {error.start}") from error


def bytes_of(path: Path) -> bytes:
    """The content of a file; raises `RecordError` for more than `LARGEST`, and `OSError`."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise RecordError(f"{path} is no record: it has more than {LARGEST >> 20} MiB")
    return data


def parse(text: str, place: str) -> Any:
    """The JSON value in ``text``; raises `RecordError` naming ``place``."""
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{place} is not JSON, or was cut short: {error}") from error
    if _deeper(data, DEEPEST):
        raise RecordError(f"{place} is no record: it is nested more than {DEEPEST} deep")
    return data


def _deeper(data: Any, levels: int) -> bool:
    """Whether lists and objects in ``data`` lie more than so many levels deep."""
    if not isinstance(data, dict | list):
        return False
    inner = data.values() if isinstance(data, dict) else data
    return levels == 0 or any(_deeper(each, levels - 1) for each in inner)


def check_record(data: Any, place: str) -> Record:
    """The record that ``data`` holds, complete or not; raises `RecordError`."""
    if not isinstance(data, dict) or "schema" not in data:
        raise RecordError(f"{place} is not a record: it names no schema")
    if data["schema"] != SCHEMA:
        raise RecordError(
            f"{place} is of schema {data['schema']}, this program reads schema {SCHEMA}"
        )
    _check(data, "record", place)
    return Record.from_json(data)


def check_case(data: Any, place: str) -> Case:
    """The case that ``data`` holds; raises `RecordError`."""
    _check(data, "case", place)
    return Case.from_json(data)


def _check(data: Any, shape: str, place: str) -> None:
    from jsonschema.exceptions import best_match

    error = best_match(_validator(shape).iter_errors(data))
    if error is not None:
        message = error.message if len(error.message) <= 200 else f"{error.message[:200]}…"
        raise RecordError(f"{place}: at {error.json_path}: {message}")


@cache
def _validator(shape: str) -> "Validator":
    from jsonschema import Draft202012Validator

    shapes = json.loads(resources.files(__package__).joinpath("schema.json").read_text("utf-8"))
    return Draft202012Validator({**shapes, "$ref": f"#/$defs/{shape}"})


def _left_of(path: Path) -> str:
    journal = path.with_name(JOURNAL)
    if not journal.is_file():
        return "its start, and left no journal"
    cases = max(0, text_of(journal).count("\n") - 1)
    return f"{cases} case{'s' * (cases != 1)}; see {JOURNAL}"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
