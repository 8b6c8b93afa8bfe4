"""Trainings in several processes: a rank that dies or hangs has its verdict and leaves nothing."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import Trainer

from conformance import one_thread, printed
from conformance.compat import Unavailable
from conformance.running.launch import (
    Pool,
    RanksHung,
    RanksLost,
    fork_server,
    pool,
    rendezvous,
    server_process,
)
from conformance.running.launch.wrappers import OtherLaunch
from conformance.scenarios import Scenario

HERE = Path(__file__).parent
DDP = Scenario(launch="ddp", examples=4)


@pytest.fixture(scope="module")
def warm() -> Iterator[Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *sys.path]))
        import lying_trainers

        launching = Pool(lying_trainers.Honest)
        yield launching
        launching.close()


@pytest.fixture
def launch(warm: Pool, monkeypatch: pytest.MonkeyPatch) -> Pool:
    monkeypatch.setattr(warm, "trainer", "lying_trainers:Honest")
    return warm


def test_ranks_are_seen_and_do_not_outlive_their_training(launch: Pool, tmp_path: Path) -> None:
    seen = launch.run(DDP, tmp_path, None, {})
    assert [rank.world_size for rank in seen.ranks] == [2, 2]
    assert launch._server is not None
    children = Path(f"/proc/{launch._server.pid}/task/{launch._server.pid}/children")
    assert not children.exists() or children.read_text().split() == []


def test_a_killed_rank_is_lost(launch: Pool, tmp_path: Path) -> None:
    launch.trainer = "lying_trainers:Killed"
    with pytest.raises(RanksLost, match="signal 9") as lost:
        launch.run(DDP, tmp_path, None, {})
    assert lost.value.status == -signal.SIGKILL


def test_hanging_ranks_tell_their_stacks(
    launch: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 3.0)
    launch.trainer = "lying_trainers:Hanging"
    with pytest.raises(RanksHung, match=r"(?s)rank 0:.*lying_trainers.*rank 1:.*lying_trainers"):
        launch.run(DDP, tmp_path, None, {})


def test_another_wrapper_than_asked_for_is_told(launch: Pool, tmp_path: Path) -> None:
    launch.trainer = "lying_trainers:Alone"
    with pytest.raises(OtherLaunch, match="expected: DistributedDataParallel in 2 processes"):
        launch.run(DDP, tmp_path, None, {})


def test_where_ranks_meet_is_taken_before_they_start() -> None:
    with rendezvous.listening() as first, rendezvous.listening() as second:
        assert first.getsockname() != second.getsockname()
        address, port = first.getsockname()
        assert address != "127.0.0.1"
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((address, port))


def test_without_a_loopback_device_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    assert rendezvous.unreachable() == ""
    monkeypatch.setattr(socket, "create_connection", refuse)
    why = rendezvous.unreachable.__wrapped__()
    assert why == "the processes of one training cannot reach each other: Network is unreachable"
    with pytest.raises(Unavailable, match="cannot reach each other"):
        pool._gathered(tmp_path, 2, {"alone": why})


def test_a_rank_that_prints_without_end_fills_no_disk(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.txt"
    pid = os.fork()
    if not pid:
        fork_server._redirect_output(path)
        for _ in range(64):
            os.write(1, b"x" * 2**20)
            time.sleep(0.01)
        os.write(1, b"its last words")
        os._exit(3)
    assert fork_server._wait([pid], 60, [path, tmp_path / "none"]) == ([3], False)
    assert path.stat().st_size < 2 * printed.MOST
    assert fork_server._end_of_output(path).endswith("its last words")


def test_launches_leave_nothing_behind(
    launch: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    launch.run(DDP, tmp_path / "first", None, {})
    assert launch._server is not None
    before = _held_by(launch._server.pid)
    for number in range(4):
        launch.run(DDP, tmp_path / str(number), None, {})
    assert _held_by(launch._server.pid) <= before, "no rank is left to hold another"
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_a_hundred_launches_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process, and with it no port, no descriptor, shared memory or temporary file."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))  # for the fork server and its ranks
    launching, short = Pool(Trainer), DDP.but(max_steps=1, save="steps")
    shared, before = _shared_memory(), set[str]()
    for number in range(101):
        launching.run(short, tmp_path / str(number), None, {})
        assert launching._server is not None
        before = before or _held_by(launching._server.pid)
    server = launching._server.pid
    assert _held_by(server) <= before
    assert Path(f"/proc/{server}/task/{server}/children").read_text().split() == []
    launching.close()
    assert _shared_memory() <= shared
    assert list(temporary.iterdir()) == []


def _shared_memory() -> set[str]:
    """Files of torch's in shared memory whose process has ended."""
    named = (path.name for path in Path("/dev/shm").glob("torch_*_*"))
    return {name for name in named if not Path("/proc", name.split("_")[1]).exists()}


def _held_by(server: int) -> set[str]:
    """Open descriptors, sockets and shared memory among them, and what each leads to."""
    places = (Path(f"/proc/{pid}/fd") for pid in (server, os.getpid()))
    held = [fd for place in places for fd in place.iterdir() if fd.is_symlink()]
    return {f"{fd}: {fd.readlink()}" for fd in held}


FORKED = """
import sys
from pathlib import Path
from conformance import subjects
from conformance.running.launch import Pool, server_process
from conformance.scenarios import Scenario

subjects.prepare()
server_process.fork_ahead()
(ahead,) = server_process._ahead
launching = Pool(subjects.trainer_class("transformers:Trainer"))
seen = launching.run(Scenario(launch="ddp", examples=4), Path(sys.argv[1]), None, {})
assert launching._server is ahead
launching.close()
print(ahead.ended(False), [rank.world_size for rank in seen.ranks])
"""


def test_a_server_forked_ahead_of_all_trainings_serves(tmp_path: Path) -> None:
    """As in a run's workers: no second process imports the libraries."""
    environment = {**os.environ, **one_thread.ENVIRONMENT}
    command = [sys.executable, "-c", FORKED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.splitlines()[-1:] == ["0 [2, 2]"], done.stderr[-2000:]


def test_nothing_is_forked_ahead_beside_threads_of_libraries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Locks that they hold would stay locked; a program is started in its stead."""
    monkeypatch.setattr(one_thread, "threads", lambda: 3)
    monkeypatch.setattr(server_process, "_ahead", [])
    server_process.fork_ahead()
    assert server_process._ahead == []
