"""Work of the widgets off the main thread: the newest request wins, and what fails becomes a sentence."""

import threading
from collections.abc import Callable
from typing import Any


class NewestWins:
    """One worker thread for the requests of one widget; one that waits is dropped for a newer one.

    Parameters
    ----------
    work : callable
        Called in the thread with one request.
    failed : callable
        Called in the thread with the exception, where `work` raises one.
    """

    def __init__(self, work: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        self._work, self._failed = work, failed
        self._turn = threading.Condition()
        self._waiting: list[Any] = []
        self._busy = False

    def ask(self, request: Any) -> None:
        """Hand in a request and return at once."""
        with self._turn:
            self._waiting = [request]
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, daemon=True, name="widget worker").start()

    @property
    def superseded(self) -> bool:
        """Whether a newer request waits, so that the one at work is wanted no more."""
        return bool(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether a request is at work or waits."""
        return self._busy

    def settle(self, seconds: float) -> bool:
        """True once nothing is left to do, False where that takes longer than `seconds`."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._busy, timeout=seconds)

    def _run(self) -> None:
        """Work until no request waits."""
        while True:
            with self._turn:
                if not self._waiting:
                    self._busy = False
                    self._turn.notify_all()
                    return
                request = self._waiting.pop()
            try:
                self._work(request)
            except Exception as error:  # the widget shows it: a thread has nobody to raise to
                self._failed(error)


def sentence(error: Exception) -> str:
    """What went wrong, in one plain sentence for the user of a widget."""
    words = str(error).strip().splitlines()
    said = words[0] if words else "no reason was given"
    return said if isinstance(error, ValueError | TypeError) and words else f"{type(error).__name__}: {said}"
