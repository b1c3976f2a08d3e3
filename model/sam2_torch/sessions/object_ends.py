"""Where objects end in depth, and do not come back.

Beyond the reference. In time a cell may be hidden and appear again. In depth objects are in one
piece: what appears where one has ended is another cell.
"""

from collections.abc import Container, Mapping, Sequence

from sam2_torch.memory.selection import Direction
from sam2_torch.predictions import FrameResult, MaskPrediction

MAX_GAP = 1  # planes without the object after which it has ended
LOW_CONFIDENCE = 0.6  # predicted IoU, as a share of the highest in the planes passed


class ObjectEnds:
    """The rule for ends, along one run through the planes of a stack.

    Away from its prompts an object ends where it is absent from `MAX_GAP` planes in a row, or
    where its confidence is low: the predicted IoU falls below `LOW_CONFIDENCE` of the highest in
    the planes just passed. There a mask has mostly changed over to a neighbour. A prompt in a
    plane farther on shows that the object continues to there.

    Parameters
    ----------
    prompted
        The prompted planes of each object, as far as they are in this stack.
    direction
        Of the run.
    absent
        What an object gets in the planes beyond its end.
    """

    def __init__(
        self, prompted: Mapping[int, Sequence[int]], direction: Direction, absent: MaskPrediction
    ) -> None:
        self._prompted, self._direction = prompted, direction
        self._prediction_beyond = absent
        self._absent = dict.fromkeys(prompted, 0)  # planes in a row
        self._highest = dict.fromkeys(prompted, 0.0)

    def has_ended(self, object_id: int, frame: int) -> bool:
        """Return whether an object ended before a plane."""
        return self._absent[object_id] >= MAX_GAP and not self._continues(object_id, frame)

    def ended_at(self, result: FrameResult) -> list[int]:
        """List the objects that end at a plane, given their masks there."""
        ended = []
        for i, prediction in zip(result.object_ids, result.predictions, strict=True):
            low = self._is_low(i, result.frame, prediction)
            if low and not self._continues(i, result.frame):
                self._absent[i] = MAX_GAP
                ended.append(i)
            else:
                self._absent[i] = 0 if prediction.sparse else self._absent[i] + 1
        return ended

    def with_absent(
        self, result: FrameResult, object_ids: Sequence[int], ended: Container[int]
    ) -> FrameResult:
        """Return a result with all these objects, in this order, those that ended absent."""
        found = dict(zip(result.object_ids, result.predictions, strict=True))
        predictions = tuple(self._prediction_beyond if i in ended else found[i] for i in object_ids)
        return FrameResult(result.frame, tuple(object_ids), predictions)

    def _is_low(self, object_id: int, frame: int, prediction: MaskPrediction) -> bool:
        """Compare the confidence with that of the planes that were passed."""
        if not prediction.sparse or frame in self._prompted[object_id]:
            return False  # the predicted IoU of a prompted plane is on another scale
        highest = self._highest[object_id] = max(self._highest[object_id], prediction.iou)
        return prediction.iou < LOW_CONFIDENCE * highest

    def _continues(self, object_id: int, frame: int) -> bool:
        """Return whether the object is prompted in this plane or farther on."""
        if self._direction == "forward":
            return any(prompted >= frame for prompted in self._prompted[object_id])
        return any(prompted <= frame for prompted in self._prompted[object_id])
