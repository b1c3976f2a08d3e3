"""What the network's code warns of, told to the user."""

import logging
from collections.abc import Callable

from qtpy.QtCore import QObject, Signal

from napari_sam2.widgets.annotator.annotator import Annotator

LOGGER = "sam2_torch"


class ModelWarnings(QObject):
    """Passes the warnings of `sam2_torch` on as notices, from whichever thread they come.

    One is that the device's memory was full, and that the run goes on with fewer objects at a
    time.

    Parameters
    ----------
    annotator
        Who notices; warnings are listened to until it is closed.
    """

    _warned = Signal(str)

    def __init__(self, annotator: Annotator) -> None:
        super().__init__(annotator)
        self._annotator = annotator
        self._handler = _Handler(self._warned.emit)
        self._warned.connect(self._tell)
        logging.getLogger(LOGGER).addHandler(self._handler)
        annotator.closed.connect(self._release)

    def _tell(self, sentence: str) -> None:
        self._annotator.noticed.emit(sentence)

    def _release(self) -> None:
        logging.getLogger(LOGGER).removeHandler(self._handler)


class _Handler(logging.Handler):
    """Hands warnings to a signal: it takes them to the GUI's thread."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn

    def emit(self, record: logging.LogRecord) -> None:
        self._warn(f"{record.getMessage()}.")
