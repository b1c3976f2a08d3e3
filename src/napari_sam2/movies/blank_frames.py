"""Frames without a number among their pixels, which a network sees as black."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LOG = logging.getLogger(__name__)

SAMPLED_SIDE = 64  # rows and columns of a frame that are looked at where a part of it is read


class BlankFrames:
    """The frames of one movie that held nothing but NaN or infinity when they were read.

    A microscope or a registration leaves such frames. Their masks are empty, which does not
    mean that the objects were not there.
    """

    def __init__(self) -> None:
        self._found: set[int] = set()
        self._reported: set[int] = set()

    def note(self, frame: int, part: NDArray[Any], read_sample: Callable[[], NDArray[Any]]) -> None:
        """Note a frame if it is blank.

        Parameters
        ----------
        frame
            Which frame.
        part
            Its pixels, or some of them.
        read_sample
            Returns pixels of the whole frame; called where the part holds no number.
        """
        if _is_blank(part[::16, ::16]) and _is_blank(part) and _is_blank(read_sample()):
            self._found.add(frame)

    def new_sentence(self) -> str:
        """Return a sentence on the frames of which there was none before; empty without any."""
        new = sorted(self._found - self._reported)
        self._reported.update(new)
        if not new:
            return ""
        text = _in_ranges(new)
        subject = f"frame {text} holds" if len(new) == 1 else f"frames {text} hold"
        return (
            f"{subject} only NaN or infinity: the network sees black, and its masks there mean "
            "nothing"
        )

    def warn(self) -> None:
        """Log `new_sentence` as a warning."""
        if sentence := self.new_sentence():
            _LOG.warning(sentence)


def _is_blank(pixels: NDArray[Any]) -> bool:
    return pixels.dtype.kind == "f" and not np.isfinite(pixels).any()


def _in_ranges(frames: list[int]) -> str:
    """Write sorted frames with a range for those that follow one another: 3, 5 to 9."""
    numbers = np.array(frames)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    texts = [f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return ", ".join(texts)
