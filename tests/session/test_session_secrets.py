"""Secrets of the environment, which libraries and pip quote, reach nothing that a run leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.environments.pip import Unresolvable, reason
from conformance.redacting import printable, redacted

HERE = Path(__file__).parent
TOKEN, PASSWORD = "planted-secret-token", "pl@nted-pass"
ADDRESS = "https://bob:pl%40nted-pass@packages.example/simple"
PLANTED = {"HF_TOKEN": TOKEN, "PIP_INDEX_URL": ADDRESS, "TOKENIZERS_PARALLELISM": "false"}
SECRETS = (TOKEN, PASSWORD, "pl%40nted-pass", "bob:")


def test_a_run_leaves_no_secret(tmp_path: Path) -> None:
    chosen = ["--profile", "smoke", "--chapter", "signature", "--workers", "1"]
    chosen += ["--trainer", "lying_trainers:Leaky"]
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "run", *chosen, "--report-dir", tmp_path / "out"],
        env={**os.environ, **PLANTED, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "with the token ***" in (tmp_path / "out" / "record.json").read_text()
    texts = {"stdout": done.stdout, "stderr": done.stderr}
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    texts |= {path.name: path.read_text() for path in files}
    assert {"record.json", "report.html", "report.md", "junit.xml"} <= set(texts)
    leaks = [(name, each) for name, text in texts.items() for each in SECRETS if each in text]
    assert leaks == []
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"Looking in indexes: {ADDRESS}",
            "Looking in indexes: https://***@packages.example/simple",
        ),
        (f"the password {PASSWORD} of bob", "the password *** of bob"),
        (f"token={TOKEN}!", "token=***!"),
        ("hf_" + "a" * 30, "***"),
        ("a false alarm, git+ssh://host/x", "a false alarm, git+ssh://host/x"),
        ("Authorization: Basic Ym9iOnBsQG50ZWQtcGFzcw==", "Authorization: Basic ***"),
    ],
)
def test_redaction(text: str, expected: str) -> None:
    assert redacted(text, PLANTED) == expected


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("MY_API_KEY", "a-key-of-mine", "a-key-of-mine"),
        ("DEPLOY_KEY", "a-key-of-mine", "a-key-of-mine"),
        ("GH_PAT", "a-key-of-mine", "a-key-of-mine"),
        ("SESSION_COOKIE", "a-key-of-mine", "a-key-of-mine"),
        ("DB_PASSWORD", 'with "quotes" and \\', r"with \"quotes\" and \\"),
        ("DB_PASSWORD", "pässwörd", r"p\u00e4ssw\u00f6rd"),
        ("DB_PASSWORD", "p@ss/word", "p%40ss%2Fword"),
        ("SSH_KEY", f"BEGIN\n{'a' * 64}\n{'b' * 64}\nEND", "b" * 64),
        ("INDEX", "https://atokenthatstandsalone@host/simple", "atokenthatstandsalone"),
        ("INDEX", "https://atokenthatstandsalone:@host/simple", "atokenthatstandsalone"),
    ],
)
def test_each_spelling_of_a_secret(name: str, value: str, text: str) -> None:
    assert redacted(f"<{text}>", {name: value}) == "<***>"


@pytest.mark.parametrize("name", ["AUTHOR", "TOKENIZERS_PARALLELISM", "KEYBOARD", "PATIENCE"])
def test_what_is_no_secret_stays(name: str) -> None:
    assert redacted("<somebody>", {name: "somebody"}) == "<somebody>"
    assert redacted("of the deployer", {"INDEX": "ssh://deployer@host"}) == "of the deployer"


def test_why_pip_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    printed = f"ERROR: 401 Client Error: Unauthorized for url: {ADDRESS}/peft/"
    masked = "401 Client Error: Unauthorized for url: https://***@packages.example/simple/peft/"
    assert reason(printed) == masked
    gave_up = Unresolvable(f"peft @ {ADDRESS}", printed)
    assert not [each for each in SECRETS if each in f"{gave_up} {gave_up.reason}"]


def test_nothing_printed_commands_a_terminal() -> None:
    assert printable("a\x1b[2J\n b\x9bc\u202e") == "a\\x1b[2J b\\x9bc\\u202e"
