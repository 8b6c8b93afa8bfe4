"""A limit on the memory of each worker: a limit on its address space would not let torch load."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

LOOK = 0.1  # seconds between two looks
BELOW = 5  # looks between two at what the workers have started, which takes longer

Workers = Callable[[], list[int]]


class Watch:
    """Ends any of the processes ``workers()`` names that holds more than ``limit`` MiB itself, or
    has started one that does.
    """

    def __init__(self, limit: int, workers: Workers) -> None:
        self.limit = limit
        self.ended: set[int] = set()
        self._workers = workers
        self._over = threading.Event()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Watch while inside; nothing where there is no limit."""
        if not self.limit:
            yield
            return
        thread = threading.Thread(target=self._look, name="memory", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        looks = itertools.count(1)
        while not self._over.wait(LOOK):
            deep = next(looks) % BELOW == 0
            for pid in self._workers():
                self._end_if_large(pid, deep)

    def _end_if_large(self, pid: int, deep: bool) -> None:
        import psutil

        with contextlib.suppress(psutil.Error):
            worker = psutil.Process(pid)
            below = worker.children(recursive=True) if deep else []
            if not any(map(self._is_large, (worker, *below))):
                return
            self.ended.add(pid)
            for each in (worker, *below):  # the worker first: it shall judge nothing of the rest
                with contextlib.suppress(psutil.Error):
                    each.kill()

    def _is_large(self, process: "psutil.Process") -> bool:
        import psutil

        try:
            return bool(process.memory_info().rss > self.limit * 2**20)
        except psutil.Error:  # it has ended meanwhile
            return False
