import platform
from importlib import metadata

import pytest

from conformance.records import SUPPORTED, UnsupportedStack, check_supported, stack


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let exactly these packages be installed."""

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)


def test_only_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, peft="0.15.0", requests="2")
    assert stack("cuda").packages == {"peft": "0.15.0"}
    assert stack("cuda").device == "cuda"


def test_no_host_name() -> None:
    assert platform.node() not in str(stack()) or len(platform.node()) < 4
    assert stack().python == platform.python_version()


def test_a_supported_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        monkeypatch, transformers="5.0.0.dev0", peft="0.13.0", accelerate="1.0", torch="2.2.0+cpu"
    )
    check_supported()


def test_everything_unsupported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, transformers="4.44.2", accelerate="1.1", torch="2.6")
    with pytest.raises(UnsupportedStack) as caught:
        check_supported()
    assert str(caught.value) == (
        f"unsupported stack: transformers 4.44.2 is installed, {SUPPORTED['transformers']} is "
        f"needed; peft is not installed, {SUPPORTED['peft']} is needed"
    )
