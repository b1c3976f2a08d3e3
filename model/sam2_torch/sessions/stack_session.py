"""A stack of planes as a video in which objects are in one piece: they end, and do not come back.

Beyond the reference. In time a cell may be hidden and appear again. In depth what appears where
one has ended is another cell.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from sam2_torch.inputs.frames import Frames
from sam2_torch.masks import SparseMask
from sam2_torch.memory.memory_bank import Direction
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.sam2 import SAM2
from sam2_torch.sessions.propagation_plan import Run
from sam2_torch.sessions.video_session import VideoSession

MAX_GAP = 1  # planes without the object after which it has ended
LEAST_SURENESS = 0.6  # predicted IoU, as a share of the highest in the planes passed


class StackSession(VideoSession):
    """Segment objects in the planes of a stack.

    Parameters
    ----------
    model, frames, options
        As for `VideoSession`; the planes in order.

    Notes
    -----
    Away from its prompts an object ends where it is absent from `MAX_GAP` planes in a row, or
    where the network is much less sure of it: its predicted IoU falls below `LEAST_SURENESS` of
    the highest in the planes just passed. There a mask has mostly gone over to a neighbour.
    Planes beyond get empty masks, and cost nothing. Prompts in a plane beyond say that it goes on
    to there.
    """

    def __init__(self, model: SAM2, frames: Frames, **options: Any) -> None:
        super().__init__(model, frames, **options)
        self._absent: dict[int, int] = {}
        self._surest: dict[int, float] = {}

    def _run(self, run: Run) -> Iterator[FrameResult]:
        self._set_out(run.frames)
        yield from super()._run(run)

    def _begin_frame(
        self, frame: int, object_ids: list[int], way: Direction
    ) -> Callable[[], FrameResult]:
        """Find the masks of a plane, which the next one has to know."""
        result = self._advance(frame, object_ids, way)
        return lambda: result

    def _set_out(self, object_ids: Iterable[int]) -> None:
        """Begin a way through planes."""
        self._absent = dict.fromkeys(object_ids, 0)
        self._surest = dict.fromkeys(object_ids, 0.0)

    def _advance(self, frame: int, object_ids: list[int], way: Direction) -> FrameResult:
        """Find those masks that are yet to come; the others are empty."""
        ended = [i for i in object_ids if self._has_ended(i, frame, way)]
        result = super()._advance(frame, [i for i in object_ids if i not in ended], way)
        found = dict(zip(result.object_ids, result.predictions, strict=True))
        for i, prediction in found.items():
            if self._is_doubtful(i, frame, prediction) and not self._is_ahead(i, frame, way):
                self._absent[i] = MAX_GAP
                ended.append(i)
            else:
                self._absent[i] = 0 if prediction.sparse else self._absent.get(i, 0) + 1
        for i in ended:
            self._bank(i).tracked.pop(frame, None)
        found |= dict.fromkeys(ended, self._nothing()) if ended else {}
        return FrameResult(frame, tuple(object_ids), tuple(found[i] for i in object_ids))

    def _is_doubtful(self, object_id: int, frame: int, prediction: MaskPrediction) -> bool:
        """Compare how sure the network is with the planes that were passed."""
        if not prediction.sparse or frame in self._bank(object_id).prompted:
            return False  # the predicted IoU of a prompted plane is on another scale
        surest = self._surest[object_id] = max(self._surest.get(object_id, 0.0), prediction.iou)
        return prediction.iou < LEAST_SURENESS * surest

    def _has_ended(self, object_id: int, frame: int, way: Direction) -> bool:
        has_gap = self._absent.get(object_id, 0) >= MAX_GAP
        return has_gap and not self._is_ahead(object_id, frame, way)

    def _is_ahead(self, object_id: int, frame: int, way: Direction) -> bool:
        """Tell whether a user has shown an object in this plane or farther on."""
        first, last = self._surroundings(frame)
        ahead = range(frame, last + 1) if way == "forward" else range(first, frame + 1)
        return any(prompted in ahead for prompted in self._bank(object_id).prompted_frames())

    def _nothing(self) -> MaskPrediction:
        side = self.model.config.logits_size
        return MaskPrediction(
            SparseMask.empty(self.frame_shape), torch.full((side, side), -10.0), 0.0, -10.0
        )
