"""What is said of the objects of a movie, and what is remembered of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace as replaced

import torch

from sam2_torch.embeddings.disk_store import EmbeddingStore
from sam2_torch.embeddings.frame_encoder import CACHE_BYTES, FrameEncoder
from sam2_torch.inputs.crop_windows import CropPlan
from sam2_torch.inputs.frames import Crop, Frames
from sam2_torch.inputs.transforms import Contrast
from sam2_torch.memory.frame_memory import FrameMemory
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompts import Prompt
from sam2_torch.sam2 import SAM2
from sam2_torch.sessions.prompt_answers import Answers, PromptedFrame
from sam2_torch.sessions.tracker import Tracker

MAX_PROMPTED = 8


class PromptedMovie:
    """A movie whose objects are prompted; the parameters are those of `VideoSession`."""

    def __init__(  # noqa: PLR0913  # what a user may choose, by name
        self,
        model: SAM2,
        frames: Frames,
        *,
        contrast: Contrast | None = None,
        cache_bytes: int = CACHE_BYTES,
        embeddings: EmbeddingStore | None = None,
        max_prompted: int | None = MAX_PROMPTED,
        resolution: float | None = None,
        graphs: bool = True,
    ) -> None:
        self.model = model
        self.embeddings = FrameEncoder(
            model, frames, contrast, cache_bytes, store=embeddings, graphs=graphs
        )
        self.crops = None
        if resolution is not None:
            size = model.config.image_size
            self.crops = CropPlan.at_resolution(resolution, self.frame_shape, size)
        self._tracker = Tracker(model, self.embeddings, max_prompted, self.crops)
        self._banks: dict[int, MemoryBank] = {}
        self._answers = Answers(self._tracker, self.embeddings)
        self._prompted_frames: dict[tuple[int, int], PromptedFrame] = {}
        self._changed: dict[int, set[int]] = {}  # frames whose prompts no run has taken up

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.embeddings)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(H, W) of each frame."""
        return self.embeddings.geometry.image_shape

    @property
    def contrast(self) -> Contrast:
        """Intensities that become black and white."""
        return self.embeddings.contrast

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they were first prompted."""
        return tuple(self._banks)

    def prompted_frames(self, object_id: int) -> tuple[int, ...]:
        """List the frames on which an object has prompts, in order.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        return tuple(self._bank(object_id).prompted_frames())

    @torch.inference_mode()
    def add_prompt(
        self,
        object_id: int,
        frame: int,
        prompt: Prompt | Sequence[Prompt],
        *,
        replace: bool = False,
    ) -> MaskPrediction:
        """Say something about an object in a frame and get its mask there, at once.

        Points add up on a frame and refine the mask that is there; a box or a mask starts
        the frame anew. On a frame that was tracked already, this corrects the masklet:
        the next propagation starts from it, too.

        Parameters
        ----------
        object_id
            Label of the object, 1 or more; a new one makes a new object.
        frame
            Index of the frame.
        prompt
            A prompt, or several that belong together (a box and points).
        replace
            Whether to forget what was said of the object on this frame before.

        Raises
        ------
        ValueError
            If the object id is not positive, or a prompt does not fit the frame.
        IndexError
            If the frame is outside the movie.
        """
        prompts = (prompt,) if not isinstance(prompt, Sequence) else tuple(prompt)
        bank, in_use = self._prompt_context(object_id, frame)
        before = None if replace else self._prompted_frames.get((object_id, frame))
        found = self._answers.add(bank, frame, before, prompts, in_use)
        return self._accept(object_id, frame, bank, found)

    @torch.inference_mode()
    def set_prompts(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], choice: int = 0
    ) -> MaskPrediction | None:
        """Make these all the prompts of an object on a frame, and return its mask there.

        Idempotent: the session compares with what it has, and does what is missing. So a
        session is brought up to a list of prompts by one call for each prompted frame, and one
        with no prompts for each frame of `prompted_frames` that is not in the list.

        - The same prompts and choice: nothing is computed, and the object does not count as
          changed for `propagate_changes`. How clicks are grouped in point prompts does not
          matter, their order does.
        - The same prompts and more clicks at the end: these refine the mask that is there, as
          `add_prompt` does. The mask of clicks given one by one is therefore not exactly that
          of the same clicks given at once.
        - Another choice for a single click: that candidate is taken, nothing is computed.
        - No prompts: those of the frame are removed, as `remove_prompts` does. The object stays.
          An unknown object stays unknown.
        - Any other change: the frame starts afresh. Clicks go to the network together, with the
          box if there is one. Several boxes are segmented one by one, and the union of their
          masks is taken as a mask prompt. A mask prompt outweighs boxes; clicks beside it
          refine it. If `choice` is not 0, the first click is answered by itself, its candidate
          taken, and the other clicks refine that.

        A mask prompt by itself is the frame's mask to the pixel, here and in what `propagate`
        yields of this frame (the network's own rendering has a quarter of the detail): that is
        how a frame is locked to a mask, or corrected by hand. An empty one says that the object
        is not in this frame.

        Parameters
        ----------
        object_id
            Label of the object, 1 or more; an unknown one becomes a new object.
        frame
            Index of the frame.
        prompts
            All prompts of the object on this frame; at most one mask.
        choice
            Which of the `alternatives` of the first click is meant, 0 for the best. Without
            meaning where there is a box or a mask.

        Returns
        -------
        The mask on this frame; None without prompts.

        Raises
        ------
        ValueError
            If the object id is not positive, or a prompt does not fit the frame.
        IndexError
            If the frame is outside the movie, or there is no such candidate.

        Notes
        -----
        After an error everything is as before the call.
        """
        before = self._prompted_frames.get((object_id, frame))
        if not prompts:
            self._check_place(object_id, frame)
            if before is not None:
                self.remove_prompts(object_id, frame)
            return None
        bank, in_use = self._prompt_context(object_id, frame)
        found = self._answers.update(bank, frame, before, tuple(prompts), choice, in_use)
        return self._accept(object_id, frame, bank, found)

    def _prompt_context(self, object_id: int, frame: int) -> tuple[MemoryBank, list[Crop | None]]:
        """Return an object's memory bank, a new one if need be, and the crop windows in use."""
        self._check_place(object_id, frame)
        known = [each.latest(frame) for each in self._banks.values()]
        in_use = [memory.crop for memory in known if memory is not None]
        return self._banks.get(object_id) or self._new_bank(), in_use

    def _accept(
        self, object_id: int, frame: int, bank: MemoryBank, found: PromptedFrame
    ) -> MaskPrediction:
        """Keep the answer to prompts."""
        place = (object_id, frame)
        before = self._prompted_frames.get(place)
        self._prompted_frames[place] = found
        if before is None or found.memory is not before.memory:
            if not found.is_refined:
                bank.prompted.pop(frame, None)
            bank.pending[frame] = found.memory
            self._banks[object_id] = bank
            self._changed.setdefault(object_id, set()).add(frame)
        return self._prediction(place, found.memory)

    def _prediction(self, place: tuple[int, int], memory: FrameMemory) -> MaskPrediction:
        """Make the mask of an object on a frame."""
        prediction = self._tracker.prediction(memory)
        given = self._prompted_frames.get(place)
        if given is None or given.given_mask is None:
            return prediction
        return replaced(prediction, sparse=given.given_mask, coarse=None)

    def alternatives(self, object_id: int, frame: int) -> list[MaskPrediction]:
        """List the masks that a first click, which is ambiguous, can mean: best first.

        Returns
        -------
        As a rule the whole, a part and a part of it; the mask alone after other prompts.

        Raises
        ------
        KeyError
            If there is no such object, or nothing was said of it on this frame.
        """
        candidates = self._prompted_frame(object_id, frame).candidates
        return [self._prediction((object_id, frame), each) for each in candidates]

    def choose_alternative(self, object_id: int, frame: int, rank: int) -> MaskPrediction:
        """Take another of the `alternatives`: from then on it is the mask of the frame.

        Raises
        ------
        KeyError
            If there is no such object, or nothing was said of it on this frame.
        IndexError
            If there is no alternative of this rank.
        """
        found = self._prompted_frame(object_id, frame).choose(rank)
        return self._accept(object_id, frame, self._bank(object_id), found)

    @torch.inference_mode()
    def meanings(self, frame: int, prompt: Prompt) -> list[MaskPrediction]:
        """List what a prompt can mean, best first, without saying it of any object.

        Returns
        -------
        Three masks of a single click, one of any other prompt.

        Raises
        ------
        ValueError
            If the prompt does not fit the frame.
        IndexError
            If the frame is outside the movie.
        """
        self._check_frame(frame)
        found = self._answers.add(self._new_bank(), frame, None, (prompt,), ())
        return [self._tracker.prediction(each) for each in found.candidates]

    def _prompted_frame(self, object_id: int, frame: int) -> PromptedFrame:
        self._bank(object_id)
        if (object_id, frame) not in self._prompted_frames:
            raise KeyError(f"object {object_id} has no prompt on frame {frame}")
        return self._prompted_frames[object_id, frame]

    def remove_prompts(self, object_id: int, frame: int) -> None:
        """Take back what was said of an object on a frame; its mask there stays.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._bank(object_id).forget_prompts(frame)
        self._prompted_frames.pop((object_id, frame), None)
        self._changed.setdefault(object_id, set()).add(frame)

    def forget_tracked(self, object_id: int) -> None:
        """Forget where an object was followed to; what was said of it stays.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        bank = self._bank(object_id)
        bank.tracked.clear()
        bank.directions.clear()
        self._changed.setdefault(object_id, set()).update(bank.prompted_frames())

    def fork(self, mother: int, frame: int, daughters: Iterable[int]) -> None:
        """Let objects begin with what another one is remembered as: it divides into them.

        They still need prompts of their own, in `frame` or later. What was known of the mother
        from `frame` on is not theirs.

        Parameters
        ----------
        mother
            The object that divides.
        frame
            The first frame of the daughters.
        daughters
            Objects, new ones or such as are there.

        Raises
        ------
        KeyError
            If there is no mother.
        IndexError
            If the frame is outside the movie.
        """
        self._check_frame(frame)
        bank = self._bank(mother)
        for daughter in daughters:
            own = self._banks.setdefault(daughter, self._new_bank())
            own.inherit(bank, frame)

    def remove_object(self, object_id: int) -> None:
        """Forget an object altogether, also while it is propagated.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._bank(object_id)
        del self._banks[object_id]
        self._changed.pop(object_id, None)
        for place in [place for place in self._prompted_frames if place[0] == object_id]:
            del self._prompted_frames[place]

    def keep_embeddings(self, store: EmbeddingStore | None) -> None:
        """Keep image embeddings on disk from now on, or, with None, no longer."""
        self.embeddings.store = store

    def embed(self, frames: tuple[int, int] | None = None) -> Iterator[int]:
        """Encode whole frames before anything is prompted.

        With a store (`embeddings`), that makes the first click on each of them, and a whole
        run, as quick as a second one. Windows (`resolution`) depend on the objects: they are
        encoded when they are known.

        Parameters
        ----------
        frames
            First frame and the one after the last; the whole movie if None.

        Yields
        ------
        The index of each frame that is done. Closing the generator stops; what is done stays.

        Raises
        ------
        ValueError
            If the range is empty.
        """
        return self.embeddings.encode_ahead(range(*self._check_span(frames)))

    def reset(self) -> None:
        """Forget all objects; image embeddings are kept."""
        self._banks.clear()
        self._prompted_frames.clear()
        self._changed.clear()

    def _new_bank(self) -> MemoryBank:
        return MemoryBank()

    def _bank(self, object_id: int) -> MemoryBank:
        if object_id not in self._banks:
            raise KeyError(
                f"object {object_id}: expected one of {list(self._banks)}; prompt it first"
            )
        return self._banks[object_id]

    def _check_place(self, object_id: int, frame: int) -> None:
        self._check_frame(frame)
        if object_id < 1:
            raise ValueError(f"object id: expected 1 or more (0 is background), found {object_id}")

    def _check_frame(self, frame: int) -> None:
        if not 0 <= frame < self.n_frames:
            raise IndexError(f"frame {frame} is outside the movie (0..{self.n_frames - 1})")

    def _check_span(self, frames: tuple[int, int] | None) -> tuple[int, int]:
        if frames is None:
            return 0, self.n_frames
        first, stop = frames
        if not 0 <= first < stop <= self.n_frames:
            raise ValueError(
                f"frames: expected 0 <= first < stop <= {self.n_frames}, found {first}:{stop}"
            )
        return first, stop
