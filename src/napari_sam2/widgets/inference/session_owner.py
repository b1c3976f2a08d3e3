"""The model and the session of the open image, which the inference thread owns."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2.annotation.daughters import disjoint_pair
from napari_sam2.annotation.drawn_prompts import DrawnPrompts, ObjectFrame
from napari_sam2.annotation.history import StoredMask
from napari_sam2.annotation.prompted_session import (
    Direction,
    Prompts,
    answer,
    prompted_places,
    set_prompts,
    stored_mask,
    unlocked,
)
from napari_sam2.layers.viewer.image_geometry import LayerFrames
from napari_sam2.movies import appearance
from napari_sam2.movies.background_threads import frozen_afterwards, load_torch_libraries
from napari_sam2.widgets.inference.loaded_model import LoadedModel, LoadModel, Opened
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import FrameResult
from sam2_torch.prompts import PointPrompt

if TYPE_CHECKING:
    from sam2_torch import EmbeddingStore
    from sam2_torch.sessions.video_session import VideoSession

OpenSession: TypeAlias = "Callable[[Any, LayerFrames], VideoSession]"


@dataclass(frozen=True)
class Progress:
    """Masks of one frame, and the progress of their propagation.

    Parameters
    ----------
    frame
        The frame.
    masks
        The masks by object id.
    done, total
        Counts of frames; corrections on the way add to the total. The total is None where it
        depends on the masks.
    seconds_per_frame
        Mean so far; None at the first frame, which was prompted and takes no time.
    """

    frame: int
    masks: dict[int, StoredMask]
    done: int
    total: int | None
    seconds_per_frame: float | None

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The objects on the frame."""
        return tuple(self.masks)

    @property
    def seconds_left(self) -> float | None:
        """Time left at the speed so far; None where it cannot be known."""
        if self.total is None or self.seconds_per_frame is None:
            return None
        return self.seconds_per_frame * (self.total - self.done)


def load_model(name: str, device: str) -> Any:
    """Load a network; torch is imported here, on the worker's thread."""
    load_torch_libraries()
    with frozen_afterwards():
        from sam2_torch.checkpoints import loading

        return loading.load_model(name, device, "fast")


def open_session(model: Any, frames: LayerFrames) -> "VideoSession":
    """Start a session; looks at some frames for the contrast."""
    return appearance.open_session(model, frames, getattr(frames, "appearance", None))


class SessionOwner:
    """Loads a model, opens images and answers requests; all methods run on the inference thread.

    Parameters
    ----------
    load, open_session
        Functions that load a model and start a session.

    Attributes
    ----------
    session
        The session of the open image; None if no image is open.
    """

    def __init__(
        self, load: LoadModel = load_model, open_session: OpenSession = open_session
    ) -> None:
        self.session: VideoSession | None = None
        self._loaded = LoadedModel(load)
        self._open_session = open_session
        self._store: EmbeddingStore | None = None

    @property
    def model(self) -> Any:
        """The model; None if none is loaded."""
        return self._loaded.model

    @property
    def is_constant(self) -> bool:
        """Whether the open image has one value everywhere, as far as it was looked at."""
        low, high = getattr(self.session, "contrast", (0.0, 1.0))
        return bool(low == high)

    def another_session(self, frames: LayerFrames) -> "VideoSession":
        """Start a session with the loaded model beside the open one.

        Raises
        ------
        ValueError
            If no model is loaded.
        """
        if self.model is None:
            raise ValueError("expected a model, found none: it could not be loaded")
        return self._open_session(self.model, frames)

    def open(self, model: tuple[str, str], frames: LayerFrames) -> Opened:
        """Load a model and start a session.

        Parameters
        ----------
        model
            Name or path, and device. A model that is loaded already is kept.
        frames
            The movie.

        Returns
        -------
        The model in use: the previous one, with its session, if this one cannot be loaded.

        Raises
        ------
        Exception
            If the model cannot be loaded and there is no previous one, or the image cannot be
            opened.
        """
        failure = self._loaded.switch(model, make_room=self.close)
        if failure is None or self.session is None:
            self.session = None  # two sessions may not fit in memory
            self.session = self._open_session(self._loaded.model, frames)
            if self._store is not None:
                self.session.keep_embeddings(self._store)
        return self._loaded.describe(failure)

    def close(self) -> None:
        """End the session; the model stays loaded."""
        self.session = None

    def unload(self) -> None:
        """End the session, unload the model and free their memory."""
        self.close()
        self._loaded.unload()

    def keep_embeddings(self, keep: bool) -> str:
        """Keep embeddings on disk from now on, or no longer; returns a sentence on it."""
        from sam2_torch import EmbeddingStore

        self._store = EmbeddingStore() if keep else None
        if self.session is not None:
            self.session.keep_embeddings(self._store)
        if self._store is None:
            return "Embeddings are not kept on disk any more; what is there stays."
        return f"Embeddings are kept in {self._store.folder}"

    def clear_embeddings(self) -> int:
        """Delete the embeddings on disk; returns the bytes that this freed."""
        from sam2_torch import EmbeddingStore

        return (EmbeddingStore() if self._store is None else self._store).clear()

    def embed(self) -> Iterator[tuple[int, int]]:
        """Encode all frames of the open image; yields how many are done, and of how many.

        Raises
        ------
        ValueError
            If the image is seen in windows: which ones depends on the objects.
        """
        session = self.session
        if session is None:
            return
        if session.crops is not None:
            raise ValueError(
                "expected frames that are seen whole, found windows: what is in them is encoded "
                "when an object is there; Detail: Whole frames sees the frames whole"
            )
        for done, _ in enumerate(session.embed(), start=1):
            yield done, session.n_frames

    def measure(self) -> Iterator[Any]:
        """Measure the model's speed, step by step, and remember it."""
        return self._loaded.measure()

    def answer(
        self, place: ObjectFrame, prompts: Prompts, before: DrawnPrompts | None = None
    ) -> StoredMask | None:
        """Return the mask of an object on a prompted frame; None without prompt or session.

        Parameters
        ----------
        place
            Object id and frame.
        prompts
            All prompts of the object: those on other frames are its memory.
        before
            Prompts of the frame that these refine. The session sets them first if it has none,
            as after a session file was opened.
        """
        if self.session is None:
            return None
        for _ in set_prompts(self.session, prompts, place[:1], omitted=place):
            pass
        if place not in prompts:
            return None
        drawn, session = prompts[place], self.session
        if before and place not in prompted_places(session, place[:1]):
            answer(session, place, before)
        prediction = answer(session, place, drawn)
        return None if prediction is None else stored_mask(prediction, given=drawn.is_mask)

    def candidates(self, place: ObjectFrame) -> list[SparseMask]:
        """List the masks that the click of an object on a frame can mean, best first."""
        if self.session is None or place not in prompted_places(self.session, place[:1]):
            return []
        return [each.sparse for each in self.session.candidates(*place)]

    def daughter_choices(
        self, frame: int, places: Sequence[tuple[float, float]]
    ) -> tuple[int, int] | None:
        """Choose a candidate of one click on each of two daughters, so that the masks are disjoint.

        Returns
        -------
        Indices of the candidates; None if no two are disjoint, or no image is open.
        """
        if self.session is None:
            return None
        clicks = (PointPrompt([place], [1]) for place in places)
        first, second = (self.session.predict(frame, click) for click in clicks)
        return disjoint_pair(first, second)

    def inherit_memories(self, mother: int, frame: int, daughters: tuple[int, int]) -> None:
        """Give the daughters of an object its memory from before a frame."""
        if self.session is not None and mother in self.session.object_ids:
            self.session.inherit_memories(mother, frame, daughters)

    def forget(
        self,
        places: Collection[ObjectFrame],
        removed: Collection[int],
        changed: Collection[int],
    ) -> None:
        """Forget prompts and objects that were removed, and propagated masks that were changed.

        Parameters
        ----------
        places
            (object id, frame) of prompts that are not in the log any more.
        removed
            Ids of objects that are not in the log any more.
        changed
            Ids of objects whose masks in the log are others than the session has propagated.
        """
        session = self.session
        if session is None:
            return
        for object_id in set(removed).intersection(session.object_ids):
            session.remove_object(object_id)
        for place in places:
            session.set_prompts(*place, ())
        for object_id in set(changed).intersection(session.object_ids):
            session.forget_tracked(object_id)

    def propagate(
        self,
        prompts: Prompts,
        locked: Collection[int],
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None = None,
    ) -> Iterator[Progress | None]:
        """Propagate objects to other frames.

        Parameters
        ----------
        prompts
            All prompts of the log.
        locked
            Objects that are left out.
        direction, frames
            As for `VideoSession.propagate`.
        object_ids
            The objects; all by default.

        Yields
        ------
        None while prompts are set in the session, then `Progress`.
        """
        session = self.session
        if session is None:
            return
        known = {*session.object_ids, *(object_id for object_id, _ in prompts)}
        yield from set_prompts(session, prompts, known if object_ids is None else object_ids)
        wanted = unlocked(session, object_ids, locked)
        total = session.frame_count(direction, frames=frames, object_ids=wanted)
        yield from _progress(session.propagate(direction, frames=frames, object_ids=wanted), total)

    def propagate_changes(
        self, prompts: Prompts, locked: Collection[int], object_ids: Sequence[int] | None = None
    ) -> Iterator[Progress | None]:
        """Propagate again what changed prompts can change; by default of all objects.

        Parameters and yields as for `propagate`.
        """
        session = self.session
        if session is None:
            return
        yield from set_prompts(
            session, prompts, session.object_ids if object_ids is None else object_ids
        )
        wanted = unlocked(session, object_ids, locked)
        yield from _progress(session.propagate_changes(object_ids=wanted), None)


def _progress(results: Iterator[FrameResult], total: int | None) -> Iterator[Progress]:
    """Pack the masks of a propagation, count its frames and measure their time."""
    spent = 0.0
    with closing(results):  # type: ignore[type-var]
        for done in count(1):
            began = monotonic()  # a stream that is paused stands still in `yield`
            result = next(results, None)
            if result is None:
                return
            # the first frame was prompted: it takes no time
            spent += monotonic() - began if done > 1 else 0
            step = spent / (done - 1) if done > 1 else None
            total = None if total is None else max(total, done)
            masks = {
                object_id: stored_mask(prediction)
                for object_id, prediction in zip(result.object_ids, result.predictions, strict=True)
            }
            yield Progress(result.frame, masks, done, total, step)
