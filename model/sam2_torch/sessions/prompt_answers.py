"""What was said of objects in frames, and what the network made of it: the first answer to prompts.

Beyond the reference: where objects are seen in windows, one that is cut off, or in doubt, is
looked at again in a larger window.
"""

from collections.abc import Iterable, Sequence

from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.frames import Crop
from sam2_torch.inputs.prompt_points import PromptPoints
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.prompts import MaskPrompt, Prompt, extent
from sam2_torch.sessions.tracker import Tracker

MAX_TRIES = 8  # windows for one prompt
MAX_DOUBTED, DOUBTFUL_IOU = 2, 0.5  # how often a larger one is tried, and when


class Answers:
    """Answers prompts, and remembers what was said and what else it can mean.

    Parameters
    ----------
    tracker
        Segments.
    embeddings
        Of the frames.
    """

    def __init__(self, tracker: Tracker, embeddings: FrameEncoder) -> None:
        self._tracker = tracker
        self._embeddings = embeddings
        self._said: dict[tuple[int, int], PromptPoints] = {}
        self._ranked: dict[tuple[int, int], tuple[FrameMemory, ...]] = {}

    def give(
        self,
        place: tuple[int, int],
        prompts: Sequence[Prompt],
        bank: MemoryBank,
        in_use: Iterable[Crop | None],
        replace: bool,
    ) -> FrameMemory:
        """Segment an object in a frame.

        Parameters
        ----------
        place
            Object id and frame.
        prompts
            What is said now.
        bank
            What is known of the object; it is not changed.
        in_use
            Windows on the frame that objects are seen in: near objects share them.
        replace
            Whether to forget what was said there before.
        """
        frame = place[1]
        before = None if replace else self._said.get(place)
        previous = bank.tracked.get(frame) if replace else bank.latest(frame)
        crop = self._tracker.choose_crop(extent(prompts), previous, list(in_use))
        ignored = frame if before is None else None
        tries: list[tuple[PromptPoints, FrameMemory]] = []
        for _ in range(MAX_TRIES):
            geometry, earlier = self._embeddings.seen(crop), before
            if earlier is not None and previous is not None:
                earlier = earlier.moved(self._embeddings.seen(previous.crop), geometry)
            said = PromptPoints.of(prompts, geometry, earlier)
            if isinstance(prompts[0], MaskPrompt):
                memory = self._tracker.segment_mask(frame, prompts[0], crop)
            else:
                memory = self._tracker.segment_points(bank, frame, said, previous, ignored, crop)
            larger = self._tracker.enlarged(memory)
            if larger != crop:
                tries.clear()  # it was cut off
            tries.append((said, memory))
            if larger == crop and len(tries) <= MAX_DOUBTED and memory.iou < DOUBTFUL_IOU:
                larger = self._tracker.doubled(crop, memory)  # is it more than is seen of it?
            if larger == crop:
                break
            crop = larger
        said, memory = max(tries, key=lambda answer: answer[1].iou)
        self._keep(place, said, memory)
        return memory

    def is_said(self, object_id: int, frame: int) -> bool:
        """Tell whether anything was said of an object in a frame."""
        return (object_id, frame) in self._said

    def ranked(self, object_id: int, frame: int) -> tuple[FrameMemory, ...]:
        """List what a first click can mean, best first; empty after other prompts."""
        return self._ranked.get((object_id, frame), ())

    def forget(self, object_id: int, frame: int | None = None) -> None:
        """Forget what was said of an object in a frame, or in all."""
        for key in [key for key in self._said if key[0] == object_id]:
            if frame in (None, key[1]):
                del self._said[key]
                self._ranked.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._said.clear()
        self._ranked.clear()

    def _keep(self, place: tuple[int, int], said: PromptPoints, memory: FrameMemory) -> None:
        self._said[place] = said
        if memory.others:
            self._ranked[place] = (memory, *memory.others)
            memory.others = ()
        else:
            self._ranked.pop(place, None)
