"""The objects of one movie, what was said of them, and the masks that follow from it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from napari_sam2.masklets import Masklets
from sam2_torch.predictions import FrameResult, MaskPrediction, SparseMask
from sam2_torch.prompts import MaskPrompt, PointPrompt, Prompt

if TYPE_CHECKING:
    from sam2_torch.session import VideoSession

Direction: TypeAlias = Literal["forward", "backward", "both"]


class Confidence(NamedTuple):
    """What the network thinks of one mask: predicted IoU, 0 to 1, and object score (logit)."""

    iou: float
    object_score: float


class Objects:
    """The objects of a movie by id, with their names; an id is never given twice."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._largest = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """List the object ids, ascending."""
        return tuple(sorted(self._names))

    def new(self, name: str | None = None) -> int:
        """Make an object and return its id; it is called `Object <id>` by default."""
        object_id = self._largest + 1
        self.include(object_id)
        if name is not None:
            self._names[object_id] = name
        return object_id

    def include(self, object_id: int) -> None:
        """Make the object of this id unless it is there."""
        self._names.setdefault(object_id, f"Object {object_id}")
        self._largest = max(self._largest, object_id)

    def name(self, object_id: int) -> str:
        """Look up an object's name.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._check(object_id)
        return self._names[object_id]

    def rename(self, object_id: int, name: str) -> None:
        """Give an object another name.

        Raises
        ------
        KeyError
            If there is no such object.
        """
        self._check(object_id)
        self._names[object_id] = name

    def remove(self, object_id: int) -> None:
        """Forget an object; nothing happens if it is not there."""
        self._names.pop(object_id, None)

    def _check(self, object_id: int) -> None:
        if object_id not in self._names:
            raise KeyError(f"object {object_id} is not there; the objects are {list(self.ids)}")


class Annotation:
    """A session together with its masks, scores and named objects.

    Parameters
    ----------
    session
        The network's state on this movie.
    masklets, objects, confidence
        Where masks, names and scores, by (object id, frame), are kept; new ones by default.
        Given ones outlive the session: that is how a movie goes on with another model.

    Notes
    -----
    All methods belong to one thread. `masklets` may be read by another one meanwhile.
    """

    def __init__(
        self,
        session: "VideoSession",
        *,
        masklets: Masklets | None = None,
        objects: Objects | None = None,
        confidence: dict[tuple[int, int], Confidence] | None = None,
    ) -> None:
        self.session = session
        if masklets is None:
            masklets = Masklets(session.n_frames, session.frame_shape)
        self.masklets = masklets
        self.objects = Objects() if objects is None else objects
        self._prompts: dict[tuple[int, int], tuple[Prompt, ...]] = {}
        self._confidence = {} if confidence is None else confidence
        self._given: dict[tuple[int, int], SparseMask] = {}

    @property
    def object_ids(self) -> tuple[int, ...]:
        """List the objects, ascending."""
        return self.objects.ids

    def new_object(self, name: str | None = None) -> int:
        """Make an object and return its id."""
        return self.objects.new(name)

    def prompts(self, object_id: int, frame: int) -> tuple[Prompt, ...]:
        """List what was said of an object in a frame."""
        return self._prompts.get((object_id, frame), ())

    def confidence(self, object_id: int, frame: int) -> Confidence | None:
        """Look up the scores of a mask; None where the network has not made one."""
        return self._confidence.get((object_id, frame))

    def prompt(
        self, object_id: int, frame: int, prompts: Sequence[Prompt]
    ) -> MaskPrediction | None:
        """Say all that is to be said of an object in a frame, and get its mask there.

        Clicks that came on top of what was said before refine the mask. After any other
        change the frame starts afresh, and without a prompt its mask is forgotten.

        Returns
        -------
        The mask, which `masklets` holds from now on; None if there is no prompt. A mask
        prompt by itself is kept as it is.

        Raises
        ------
        ValueError
            If the session does not accept a prompt.
        IndexError
            If the frame is outside of the movie.
        """
        key = (object_id, frame)
        if not prompts:
            self._forget(key)
            return None
        added = added_clicks(self.prompts(*key), prompts)
        if added is not None:
            prediction = self.session.add_prompt(object_id, frame, added)
        else:
            first, then = _in_turn(prompts)
            prediction = self.session.add_prompt(object_id, frame, first, replace=True)
            if then:
                prediction = self.session.add_prompt(object_id, frame, then)
        self.objects.include(object_id)
        self._prompts[key] = tuple(prompts)
        self._given.pop(key, None)
        if len(prompts) == 1 and isinstance(prompts[0], MaskPrompt):
            # the network's rendering of it has a quarter of the detail
            self._given[key] = SparseMask.from_dense(prompts[0].mask)
        return self._keep(key, prediction)

    def remove_object(self, object_id: int) -> None:
        """Forget an object, its prompts and its masks; nothing happens if it is not there."""
        if object_id in self.session.object_ids:
            self.session.remove_object(object_id)
        self.objects.remove(object_id)
        self.masklets.remove(object_id)
        for key in [key for key in self._confidence if key[0] == object_id]:
            self._drop(key)

    def frame_count(
        self,
        direction: Direction = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> int:
        """Count the frames that `propagate` will yield with the same arguments."""
        return self.session.frame_count(direction, frames=frames, object_ids=object_ids)

    def propagate(
        self,
        direction: Direction = "both",
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> Iterator[FrameResult]:
        """Follow the objects through the movie, frame by frame.

        Parameters
        ----------
        direction
            Which way from each object's own prompted frames.
        frames
            First frame and the one after the last; the whole movie by default.
        object_ids
            The objects to follow; all that have a prompt by default.

        Yields
        ------
        The masks of one frame, which `masklets` holds from then on. Closing the generator
        stops; what is done stays.
        """
        return self._keep_all(
            self.session.propagate(direction, frames=frames, object_ids=object_ids)
        )

    def propagate_changes(self) -> Iterator[FrameResult]:
        """Follow again only what changed prompts can have changed.

        Yields
        ------
        As `propagate`.
        """
        return self._keep_all(self.session.propagate_changes())

    def _keep_all(self, results: Iterator[FrameResult]) -> Iterator[FrameResult]:
        # the session's generator holds memories on the device: let go of them at once
        with closing(results):  # type: ignore[type-var]
            for result in results:
                for object_id, prediction in zip(
                    result.object_ids, result.predictions, strict=True
                ):
                    self._keep((object_id, result.frame), prediction)
                yield result

    def _keep(self, key: tuple[int, int], prediction: MaskPrediction) -> MaskPrediction:
        if key in self._given:
            prediction = replace(prediction, sparse=self._given[key])
        self._confidence[key] = Confidence(prediction.iou, prediction.object_score)
        self.masklets.set(*key, prediction.sparse)  # last: whoever watches reads the scores, too
        return prediction

    def _forget(self, key: tuple[int, int]) -> None:
        if key in self._prompts:
            self.session.remove_prompts(*key)
        self.masklets.remove(*key)
        self._drop(key)

    def _drop(self, key: tuple[int, int]) -> None:
        self._prompts.pop(key, None)
        self._given.pop(key, None)
        self._confidence.pop(key, None)


def added_clicks(before: Sequence[Prompt], after: Sequence[Prompt]) -> PointPrompt | None:
    """Find the clicks that turn `before` into `after`.

    Returns
    -------
    The new clicks; None if anything else changed, nothing is new, or nothing was before.
    """
    old, new = _clicks(before), _clicks(after)
    n = len(old)
    if not before or len(new) <= n or not np.array_equal(new[:n], old):
        return None
    if not _same(_others(before), _others(after)):
        return None
    return PointPrompt(new[n:, :2], new[n:, 2])


def _in_turn(prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[Prompt]]:
    """Order prompts in two steps: a mask comes alone, what else there is refines it."""
    masks: list[Prompt] = [prompt for prompt in prompts if isinstance(prompt, MaskPrompt)]
    rest: list[Prompt] = [prompt for prompt in prompts if not isinstance(prompt, MaskPrompt)]
    return (masks, rest) if masks else (rest, [])


def _clicks(prompts: Sequence[Prompt]) -> np.ndarray:
    rows = [
        np.column_stack([prompt.points_yx, prompt.labels])
        for prompt in prompts
        if isinstance(prompt, PointPrompt)
    ]
    return np.concatenate([np.zeros((0, 3)), *rows])  # (P, 3): y, x, label


def _others(prompts: Sequence[Prompt]) -> list[Prompt]:
    return [prompt for prompt in prompts if not isinstance(prompt, PointPrompt)]


def _same(one: list[Prompt], other: list[Prompt]) -> bool:
    if len(one) != len(other):
        return False
    for a, b in zip(one, other, strict=True):
        if isinstance(a, MaskPrompt) and isinstance(b, MaskPrompt):
            if not np.array_equal(a.mask, b.mask):
                return False
        elif a != b:
            return False
    return True
