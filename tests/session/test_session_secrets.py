"""Secrets of the environment, which libraries and pip quote, reach nothing that a run leaves."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from conformance import judging
from conformance.collector import Collector
from conformance.controls.outcome import Kind, Outcome
from conformance.controls.store import Entry, Memory
from conformance.controls.store import write as write_faults
from conformance.environments import Stack
from conformance.environments.pip import Unresolvable, reason
from conformance.environments.stack_folder import State
from conformance.plugin import PROPERTY
from conformance.progress import Progress
from conformance.records import Case, Journal, Record, Verdict, recover
from conformance.redacting import printable, redacted
from conformance.running.launch import fork_server
from conformance.running.launch.server_process import ServerProcess
from conformance.subjects import SubjectError, finding

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
        ("https://bob:p@ss/w:rd@host/x, mail@x", "https://***@host/x, mail@x"),
        ("url: /simple/?a=1&access_token=s3cr3t&b=2", "url: /simple/?a=1&access_token=***&b=2"),
        ("https://x.example/f?X-Amz-Signature=s3cr3t>", "https://x.example/f?X-Amz-Signature=***>"),
        ("git+https://host:8080/peft@v1 and", "git+https://host:8080/peft@v1 and"),
        ("git+https://host/peft@v1 and", "git+https://host/peft@v1 and"),
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
        ("DB_PWD", "a-word-of-mine", "a-word-of-mine"),
        ("STORE_CONNECTION_STRING", "Host=x;Key=abc", "Host=x;Key=abc"),
        ("STORE_CONNECTIONSTRING", "Host=x;Key=abc", "Host=x;Key=abc"),
        ("SLACK_WEBHOOK_URL", "https://hooks.example/T0/secret", "https://hooks.example/T0/secret"),
        ("SLACK_WEBHOOK_URL", "https://hooks.example/T0/secret", "/T0/secret"),
        ("INDEX", "https://host/simple?token=a-word-of-mine", "a-word-of-mine"),
        ("INDEX", "https://bob:pass/word@host/simple", "pass/word"),
        ("INDEX", "https://bob:p@ss/w:rd@host/simple", "p@ss/w:rd"),
        ("INDEX", "git+https://bob:pass-word@host/peft@main", "pass-word"),
        ("INDEX", "https://atokenthatstandsalone@host/simple", "atokenthatstandsalone"),
        ("INDEX", "https://atokenthatstandsalone:@host/simple", "atokenthatstandsalone"),
    ],
)
def test_each_spelling_of_a_secret(name: str, value: str, text: str) -> None:
    assert redacted(f"<{text}>", {name: value}) == "<***>"


@pytest.mark.parametrize(
    "name", ["PWD", "OLDPWD", "AUTHOR", "TOKENIZERS_PARALLELISM", "KEYBOARD", "PATIENCE"]
)
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


@pytest.mark.parametrize("secret", ["verdict", "frozen", "message", "evidence"])
def test_a_secret_that_is_a_word_of_ours_breaks_no_record(
    monkeypatch: pytest.MonkeyPatch, record: Record, tmp_path: Path, secret: str
) -> None:
    monkeypatch.setenv("DB_PASSWORD", secret)
    journal = Journal(tmp_path)
    journal.open(replace(record, clauses=(), complete=False))
    collector = Collector(journal, (), Progress(io.StringIO()), timeout=9.0, memory=0)
    case = Case("x[frozen]", "frozen.bit-identical", {}, Verdict.FAIL, {"a": secret}, 0.0, secret)
    report = SimpleNamespace(user_properties=[(PROPERTY, case.to_json())], when="call")
    collector.pytest_runtest_logreport(report)
    expected = replace(case, evidence={"a": "***"}, message="***")
    assert recover(tmp_path).cases == (expected,)


def test_addresses_of_stacks_are_shown_and_kept_without_their_secrets(tmp_path: Path) -> None:
    spec = "git+https://bob:a-pass-word@host/peft"
    assert str(Stack.of([spec])) == "git+https://***@host/peft"
    State(0, "it", (spec,)).write(tmp_path)
    assert "a-pass-word" not in (tmp_path / "stack.json").read_text()


def test_faults_are_kept_without_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    memory = Memory()
    memory.add(Entry(Outcome("a", "b.c", Kind.SURVIVED, f"401 with {TOKEN}"), "", ""))
    write_faults(memory, tmp_path)
    assert "401 with ***" in (tmp_path / "faults.json").read_text()


def test_a_long_line_takes_no_time() -> None:
    began = time.monotonic()
    for each in ("x", "?key", "a:", "x://a:"):
        redacted(each * 50_000, {})
    assert time.monotonic() - began < 10


# ---- what is cut short ----------------------------------------------------------------------


def _refusal(folder: Path) -> str:
    def call() -> None:
        raise ValueError(f"{'x' * 190} {TOKEN}")

    judging.refused("it", call, error=ValueError, says="x")
    return str(judging.collect_evidence())


def _import(folder: Path) -> str:
    folder.joinpath("own_broken.py").write_text(f"raise ValueError('x' * 290 + ' {TOKEN}')")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SubjectError) as refused:
        patch.syspath_prepend(folder)
        finding.at("own_broken:Own")
    return str(refused.value)


def _worker(folder: Path) -> str:
    collector = Collector(Journal(folder), (), Progress(io.StringIO()), timeout=9.0, memory=0)
    collector.pytest_internalerror(f"{TOKEN}{'x' * 190}")
    return collector.problems


def _rank(folder: Path) -> str:
    folder.joinpath("it").write_text(f"{TOKEN}{'x' * (fork_server.OUTPUT_KEPT - 10)}")
    return fork_server._end_of_output(folder / "it")


def _server(folder: Path) -> str:
    nothing, said = io.StringIO(), io.StringIO(f"{TOKEN}{'x' * 90}")
    return ServerProcess(0, nothing, nothing, said, lambda _: 0).last_words(100)


@pytest.mark.parametrize("cut", [_refusal, _import, _worker, _rank, _server])
def test_no_half_of_a_secret_is_left(
    cut: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    said = cut(tmp_path)
    assert "xxx" in said
    assert not [n for n in range(len(TOKEN) - 4) if TOKEN[n : n + 5] in said]
