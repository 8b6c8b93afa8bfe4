"""A limit on the memory of each worker: a limit on its address space would not let torch load."""

import contextlib
import threading
from collections.abc import Callable, Iterator

LOOK = 0.1  # seconds between two looks

Workers = Callable[[], list[int]]


class Watch:
    """Ends any of the processes ``workers()`` names that holds more than ``limit`` MiB."""

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
        import psutil

        while not self._over.wait(LOOK):
            for pid in self._workers():
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if process.memory_info().rss > self.limit * 2**20:
                        self.ended.add(pid)
                        process.kill()
