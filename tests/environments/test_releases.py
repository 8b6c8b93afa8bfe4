import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.version import Version

from conformance.environments.release_range import Range, fitting, held, line_of
from conformance.environments.releases import NoReleases, ask_pip, releases
from conformance.options import UsageError

OLD_PIP = """peft (0.19.0)
Available versions: 0.19.0, 0.18.1, 0.18.0rc1
  INSTALLED: 0.18.1
"""


def done(code: int, out: str = "", err: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess([], code, out, err)


def new_pip(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    assert arguments[:3] == ["index", "versions", "huggingface-hub"]
    listed = ["2.0.0", "1.10.0", "1.9.0", *(["2.1.0rc0"] if "--pre" in arguments else [])]
    return done(0, json.dumps({"versions": listed, "latest": "2.0.0"}))


def old_pip(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    if "--json" in arguments:
        return done(2, err="Usage: \n\nno such option: --json\n")
    return done(0, OLD_PIP)


def test_oldest_first() -> None:
    found = releases("huggingface_hub", ask=new_pip)
    assert list(map(str, found)) == ["1.9.0", "1.10.0", "2.0.0"]


def test_pre_releases_when_asked_for() -> None:
    assert str(releases("huggingface_hub", pre=True, ask=new_pip)[-1]) == "2.1.0rc0"
    assert Version("0.18.0rc1") in releases("peft", pre=True, ask=old_pip)


def test_a_pip_that_answers_in_words() -> None:
    assert list(map(str, releases("peft", ask=old_pip))) == ["0.18.1", "0.19.0"]


def test_a_name_that_no_index_has() -> None:
    said = "WARNING: odd\nERROR: No matching distribution found for no-such\n"
    with pytest.raises(NoReleases, match="no-such found: No matching distribution"):
        releases("no-such", ask=lambda _: done(1, err=said))


@pytest.mark.parametrize("name", ["", "--pre", "a b", "a/b"])
def test_what_is_no_name_is_not_given_to_pip(name: str) -> None:
    with pytest.raises(NoReleases, match="not the name of a package"):
        releases(name, ask=lambda _: pytest.fail("asked"))


def page(folder: Path, name: str, lines: Sequence[str]) -> str:
    (folder / name).mkdir()
    (folder / name / "index.html").write_text("\n".join(lines))
    return folder.as_uri()


def test_yanked_and_unfit_releases_are_left_out_by_pip_itself(tmp_path: Path) -> None:
    """On an index of its own, with the pip of this environment."""
    wheel = '<a href="odd_thing-{}-py3-none-any.whl" {}>odd_thing-{}-py3-none-any.whl</a><br>'
    given = {"1.0": "", "1.1": 'data-yanked="broken"', "1.2": 'data-requires-python="&lt;3"'}
    lines = [wheel.format(number, how, number) for number, how in given.items()]
    other = "odd_thing-1.3-cp27-cp27m-win32.whl"
    index = page(tmp_path, "odd-thing", [*lines, f'<a href="{other}">{other}</a>'])

    def ask(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return ask_pip([*arguments, "--index-url", index, "--isolated"])

    assert releases("odd_thing", ask=ask) == (Version("1.0"),)


# ---- what a bisection starts from -----------------------------------------------------------

OFFERED = tuple(map(Version, ("4.44.0", "4.45.0", "4.57.6", "5.0.0", "5.1.0")))


def line(good: str | None = None, bad: str | None = None) -> tuple[str, ...]:
    return line_of(Range("transformers", good, bad), lambda _, pre: OFFERED)


def test_the_line_holds_what_is_supported() -> None:
    assert line() == ("4.45.0", "4.57.6", "5.0.0", "5.1.0")
    assert line("4.57.6") == ("4.57.6", "5.0.0", "5.1.0")
    assert line(None, "5.0") == ("4.45.0", "4.57.6", "5.0.0")
    assert line("4.44.0", "4.57.6") == ("4.44.0", "4.45.0", "4.57.6")


def test_the_line_runs_from_the_end_that_conforms() -> None:
    assert line("5.1.0", "4.57.6") == ("5.1.0", "5.0.0", "4.57.6")


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("4.58", None, "no index offers transformers 4.58 .* nearest are 4.45.0, 4.57.6, 5.0.0"),
        (None, "newest", "'newest' is not a version"),
        ("5.0", "5.0.0", "given as both ends"),
    ],
)
def test_ends_that_cannot_be(good: str | None, bad: str | None, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        line(good, bad)


def test_what_is_held() -> None:
    found = held("transformers", ["peft==0.18.0", "trl==1.16"])
    assert (found["peft"], found["trl"]) == ("0.18.0", "1.16")
    assert "transformers" not in found
    assert "accelerate" in found


@pytest.mark.parametrize("spec", ["peft", "peft>=0.18", "peft==0.18.*", "==1", "transformers==5.0"])
def test_what_cannot_be_held(spec: str) -> None:
    with pytest.raises(UsageError):
        held("transformers", [spec])


def test_companions_of_a_release_s_time() -> None:
    assert fitting("transformers", "4.45.1")["peft"] == "0.13.2"
    assert fitting("transformers", "4.57.6")["peft"] == "0.18.1"
    assert fitting("transformers", "4.56.0")["peft"] == fitting("transformers", "4.55.4")["peft"]
    assert fitting("peft", "0.14.0")["transformers"] == "4.48.3"
    assert fitting("tokenizers", "0.22.0") == {}
