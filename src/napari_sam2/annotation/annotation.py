"""The objects of one movie, what was said of them, and the masks that follow from it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_sam2.annotation.drawn_prompts import ObjectFrame
from napari_sam2.annotation.history import StoredMask
from napari_sam2.annotation.objects import Objects
from napari_sam2.annotation.prompt_changes import added_clicks, agree, say
from napari_sam2.masks.masklets import Confidence, Masklets
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import FrameResult, MaskPrediction
from sam2_torch.prompts import MaskPrompt, PointPrompt, Prompt

if TYPE_CHECKING:
    from sam2_torch.sessions.video_session import VideoSession

Direction: TypeAlias = Literal["forward", "backward", "both"]


class Annotation:
    """A session together with its masks, scores and named objects.

    Parameters
    ----------
    session
        The network's state on this movie.
    masklets, objects, confidence
        Where masks, names and scores are kept; new ones by default. Given ones outlive the
        session: that is how a movie goes on with another model.

    Notes
    -----
    All methods belong to one thread. `masklets` may be read by another one meanwhile.

    What is restated, by an undo or a reopened session, is said to the network when something
    follows from it: a prompt of the same object, or a propagation.
    """

    def __init__(
        self,
        session: "VideoSession",
        *,
        masklets: Masklets | None = None,
        objects: Objects | None = None,
        confidence: dict[ObjectFrame, Confidence] | None = None,
    ) -> None:
        self.session = session
        if masklets is None:
            masklets = Masklets(session.n_frames, session.frame_shape)
        self.masklets = masklets
        self.objects = Objects() if objects is None else objects
        self._prompts: dict[ObjectFrame, tuple[Prompt, ...]] = {}
        self._confidence = {} if confidence is None else confidence
        self._choices: dict[ObjectFrame, int | None] = {}
        self._unsaid: dict[ObjectFrame, tuple[tuple[Prompt, ...], int | None]] = {}
        self._given: dict[ObjectFrame, SparseMask] = {}

    @property
    def object_ids(self) -> tuple[int, ...]:
        """List the objects, ascending."""
        return self.objects.ids

    def new_object(self, name: str | None = None) -> int:
        """Make an object and return its id."""
        return self.objects.new(name)

    def prompts(self, object_id: int, frame: int) -> tuple[Prompt, ...]:
        """List what was said of an object in a frame."""
        key = (object_id, frame)
        return self._unsaid[key][0] if key in self._unsaid else self._prompts.get(key, ())

    def confidence(self, object_id: int, frame: int) -> Confidence | None:
        """Look up the scores of a mask; None where the network has not made one."""
        return self._confidence.get((object_id, frame))

    def prompt(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], choice: int | None = None
    ) -> MaskPrediction | None:
        """Say all that is to be said of an object in a frame, and get its mask there.

        Clicks that came on top of what was said before refine the mask. After any other
        change the frame starts afresh, and without a prompt its mask is forgotten.

        Parameters
        ----------
        object_id, frame
            Which object, and where.
        prompts
            All that is said.
        choice
            Which of the `alternatives` of the first click is meant; the best by default.

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
        if added_clicks(self.prompts(*key), prompts) is None:
            self._unsaid.pop(key, None)  # it starts afresh
        self._say_unsaid(object_id)
        return self._keep(key, self._say(key, prompts, choice))

    def alternatives(self, object_id: int, frame: int) -> list[SparseMask]:
        """List the masks that a first click can mean, best first; empty without a prompt."""
        self._say_unsaid(object_id)
        if (object_id, frame) not in self._prompts:
            return []
        return [each.sparse for each in self.session.candidates(object_id, frame)]

    def meanings(self, frame: int, point_yx: tuple[float, float]) -> list[MaskPrediction]:
        """List the masks that a click in a frame could mean, best first; nothing is said."""
        return self.session.predict(frame, PointPrompt([point_yx], [1]))

    def fork(self, mother: int, frame: int, daughters: Iterable[int]) -> None:
        """Let the daughters of an object, new ones, remember it as it was before a frame."""
        if mother in self.session.object_ids:
            self.session.inherit_memories(mother, frame, daughters)

    def restate(
        self,
        object_id: int,
        frame: int,
        prompts: Sequence[Prompt],
        mask: StoredMask | None,
        choice: int | None = None,
    ) -> bool:
        """Take what was said before, with the mask that was there then: as an undo does.

        Nothing is computed: the session hears of the prompts when others follow them. The mask
        is the given one, whatever the network would answer. None forgets the mask.

        Returns
        -------
        Whether another mask was there until now.
        """
        key = (object_id, frame)
        before = self.masklets.packed(*key)
        if not prompts:
            self._forget(key)
        elif agree(self._prompts.get(key, ()), prompts) and self._choices.get(key) == choice:
            self._unsaid.pop(key, None)
        else:
            self._unsaid[key] = tuple(prompts), choice
            self.objects.include(object_id)
        if mask is None:
            self.masklets.remove(*key)
            self._confidence.pop(key, None)
            return before is not None
        if mask.confidence is None:
            self._confidence.pop(key, None)
        else:
            self._confidence[key] = mask.confidence
        self.masklets.put(*key, mask.packed)
        return before != mask.packed

    def is_all_said(self, object_ids: Iterable[int] | None = None) -> bool:
        """Tell whether the session knows of all prompts of these objects, or of all objects."""
        return not self._left_to_say(object_ids)

    def catch_up(self, object_ids: Iterable[int] | None = None) -> Iterator[None]:
        """Say to the session what was restated, of all objects by default; a prompt at a step."""
        for key in self._left_to_say(object_ids):
            if key in self._unsaid:  # it may have been said between two steps
                self._say(key, *self._unsaid[key])
            yield

    def forget_tracked(self, object_ids: Iterable[int]) -> None:
        """Let the session forget where it has followed objects; prompts and masks stay."""
        for object_id in object_ids:
            if object_id in self.session.object_ids:
                self.session.forget_tracked(object_id)

    def remove_object(self, object_id: int) -> None:
        """Forget an object, its prompts and its masks; nothing happens if it is not there."""
        if object_id in self.session.object_ids:
            self.session.remove_object(object_id)
        self.objects.remove(object_id)
        self.masklets.remove(object_id)
        known = {*self._confidence, *self._prompts, *self._unsaid}
        for key in [key for key in known if key[0] == object_id]:
            self._drop(key)

    def frame_count(
        self,
        direction: Direction = "both",
        *,
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> int:
        """Count the frames that `propagate` will yield with the same arguments."""
        self._say_unsaid(*self.object_ids if object_ids is None else object_ids)
        wanted = self._unlocked(object_ids)
        return self.session.frame_count(direction, frames=frames, object_ids=wanted)

    def propagate(
        self,
        direction: Direction = "both",
        frames: tuple[int, int] | None = None,
        object_ids: Iterable[int] | None = None,
    ) -> Iterator[FrameResult]:
        """Follow the objects through the movie, frame by frame.

        Prompted and locked frames keep their masks.

        Parameters
        ----------
        direction
            Which way from each object's own prompted frames.
        frames
            First frame and the one after the last; the whole movie by default.
        object_ids
            The objects to follow; all that have a prompt by default. Locked ones are left out.

        Yields
        ------
        The masks of one frame, which `masklets` holds from then on. Closing the generator
        stops; what is done stays.

        Raises
        ------
        ValueError
            If no object is left to follow.
        """
        self._say_unsaid(*self.object_ids if object_ids is None else object_ids)
        wanted = self._unlocked(object_ids)
        results = self.session.propagate(direction, frames=frames, object_ids=wanted)
        yield from self._kept(results)

    def propagate_changes(self, object_ids: Iterable[int] | None = None) -> Iterator[FrameResult]:
        """Follow again only what changed prompts can have changed.

        Parameters
        ----------
        object_ids
            The objects to follow; all whose prompts changed by default. Locked ones are left
            out.

        Yields
        ------
        As `propagate`.
        """
        if object_ids is not None:
            self._say_unsaid(*object_ids)
        wanted = self._unlocked(object_ids)
        yield from self._kept(self.session.propagate_changes(object_ids=wanted))

    def _kept(self, results: Iterator[FrameResult]) -> Iterator[FrameResult]:
        # the session's generator holds memories on the device: let go of them at once
        with closing(results):  # type: ignore[type-var]
            for result in results:
                for object_id, prediction in zip(
                    result.object_ids, result.predictions, strict=True
                ):
                    # it may be locked, or have divided, since the run began
                    is_locked = self.objects.is_locked(object_id)
                    if self.objects.spans(object_id, result.frame) and not is_locked:
                        self._keep((object_id, result.frame), prediction)
                yield result

    def _unlocked(self, object_ids: Iterable[int] | None) -> list[int] | None:
        """Leave out locked objects; None where that leaves all that there are, and will be."""
        wanted = self.session.object_ids if object_ids is None else tuple(object_ids)
        locked = [i for i in wanted if self.objects.is_locked(i)]
        if object_ids is None and not locked:
            return None
        left = [i for i in wanted if i not in locked and self.session.prompted_frames(i)]
        if not left:
            raise ValueError(
                "nothing to propagate: "
                + ("unlock an object first" if locked else "prompt the object on some frame first")
            )
        return left

    def _left_to_say(self, object_ids: Iterable[int] | None) -> list[ObjectFrame]:
        wanted = None if object_ids is None else set(object_ids)
        return sorted(key for key in self._unsaid if wanted is None or key[0] in wanted)

    def _say_unsaid(self, *object_ids: int) -> None:
        for _ in self.catch_up(object_ids):
            pass

    def _say(
        self, key: ObjectFrame, prompts: Sequence[Prompt], choice: int | None = None
    ) -> MaskPrediction:
        """Let the session know; what the user gave as a mask is kept as it is."""
        added = added_clicks(self.prompts(*key), prompts)
        if added is not None and choice == self._choices.get(key):
            prediction = self.session.add_prompt(*key, added)
        else:
            prediction = say(self.session, *key, prompts, choice)
        self._choices[key] = choice
        self._unsaid.pop(key, None)
        self.objects.include(key[0])
        self._prompts[key] = tuple(prompts)
        self._given.pop(key, None)
        if len(prompts) == 1 and isinstance(prompts[0], MaskPrompt):
            # the network's rendering of it has a quarter of the detail
            self._given[key] = prompts[0].sparse
        return prediction

    def _keep(self, key: tuple[int, int], prediction: MaskPrediction) -> MaskPrediction:
        self._confidence[key] = Confidence(prediction.iou, prediction.object_score)
        # the mask last: whoever watches reads the scores, too
        if key in self._given:
            prediction = replace(prediction, sparse=self._given[key], coarse=None)
            self.masklets.set(*key, prediction.sparse)
        else:
            self.masklets.set_found(*key, prediction)
        return prediction

    def _forget(self, key: tuple[int, int]) -> None:
        if key in self._prompts:
            self.session.remove_prompts(*key)
        self.masklets.remove(*key)
        self._drop(key)

    def _drop(self, key: tuple[int, int]) -> None:
        self._prompts.pop(key, None)
        self._unsaid.pop(key, None)
        self._choices.pop(key, None)
        self._given.pop(key, None)
        self._confidence.pop(key, None)
