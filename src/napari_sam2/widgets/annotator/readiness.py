"""napari's slow first steps, done on another thread before the first layer is made."""

import logging
from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_sam2.layers.viewer.warm_up import is_warm, warm_up
from napari_sam2.widgets.inference.worker import SessionWorker

_LOG = logging.getLogger(__name__)


class Readiness(QObject):
    """Lets calls that make layers wait until libraries are imported and functions compiled.

    Parameters
    ----------
    worker
        Whose thread does it: not the one that loads the network, whose requests are dropped
        when another image is chosen.
    """

    def __init__(self, worker: SessionWorker) -> None:
        super().__init__()
        self._worker = worker
        self._has_begun = False
        self._waiting: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Begin, unless that was done; the thread goes on by itself."""
        if not self._has_begun and not is_warm():
            self._has_begun = True
            self._worker.submit(_attempt, then=self._call_waiting)

    def when_ready(self, call: Callable[[], None]) -> bool:
        """Call at once, or when all is there; returns whether it was at once."""
        self.begin()
        if not self._has_begun:
            call()
            return True
        self._waiting.append(call)
        return False

    def forget_waiting(self) -> None:
        """Call nothing of what waits."""
        self._waiting.clear()

    def _call_waiting(self, _: object) -> None:
        self._has_begun = False
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()


def _attempt() -> None:
    try:
        warm_up()
    except Exception:  # whatever it is: it will be told when the layer itself is made
        _LOG.warning("the first layers could not be prepared", exc_info=True)
