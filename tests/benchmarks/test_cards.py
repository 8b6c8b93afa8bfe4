"""Asking nvidia-smi and torch. The nvidia-smi here is a fake that answers what it is told to."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance import cards
from conformance.cards import Card, Machine

IDLE = "NVIDIA H100 80GB HBM3, 550.54, 81559, 4, 0, 1980, 1980, 71.5, 700.00, 31, Disabled"
BUSY = "NVIDIA H100 80GB HBM3, 550.54, 81559, 60000, 97, 1980, 1980, 650, 700.00, 70, Disabled"
Fake = Callable[[str, str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Installs a lying nvidia-smi: one answer for cards, one for processes."""

    def install(about: str, processes: str = "") -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"print({processes!r} if 'apps' in sys.argv[1] else {about!r})\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


def test_a_card_is_read_by_name(fake: Fake) -> None:
    fake(IDLE, "")
    (card,) = cards.look()
    assert card.read["name"] == "NVIDIA H100 80GB HBM3"
    assert card.number("clocks.sm") == 1980
    assert card.number("mig.mode.current") is None


def test_an_idle_card_is_not_in_use(fake: Fake) -> None:
    fake(IDLE, "")
    assert cards.users() == ""


def test_a_process_on_a_card_is_told(fake: Fake) -> None:
    fake(IDLE, "4242, 31000")
    assert cards.users() == "1 other processes on it: process 4242 holds 31000 MiB"


def test_memory_that_nobody_owns_up_to_is_told(fake: Fake) -> None:
    """In a container the processes of others cannot be seen, but what they hold can."""
    fake(BUSY, "")
    assert cards.users() == "60000 MiB of its memory are taken"


def test_without_nvidia_smi_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert cards.look() == ()
    assert cards.users() == ""


def test_one_that_fails_tells_nothing(fake: Fake, tmp_path: Path) -> None:
    fake(IDLE, "")
    (tmp_path / "nvidia-smi").write_text(f"#!{sys.executable}\nraise SystemExit(9)\n")
    assert cards.look() == ()


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Machine("2.9.1+cpu"), "no CUDA device (torch 2.9.1+cpu is a build without CUDA)"),
        (Machine("2.9.1+cu128", "12.8"), "no CUDA device"),
        (Machine("2.9.1", "12.8", error="driver too old"), "no CUDA device (driver too old)"),
        (Machine("2.9.1", "12.8", ("NVIDIA L4",)), ""),
    ],
)
def test_what_is_missing(found: Machine, reason: str) -> None:
    assert found.missing == reason


def test_hardware_names_what_records_are_compared_by() -> None:
    read = dict(zip(cards.QUERIED, IDLE.split(", "), strict=True))
    found = Machine("2.9.1", "12.8", ("NVIDIA H100 80GB HBM3",), (Card(read),))
    assert found.hardware() == {
        "card": "NVIDIA H100 80GB HBM3",
        "cards": "1",
        "memory_mib": "81559",
        "power_limit_w": "700.00",
        "mig": "Disabled",
        "driver": "550.54",
        "cuda": "12.8",
    }


def test_clocks_over_time() -> None:
    looks = [Card({"clocks.sm": clock, "power.draw": "[N/A]"}) for clock in ("1980", "1200", "x")]
    assert cards.over_time(looks) == {
        "clock_mhz_least": 1200.0,
        "clock_mhz": 1590.0,
        "clock_mhz_most": 1980.0,
    }


def test_asking_torch_initialises_nothing_here() -> None:
    found = cards.machine()
    assert found.build
    if "torch" in sys.modules:
        assert not sys.modules["torch"].cuda.is_initialized()
