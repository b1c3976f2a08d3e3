"""Jobs of the tab *All cells* on the inference thread; nothing here touches a layer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_sam2.annotation.history import StoredMask
from napari_sam2.layers.mask_layers.candidates_layer import FoundObject
from napari_sam2.layers.viewer.image_geometry import LayerFrames
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.masks.packing import pack
from sam2_torch.automatic.options import NO_DECODER, EverythingOptions, TrackOptions
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import MaskLogits, MaskPrediction

if TYPE_CHECKING:
    from napari_sam2.widgets.inference.session_owner import SessionOwner
    from sam2_torch.automatic.found_masks import AutomaticMask
    from sam2_torch.sessions.video_session import VideoSession

Seeds: TypeAlias = Callable[[Any], NDArray[np.float32]] | None
"""Makes seeds, (N, 2) rows and columns, of a frame's pixels; None for what the options say."""

Found: TypeAlias = "MaskPrediction | AutomaticMask"
"""What is behind a mask: propagated, or found without a prompt."""

Compare: TypeAlias = Callable[[int, Sequence[SparseMask]], NDArray[np.float32]]
"""Returns the similarities of masks of a frame, 0 to 1."""

Examples: TypeAlias = Mapping[int, Sequence[SparseMask]]
"""Masks of objects, by frame."""


class Step(NamedTuple):
    """Progress of a job in words, and the masks of a frame by object id."""

    done: int
    total: int
    doing: str
    masks: Mapping[int, StoredMask] = MappingProxyType({})
    frame: int = -1


@dataclass
class SegmentJob:
    """Segment everything in some frames.

    Parameters
    ----------
    frames
        The movie.
    numbers
        Which frames.
    options
        How.
    seeds
        Where to click, by frame; as in the options if it is None.

    Attributes
    ----------
    found
        Objects by frame, as far as it came.
    note
        Why objects were found in another way than the options say; empty if they were not.
    """

    frames: LayerFrames
    numbers: Sequence[int]
    options: EverythingOptions
    seeds: Callable[[int], Seeds] = lambda frame: None
    found: dict[int, list[FoundObject]] = field(default_factory=dict)
    note: str = ""

    def run(self, owner: "SessionOwner") -> Iterator[Step]:
        """Run the job, on the worker's thread."""
        for at, number in enumerate(self.numbers):
            yield from self._segment(owner, number, at)

    def _segment(self, owner: "SessionOwner", number: int, at: int) -> Iterator[Step]:
        from sam2_torch.automatic import Everything

        session = _session(owner)
        pixels = shown_frames(self.frames)[number]
        seeds = self.seeds(number)
        everything = Everything(
            owner.model,
            pixels,
            self.options,
            seeds_yx=None if seeds is None else seeds(pixels),
            contrast=session.contrast,
            embedding=session.embedding(number),
        )
        if self.options.by != everything.by and seeds is None:
            self.note = NO_DECODER
        try:
            with closing(everything.run()) as run:  # type: ignore[type-var]
                for done, total in run:
                    n = max(total, 1)
                    yield Step(at * n + done, len(self.numbers) * n, f"Frame {number}")
        finally:  # also when it is cancelled: what was found is kept
            masks = everything.masks()
            self.found[number] = [FoundObject(number, m.sparse, m.score) for m in masks]


@dataclass
class CompareJob:
    """Compare objects of some frames with examples.

    Parameters
    ----------
    frames
        The movie.
    examples
        The objects that were shown, by frame.
    masks
        By frame and label, the objects to compare; read when the job begins.
    words
        Words and the name of a model of texts, to compare with in place of examples.

    Attributes
    ----------
    likenesses
        By label, as far as it came.
    """

    frames: LayerFrames
    examples: Examples
    masks: Callable[[], dict[int, dict[int, SparseMask]]]
    words: tuple[str, str] | None = None
    likenesses: dict[int, float] = field(default_factory=dict)

    def run(self, owner: "SessionOwner") -> Iterator[Step]:
        """Run the job, on the worker's thread."""
        masks = self.masks()
        yield Step(0, len(masks), "Getting ready")
        compare = self._with_words(owner) if self.words else self._with_examples(owner)
        for done, (frame, found) in enumerate(masks.items(), start=1):
            values = compare(frame, list(found.values())).tolist()
            self.likenesses.update(zip(found, values, strict=True))
            yield Step(done, len(masks), f"Comparing frame {frame}")

    def _with_examples(self, owner: "SessionOwner") -> "Compare":
        from sam2_torch.automatic import Likeness

        likeness = Likeness(owner.model, shown_frames(self.frames), _session(owner).contrast)
        for frame, ones in self.examples.items():
            likeness.add_examples(frame, ones)
        return likeness.similarities

    def _with_words(self, owner: "SessionOwner") -> "Compare":
        from sam2_torch.automatic.words import Words

        assert self.words is not None
        words, frames = Words(*self.words, owner.model.device), shown_frames(self.frames)
        contrast = _session(owner).contrast
        return lambda frame, masks: words.similarities(frames[frame], masks, contrast)


@dataclass
class TrackJob:
    """Track everything in a movie.

    Parameters
    ----------
    frames
        The movie.
    options
        How.
    masklets
        Masks that exist already.
    new_ids
        Ids of new objects.

    Attributes
    ----------
    withdrawn
        (object id, frame) of masks that turned out to be wrong.
    seeds
        The prompts of what was found: a mask by object id and frame.
    divisions
        Proposals.
    """

    frames: LayerFrames
    options: TrackOptions
    masklets: Masklets
    new_ids: Iterator[int]
    withdrawn: set[tuple[int, int]] = field(default_factory=set)
    seeds: dict[int, dict[int, SparseMask]] = field(default_factory=dict)
    divisions: list[Any] = field(default_factory=list)

    def run(self, owner: "SessionOwner") -> Iterator[Step]:
        """Track on the inference thread."""
        from napari_sam2.api.find_and_link import TrackAll
        from sam2_torch import VideoSession

        session = _session(owner)
        if self.frames.n_planes > 1:
            raise ValueError(
                "track everything: expected a movie or a stack, found a movie of stacks; choose "
                "one axis in “Along”, or make objects and propagate them"
            )
        masklets, known = self.masklets, self.masklets.object_ids
        frames = shown_frames(self.frames)
        alone = partial(VideoSession, session.model, frames, contrast=session.contrast)
        tracking = TrackAll(
            session,
            None if self.frames.is_stack else alone,
            frames,
            self.options,
            new_id=self.new_ids.__next__,
            known=lambda frame: {i: mask for i in known if (mask := masklets.get(i, frame))},
        )
        try:
            with closing(tracking.run()) as run:  # type: ignore[type-var]
                for step in run:
                    n_objects = len(tracking.way.objects)
                    doing = f"Frame {step.frame}: {n_objects} objects"
                    if not step.masks:
                        doing = f"Frame {step.frame}: looking for new objects"
                    behind: dict[int, Found] = {**step.predictions, **step.found}
                    masks = {i: _stored(mask, behind.get(i)) for i, mask in step.masks.items()}
                    self.withdrawn.update((i, step.frame) for i in masks)
                    yield Step(step.done, step.total, doing, masks, step.frame)
        finally:
            way = tracking.way
            self.withdrawn.difference_update(way.masks)
            self.divisions = way.divisions
            self.seeds = {i: {one.seed_frame: one.seed.sparse} for i, one in way.objects.items()}


def shown_frames(frames: LayerFrames) -> Any:
    """Return the frames as the session sees them: with their contrast and gamma."""
    return frames.appearance.show(frames).frames


def _stored(mask: SparseMask, behind: "Found | None") -> StoredMask:
    """Pack a mask, with logits and confidence as far as they are known."""
    if behind is None:
        return StoredMask(pack(mask, MaskLogits.unknown()))
    logits = getattr(behind, "coarse", None) or MaskLogits.unknown()
    confidence = Confidence(behind.iou, getattr(behind, "object_score", np.nan))
    return StoredMask(pack(mask, logits), confidence)


def _session(owner: "SessionOwner") -> "VideoSession":
    if owner.session is None:
        raise ValueError("expected an open image, found none: its model could not be loaded")
    return owner.session
