"""Layers over the environment that runs the tests; ``iniconfig`` is there because pytest is."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from conformance.environments import Environment, Stack, Unresolvable, build, pip, resolving
from conformance.environments.building import MARKER

INSTALLED = metadata.version("iniconfig")
SEES = "import iniconfig; from importlib.metadata import version; "
SEES += "print(iniconfig.COLOUR, version('iniconfig'))"


def seen(environment: Environment) -> list[str]:
    """The colour of the wheel that an environment imports, and the version that it sees."""
    command = [str(environment.python), "-c", SEES]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment.environ()
    ).stdout.split()


def built(cache: Path, *specs: str) -> Environment:
    return build(Stack.of(specs), cache)


def no_pip(*_: Any, **__: Any) -> str:
    raise AssertionError("pip was called")


@pytest.fixture
def red(wheel: Any, unimported: None) -> None:
    wheel("iniconfig", "99.0", "COLOUR = 'red'")


def test_a_layer_shadows_the_base_and_leaves_it_alone(red: None, tmp_path: Path) -> None:
    found = built(tmp_path, "iniconfig==99.0")
    assert found.moved == {"iniconfig": (INSTALLED, "99.0")}
    assert seen(found) == ["red", "99.0"]
    assert found.versions["torch"] == metadata.version("torch")
    assert metadata.version("iniconfig") == INSTALLED
    assert found.size < 2**20


def test_the_base_on_the_python_path_does_not_shadow_the_layer(
    red: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(metadata.distribution("iniconfig").locate_file(""))
    monkeypatch.setenv("PYTHONPATH", folder)
    assert seen(built(tmp_path, "iniconfig==99.0")) == ["red", "99.0"]


def test_a_layer_is_built_once(red: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = built(tmp_path, "iniconfig==99.0")
    monkeypatch.setattr(pip, "call", no_pip)
    assert built(tmp_path, "iniconfig == 99.0") == first


def test_what_a_killed_build_left_is_built_anew(red: None, tmp_path: Path) -> None:
    folder = built(tmp_path, "iniconfig==99.0").folder
    assert folder is not None
    (folder / MARKER).unlink()
    (next(folder.rglob("iniconfig")) / "__init__.py").unlink()
    assert seen(built(tmp_path, "iniconfig==99.0")) == ["red", "99.0"]


def test_an_interrupted_build_leaves_nothing(
    red: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> str:
        assert len(layers(tmp_path)) == 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pip, "call", interrupted)
        built(tmp_path, "iniconfig==99.0")
    assert layers(tmp_path) == []


def layers(cache: Path) -> list[Path]:
    return [path for path in (cache / "layers").iterdir() if path.is_dir()]


def test_two_that_build_the_same_do_it_once(red: None, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from conformance.environments import *; "
        "from conformance.environments import building; building._IMPORTS = ''; "
        "print(build(Stack.of(['iniconfig==99.0']), Path(sys.argv[1]), print).moved)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pair = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert sorted("built" in text for text in said) == [False, True]
    assert all("'99.0'" in text for text in said)


def test_a_wheel_of_the_version_that_is_there_counts(
    wheel: Any, unimported: None, tmp_path: Path
) -> None:
    path = wheel("iniconfig", INSTALLED, "COLOUR = 'blue'", folder=tmp_path / "own")
    first = built(tmp_path, str(path))
    assert seen(first) == ["blue", INSTALLED]
    wheel("iniconfig", INSTALLED, "COLOUR = 'green'", folder=tmp_path / "own")
    second = built(tmp_path, str(path))
    assert seen(second) == ["green", INSTALLED]
    assert seen(first) == ["blue", INSTALLED]


def test_latest_and_pre(wheel: Any, unimported: None, tmp_path: Path) -> None:
    assert built(tmp_path, "latest").folder is None
    wheel("transformers", "99.0")
    wheel("transformers", "99.1rc1")
    assert built(tmp_path, "latest").versions["transformers"] == "99.0"
    assert built(tmp_path, "pre").versions["transformers"] == "99.1rc1"
    assert built(tmp_path, "pre peft").versions["transformers"] == "99.1rc1"


def test_torch_stays_unless_it_is_asked_for(wheel: Any, unimported: None, tmp_path: Path) -> None:
    wheel("torch", "999.0")
    wheel("needing", "1.0", needs="torch>=999")
    with pytest.raises(Unresolvable, match="torch"):
        built(tmp_path, "needing==1.0")
    assert built(tmp_path, "needing==1.0", "torch==999.0").versions["torch"] == "999.0"


def test_companions_that_had_to_move_are_told(wheel: Any, unimported: None, tmp_path: Path) -> None:
    peft = metadata.version("peft")
    wheel("peft", "0.15.0")
    wheel("accelerate", "99.0", needs="peft<0.16")
    found = built(tmp_path, "accelerate==99.0")
    assert found.moved["peft"] == (peft, "0.15.0")
    (note,) = found.notes
    assert note.startswith(f"peft moved from {peft} to 0.15.0 though the stack does not name it")


def test_what_transformers_imports_moves_where_it_no_longer_fits(
    wheel: Any, unimported: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "_IMPORTED", ("jinja2",))
    wheel("jinja2", "1.0", needs="markupsafe<2")
    wheel("markupsafe", "1.0")
    assert built(tmp_path, "markupsafe==1.0").moved["jinja2"][1] == "1.0"
    wheel("iniconfig", "99.0")
    assert "jinja2" not in built(tmp_path, "iniconfig==99.0").moved


def test_a_version_that_does_not_exist(red: None, tmp_path: Path) -> None:
    with pytest.raises(Unresolvable) as caught:
        built(tmp_path, "iniconfig==98.0")
    assert caught.value.reason == "no index has iniconfig==98.0; the newest for this Python is 99.0"
    with pytest.raises(Unresolvable, match="no index has any release of unheard-of"):
        built(tmp_path, "unheard-of")
    assert layers(tmp_path) == []


def test_versions_that_do_not_fit(wheel: Any, unimported: None, tmp_path: Path) -> None:
    wheel("one", "1.0", needs="iniconfig<1")
    wheel("iniconfig", "99.0")
    with pytest.raises(Unresolvable) as caught:
        built(tmp_path, "one==1.0", "iniconfig==99.0")
    assert "one 1.0 depends on iniconfig<1" in caught.value.reason
    assert "\n" not in str(caught.value)


def test_libraries_that_cannot_be_imported(
    wheel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel("transformers", "5.99.0", "raise ImportError('cannot import name X')")
    expected = "installed, and cannot be imported: ImportError: cannot import name X"
    for _ in range(2):
        with pytest.raises(Unresolvable) as caught:
            built(tmp_path, "transformers==5.99.0")
        assert caught.value.reason == expected
        monkeypatch.setattr(pip, "call", no_pip)  # the second time it is known


def test_versions_that_the_suite_is_not_written_for(wheel: Any, tmp_path: Path) -> None:
    wheel("transformers", "4.40.0")
    with pytest.raises(Unresolvable, match=r"transformers 4\.40\.0 is installed, >=4\.45 is"):
        built(tmp_path, "transformers==4.40.0")


def test_a_full_disk(red: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    ended = subprocess.CompletedProcess([], 1, stdout=said)
    with monkeypatch.context() as patched:
        patched.setattr(pip.subprocess, "run", lambda *_, **__: ended)
        with pytest.raises(OSError, match="No space left on device"):
            pip.call("install", "iniconfig")
