"""The rendezvous of one training's ranks: a store at an address and a port that are theirs alone.

A port that was merely found free may be taken by the time rank 0 binds it. Ranks of two trainings
then meet in one store, answer for each other, and die in gloo: what one sends does not fit what the
other expects, and gloo ends the process by SIGABRT. So the fork server listens before it forks,
rank 0 inherits the socket and serves the store on it, and every rank joins as a client, as the
ranks that `torchrun` starts join the store of their agent. Other programs that lose that race look
for their store at 127.0.0.1, and do not find this one.
"""

import contextlib
import functools
import os
import secrets
import socket
from collections.abc import Iterator

PATIENCE = 5.0  # seconds that one connection to this machine may take


def listening() -> socket.socket:
    """A socket that listens on some loopback address, to be inherited by rank 0."""
    address = ".".join(["127", *(str(1 + secrets.randbelow(254)) for _ in range(3))])
    return socket.create_server((address, 0))


@functools.cache
def unreachable() -> str:
    """Why ranks could not meet on this machine; empty where they can.

    In a network namespace of its own the loopback device may be down, and each rank would try for a
    minute.
    """
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname(), timeout=PATIENCE),
        ):
            return ""
    except OSError as error:
        return f"the processes of one training cannot reach each other: {error.strerror or error}"


@contextlib.contextmanager
def joined(rank: int, ranks: int, listener: socket.socket) -> Iterator[None]:
    """This process is one of ``ranks``, which meet behind the ``listener`` that it inherited.

    Rank 0 serves while inside. Where there is one rank, nobody meets.
    """
    address, port = listener.getsockname()[:2]
    if ranks == 1:
        listener.close()
        yield
        return
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": address, "MASTER_PORT": str(port)}
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    if rank > 0:
        listener.close()
        yield
        return
    store = _served(address, port, ranks, listener.detach())
    yield
    del store


def _served(address: str, port: int, ranks: int, descriptor: int) -> object:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    return TCPStore(
        address, port, ranks, is_master=True, wait_for_workers=False, master_listen_fd=descriptor
    )
