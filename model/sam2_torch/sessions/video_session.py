"""One movie or stack with its objects: prompts on any frame, masks on every frame."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch

from sam2_torch.embeddings.disk_store import EmbeddingStore
from sam2_torch.embeddings.frame_encoder import CACHE_BYTES, FrameEncoder
from sam2_torch.inputs.crop_windows import CropWindows
from sam2_torch.inputs.frames import Contrast, Frames
from sam2_torch.masks import SparseMask
from sam2_torch.memory.memory_bank import MemoryBank
from sam2_torch.memory.memory_choice import RecentFrames, RecentPlanes
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.prompts import Prompt
from sam2_torch.runtime.interruption import Interrupted, interruptible
from sam2_torch.sam1.sam1 import SAM1
from sam2_torch.sam2 import SAM2, ImageEmbedding
from sam2_torch.sessions.prompt_answers import PromptAnswers, PromptedFrame
from sam2_torch.sessions.prompted_objects import PromptedObjects
from sam2_torch.sessions.propagation import Propagation
from sam2_torch.sessions.propagation_plan import (
    FrameByFrame,
    PropagationDirection,
    Run,
    frames_around,
    single_directions,
)
from sam2_torch.sessions.refinement import SPECK_SHARE, averages_flips
from sam2_torch.sessions.tracker import Tracker
from sam2_torch.sessions.volume_plan import StackByStack

MAX_PROMPTED = 8


@dataclass(frozen=True)
class Depth:
    """Which frames are planes of a stack.

    Parameters
    ----------
    n_planes
        Planes of each time point: frames are all planes of the first time point, then those of
        the second one, and so on. None for a single stack.
    plane_step_px
        How many pixels two planes are apart; None if unknown. `runs` estimates by it how deep
        objects are. It changes no mask.
    """

    n_planes: int | None = None
    plane_step_px: float | None = None

    def __post_init__(self) -> None:
        step = self.plane_step_px
        if step is not None and not 0 < step < math.inf:
            raise ValueError(f"plane_step_px: expected a positive number of pixels, found {step}")


class VideoSession:
    """Segment objects in a movie or stack, and propagate their masks through it.

    Parameters
    ----------
    model
        From `load_model`. SAM 1 has no memory: each mask and its box are the prompts of the next
        frame.
    frames
        Anything with a length whose items are (H, W) or (H, W, 3) arrays of one shape and
        any real dtype (numpy, dask, zarr, a list); read one at a time, when needed.
    depth
        For a stack, or a movie of stacks; None for a movie. In depth an object ends, and what
        appears beyond its end is another one (see `ObjectEnds`): its masks there are empty.
    contrast
        Intensities that become black and white in every frame; if None, the percentiles
        0.1 and 99.9 of a few frames.
    cache_bytes
        How many bytes of image embeddings to keep on the model's device.
    embeddings
        Where to keep image embeddings on disk, too, for a second run of the same network on
        the same frames: nothing is encoded then. Masks are the same with it and without.
    max_prompted
        How many prompted frames an object attends to at once, the nearest; None for all.
    resolution
        How many pixels of the network's input stand for one of the image: 1 for the image's
        own resolution. Each object is then segmented in a crop window that moves along with it,
        which near objects share. None scales the whole frame to the input, as the reference
        does.
    graphs
        Whether to replay the network's steps as CUDA graphs, on CUDA devices.
    plain
        Whether to take the network's masks of prompted frames as they are, as the reference
        does, without `sam2_torch.sessions.refinement`, flips and `specks`.
    flips
        Whether to average over mirrored frames where an object is prompted and has no memory;
        such a frame is encoded four times then. By default on GPUs.
    specks
        Pieces of a tracked mask below this share of its area are removed, and such holes filled;
        0 for the network's masks as they are.
    correctable
        Whether frames once propagated can be corrected. Without, what no propagation from the
        prompted frames attends to is dropped, and long movies take no memory for it.

    Raises
    ------
    ValueError
        If the movie is empty, its first frame is no image, the resolution is not positive, or
        the number of frames is no multiple of the planes of a stack.

    Notes
    -----
    Three choices differ from the reference `SAM2VideoPredictor`, which starts all objects
    at the earliest prompt of any, tracks corrected frames anew, and attends to all prompted
    frames: here each object is propagated from its own prompts (`propagate(start=...)` does as
    the reference), a corrected frame is a prompted frame, and `max_prompted` limits them.
    """

    def __init__(  # noqa: PLR0913  # what a user may choose, by name
        self,
        model: SAM2 | SAM1,
        frames: Frames,
        *,
        depth: Depth | None = None,
        contrast: Contrast | None = None,
        cache_bytes: int = CACHE_BYTES,
        embeddings: EmbeddingStore | None = None,
        max_prompted: int | None = MAX_PROMPTED,
        resolution: float | None = None,
        graphs: bool = True,
        plain: bool = False,
        flips: bool | None = None,
        specks: float = SPECK_SHARE,
        correctable: bool = True,
    ) -> None:
        # of the network, only what both families have is called in sessions
        self.model = cast("SAM2", model)
        self.embeddings = FrameEncoder(
            self.model, frames, contrast, cache_bytes, store=embeddings, graphs=graphs
        )
        self.crops: CropWindows | None = None
        if resolution is not None:
            size = model.config.image_size
            self.crops = CropWindows.at_resolution(resolution, self.frame_shape, size)
        n, n_planes = self.n_frames, None if depth is None else depth.n_planes
        if n_planes is not None and (n_planes < 1 or n % n_planes):
            raise ValueError(
                f"n_planes: expected a number of planes that {n} frames are a multiple of, "
                f"found {n_planes}"
            )
        steps, objects = self.embeddings.steps, PromptedObjects()
        kept = {"correctable": correctable, "last_only": isinstance(model, SAM1)}
        choice = RecentFrames(n, max_prompted, **kept)
        if n_planes is not None:
            choice = RecentPlanes(n, max_prompted, n_planes, **kept)
        flips = averages_flips(model.device, plain, flips)
        specks = 0.0 if plain else specks
        tracker = Tracker(steps, self.embeddings, choice, self.crops, flips, specks)
        self._plan: FrameByFrame | StackByStack = FrameByFrame(objects, n)
        if depth is not None and n_planes is not None:
            step = depth.plane_step_px
            self._plan = StackByStack(objects, n, n_planes, step, tracker.box_in_image)
        bounds = None if depth is None else self._plan.bounds
        self._objects, self._tracker, self._reach = objects, tracker, choice.reach
        self._answers = PromptAnswers(tracker, self.embeddings, plain)
        overlap = steps.copies.overlap
        self._propagation = Propagation(objects, tracker, self.embeddings, bounds, overlap)

    @property
    def n_frames(self) -> int:
        """Number of frames, all planes of all time points included."""
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
        return tuple(self._objects.banks)

    def prompted_frames(self, object_id: int) -> tuple[int, ...]:
        """Return the frames on which an object has prompts, in order.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        return tuple(self._objects.bank(object_id).prompted_frames())

    @torch.inference_mode()
    def add_prompt(
        self,
        object_id: int,
        frame: int,
        prompt: Prompt | Sequence[Prompt],
        *,
        replace: bool = False,
    ) -> MaskPrediction:
        """Add a prompt to an object on a frame, and return its mask there.

        Points add up on a frame and refine the mask that is there; a box or a mask starts
        the frame afresh. On a frame that was tracked already, this corrects the masklet:
        the next propagation starts from it, too.

        Parameters
        ----------
        object_id
            Label of the object, 1 or more; an unknown one becomes a new object.
        frame
            Index of the frame.
        prompt
            A prompt, or several that belong together (a box and points).
        replace
            Whether to replace the object's earlier prompts on this frame.

        Raises
        ------
        ValueError
            If the object id is not positive, or a prompt does not fit the frame.
        IndexError
            If the frame is outside the movie.
        """
        self._check_place(object_id, frame)
        prompts = tuple(prompt) if isinstance(prompt, Sequence) else (prompt,)
        bank = self._objects.banks.get(object_id) or MemoryBank()
        before = None if replace else self._objects.frames.get((object_id, frame))
        crops = self._objects.crops_in_use(frame)
        return self._accept(
            object_id, frame, self._answers.add(bank, frame, before, prompts, crops)
        )

    @torch.inference_mode()
    def set_prompts(
        self,
        object_id: int,
        frame: int,
        prompts: Sequence[Prompt],
        choice: int = 0,
        present: SparseMask | None = None,
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
            Which of the `candidates` of the first click is meant, 0 for the best. Without
            meaning where there is a box or a mask.
        present
            The object's mask on this frame before these prompts, which clicks correct: for
            one that was imported, edited or made in an earlier session. None for that of the
            propagation.

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
        self._check_place(object_id, frame)
        before = self._objects.frames.get((object_id, frame))
        if not prompts:
            if before is not None:
                self._objects.remove_prompts(object_id, frame)
            return None
        bank = self._objects.banks.get(object_id) or MemoryBank()
        crops = self._objects.crops_in_use(frame)
        found = self._answers.update(bank, frame, before, tuple(prompts), choice, crops, present)
        return self._accept(object_id, frame, found)

    @torch.inference_mode()
    def candidates(self, object_id: int, frame: int) -> list[MaskPrediction]:
        """Return the masks that a single click can mean, best first.

        Returns
        -------
        list of MaskPrediction
            As a rule the whole, a part and a part of it; the mask alone after other prompts.

        Raises
        ------
        KeyError
            If there is no such object, or it has no prompt on this frame.
        """
        found = self._objects.prompted_frame(object_id, frame)
        return [self._tracker.prediction(each) for each in found.candidates]

    @torch.inference_mode()
    def predict(self, frame: int, prompt: Prompt) -> list[MaskPrediction]:
        """Segment a frame from a prompt without making an object.

        Returns
        -------
        list of MaskPrediction
            Three candidates for a single click, best first; one mask for any other prompt.

        Raises
        ------
        ValueError
            If the prompt does not fit the frame.
        IndexError
            If the frame is outside the movie.
        """
        self._check_frame(frame)
        found = self._answers.add(MemoryBank(), frame, None, (prompt,), ())
        return [self._tracker.prediction(each) for each in found.candidates]

    def remove_prompts(self, object_id: int, frame: int) -> None:
        """Remove the prompts of an object on a frame; its mask there stays as if tracked.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._objects.remove_prompts(object_id, frame)

    def forget_tracked(self, object_id: int) -> None:
        """Drop the frames to which an object was propagated; its prompts stay.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._objects.forget_tracked(object_id)

    def inherit_memories(self, mother: int, frame: int, daughters: Iterable[int]) -> None:
        """Let the daughters of a division start with the memories of their mother.

        They still need prompts of their own, on `frame` or later. Memories of the mother from
        `frame` on are not theirs.

        Parameters
        ----------
        mother
            The object that divides.
        frame
            The first frame of the daughters.
        daughters
            Objects, known or new.

        Raises
        ------
        KeyError
            If there is no mother.
        IndexError
            If the frame is outside the movie.
        """
        self._check_frame(frame)
        self._objects.inherit(mother, frame, daughters, self._reach)

    def remove_object(self, object_id: int) -> None:
        """Remove an object; also while it is propagated.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._objects.remove(object_id)

    def reset(self) -> None:
        """Remove all objects; image embeddings are kept."""
        self._objects.clear()

    @torch.inference_mode()
    def embedding(self, frame: int) -> ImageEmbedding:
        """Return the embedding of a whole frame; encoded if it is not in memory or on disk.

        Raises
        ------
        IndexError
            If the frame is outside the movie.
        """
        self._check_frame(frame)
        return self.embeddings[frame]

    def keep_embeddings(self, store: EmbeddingStore | None) -> None:
        """Keep image embeddings on disk from now on, or, with None, no longer."""
        self.embeddings.store = store

    def embed(self, frames: tuple[int, int] | None = None) -> Iterator[int]:
        """Encode whole frames before anything is prompted.

        With a store (`embeddings`), that makes the first click on each of them, and a whole
        propagation, as quick as a second one. Crop windows (`resolution`) depend on the objects:
        they are encoded when they are known.

        Parameters
        ----------
        frames
            First frame and the one after the last; the whole movie if None.

        Yields
        ------
        int
            Each frame that is done. Closing the generator stops; what is done stays.

        Raises
        ------
        ValueError
            If the range is empty.
        """
        return self.embeddings.encode_ahead(range(*self._check_span(frames)))

    def propagate(
        self,
        direction: PropagationDirection = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
        start: int | None = None,
    ) -> Iterator[FrameResult]:
        """Propagate objects through the movie, one frame at a time.

        Closing the generator stops it and keeps what is done. Between two frames, prompts
        may be added and objects removed; what changed is propagated once more at the end.

        Parameters
        ----------
        direction
            "forward" from each object's first prompted frame, "backward" from its last one,
            "both" from its first one in both directions. In a movie of stacks this is the
            direction in time; within a time point all planes are found.
        frames
            First frame and the one after the last; the whole movie if None. In a movie of
            stacks they stand for the time points in which they are.
        object_ids
            Which objects; all that have prompts if None.
        start
            Start all objects at this frame instead (as the reference does).

        Yields
        ------
        FrameResult
            Of each frame that was reached, prompted frames included.

        Raises
        ------
        ValueError
            If there is nothing to propagate, or the range is empty.
        KeyError
            If an object does not exist or has no prompt.
        """
        wanted, span = self._wanted(object_ids), self._check_span(frames)
        if start is not None:
            self._check_frame(start)
        single_directions(direction)  # report a wrong word now, not at the first frame
        later = None if object_ids is None else wanted

        def runs() -> Iterator[Run]:
            targets = wanted
            while targets:
                self._objects.take_changes(targets)
                yield from self._plan.runs(targets, direction, span, start)
                changed = self._objects.changed if later is None else later
                targets = list(self._objects.prompted(set(changed) & set(self._objects.changed)))

        return self._results(runs())

    def propagate_changes(
        self, *, object_ids: Iterable[int] | None = None
    ) -> Iterator[FrameResult]:
        """Propagate again what changed prompts can have changed, and no more.

        Only objects whose prompts changed since they were last propagated, from the changed
        frames in both directions, each until its new masks have rejoined the old ones (three
        frames in a row with an IoU of 0.99). In a movie of stacks, the changed objects through
        all time points. Closing the generator stops it.

        Parameters
        ----------
        object_ids
            Which objects; all whose prompts changed if None.

        Yields
        ------
        FrameResult
            Of each frame that was propagated again.
        """
        wanted = None if object_ids is None else set(object_ids)

        def runs() -> Iterator[Run]:
            while changed := self._objects.take_changes(wanted):
                yield from self._plan.corrections(changed)

        return self._results(runs())

    def look_around(
        self,
        object_id: int,
        frame: int,
        direction: PropagationDirection = "both",
        reach: int = 2,
        *,
        stop: Callable[[], bool] = bool,
    ) -> Iterator[FrameResult]:
        """Propagate an object to the frames next to one, and keep no memory of it.

        A propagation from that frame would find much the same; the frames that were encoded
        for this are not encoded again then.

        Parameters
        ----------
        object_id, frame
            An object, and a frame in which it has a mask.
        direction
            Of the propagation; in a movie of stacks through the planes.
        reach
            How many frames in each direction; fewer at the ends of the movie, and before the
            next frame with prompts of the object.
        stop
            Called before each layer of the network: when it returns True, the network is
            interrupted and the generator ends.

        Yields
        ------
        FrameResult
            The next frames first, then the previous ones, each time the nearest first.

        Raises
        ------
        KeyError
            If there is no such object, or it has no mask in this frame.
        """
        bank = self._objects.bank(object_id).copy()
        if frame not in bank:
            raise KeyError(f"object {object_id} is not known in frame {frame}; prompt it there")
        around = frames_around(frame, direction, reach, self._plan.bounds(frame), bank.prompted)
        try:
            for single, other in around:
                with interruptible(self.model, stop), torch.inference_mode():
                    found = self._tracker.track(other, {object_id: bank}, single)
                    prediction = self._tracker.prediction(found[object_id])
                yield FrameResult(other, (object_id,), (prediction,))
        except Interrupted:
            return

    def frame_count(
        self,
        direction: PropagationDirection = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> int:
        """Count the results that `propagate` will yield, if no prompts change meanwhile.

        In a movie of stacks an estimate: in later time points objects are taken to begin in the
        planes where they were prompted.
        """
        ids, span = self._wanted(object_ids), self._check_span(frames)
        runs = self._plan.estimate(ids, direction, span, with_empty=True)
        return sum(len(run.order()) for run in runs)

    def runs(
        self,
        direction: PropagationDirection = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> list[Run]:
        """Estimate which objects `propagate` will take the network through, on which frames."""
        ids, span = self._wanted(object_ids), self._check_span(frames)
        return self._plan.estimate(ids, direction, span, with_empty=False)

    def _results(self, runs: Iterator[Run]) -> Iterator[FrameResult]:
        for run in runs:
            yield from self._propagation.run(run)

    def _accept(self, object_id: int, frame: int, found: PromptedFrame) -> MaskPrediction:
        """Keep the answer to prompts, and return its mask."""
        self._objects.put(object_id, frame, found)
        return self._tracker.prediction(found.memory)

    def _wanted(self, object_ids: Iterable[int] | None) -> list[int]:
        """Decide which objects to propagate."""
        if object_ids is None:
            prompted = list(self._objects.prompted(self._objects.banks))
            if not prompted:
                raise ValueError("nothing to propagate: prompt an object on some frame first")
            return prompted
        wanted = list(dict.fromkeys(object_ids))
        prompted = list(self._objects.prompted(wanted))
        for object_id in wanted:
            if object_id not in prompted:
                raise KeyError(f"object {object_id} has no prompt; prompt it on some frame first")
        return prompted

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
