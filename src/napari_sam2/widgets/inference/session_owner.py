"""What the worker's thread owns: the network and the annotation of the open image."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2.annotation.annotation import Annotation, Direction
from napari_sam2.annotation.daughters import disjoint_pair
from napari_sam2.annotation.drawn_prompts import Marks, ObjectFrame
from napari_sam2.annotation.history import StoredMask
from napari_sam2.annotation.objects import Objects
from napari_sam2.layers.viewer.image_geometry import LayerFrames
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.movies import appearance
from napari_sam2.movies.background_threads import garbage_collected_afterwards, load_torch_libraries
from napari_sam2.widgets.inference.loaded_model import LoadedModel, LoadModel, Opened
from sam2_torch.masks import SparseMask
from sam2_torch.predictions import FrameResult, MaskPrediction

if TYPE_CHECKING:
    from sam2_torch import EmbeddingStore
    from sam2_torch.sessions.video_session import VideoSession

OpenSession: TypeAlias = "Callable[[Any, LayerFrames], VideoSession]"


@dataclass(frozen=True)
class Progress:
    """How far a propagation is.

    Parameters
    ----------
    frame
        The frame that was done last.
    object_ids
        The objects that were followed there.
    done, total
        Count of frames; corrections on the way add to the total. The total is None where it
        depends on what is found.
    seconds_per_frame
        The speed so far; None at the first frame, which tells nothing: it was prompted.
    """

    frame: int
    object_ids: tuple[int, ...]
    done: int
    total: int | None
    seconds_per_frame: float | None

    @property
    def seconds_left(self) -> float | None:
        """Time left at the speed so far; None where it cannot be known."""
        if self.total is None or self.seconds_per_frame is None:
            return None
        return self.seconds_per_frame * (self.total - self.done)


def load_model(name: str, device: str) -> Any:
    """Load a network; torch is imported here, on the worker's thread."""
    load_torch_libraries()
    with garbage_collected_afterwards():
        from sam2_torch.checkpoints.loading import load_sam2

        return load_sam2(name, device, "fast")


def open_session(model: Any, frames: LayerFrames) -> "VideoSession":
    """Start a session; looks at some frames for the contrast."""
    return appearance.open_session(model, frames, getattr(frames, "appearance", None))


class SessionOwner:
    """Opens images and answers for them; every method belongs to the worker's thread.

    Parameters
    ----------
    load, session
        How a model is loaded and a session started.
    """

    def __init__(self, load: LoadModel = load_model, session: OpenSession = open_session) -> None:
        self._loaded = LoadedModel(load)
        self._session = session
        self._annotation: Annotation | None = None
        self._store: EmbeddingStore | None = None

    @property
    def model(self) -> Any:
        """The network; None if none is loaded."""
        return self._loaded.model

    @property
    def annotation(self) -> Annotation | None:
        """The open image's objects, prompts and masks; None if no image is open."""
        return self._annotation

    def another_session(self, frames: LayerFrames) -> "VideoSession":
        """Start a session beside the open one, with the same network.

        Raises
        ------
        ValueError
            If no network is loaded.
        """
        if self.model is None:
            raise ValueError("expected a model, found none: it could not be loaded")
        return self._session(self.model, frames)

    def open(
        self,
        model: tuple[str, str],
        frames: LayerFrames,
        masklets: Masklets,
        objects: Objects,
        confidence: dict[ObjectFrame, Confidence] | None = None,
    ) -> Opened:
        """Start anew on an image.

        Parameters
        ----------
        model
            Name or path, and device. The one that is loaded already is kept.
        frames
            The movie.
        masklets, objects, confidence
            Where masks, names and scores go.

        Returns
        -------
        Which model is in use. That is the one from before, with the image as it was, if this
        one cannot be loaded.

        Raises
        ------
        Exception
            If it cannot be loaded and none was before, or if the image cannot be opened.
        """
        failure = self._loaded.switch(model, make_room=self.close)
        if failure is None or self._annotation is None:
            self._annotation = None  # two sessions may not fit in memory
            session = self._session(self._loaded.model, frames)
            if self._store is not None:
                session.keep_embeddings(self._store)
            self._annotation = Annotation(
                session, masklets=masklets, objects=objects, confidence=confidence
            )
        return self._loaded.describe(failure)

    def close(self) -> None:
        """Let go of the image; the model stays."""
        self._annotation = None

    def unload(self) -> None:
        """Let go of the image and of the model, and free their memory."""
        self.close()
        self._loaded.unload()

    def keep_embeddings(self, keep: bool) -> str:
        """Keep embeddings on disk from now on, or no longer; returns a sentence on it."""
        from sam2_torch import EmbeddingStore

        self._store = EmbeddingStore() if keep else None
        if self._annotation is not None:
            self._annotation.session.keep_embeddings(self._store)
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
        if self._annotation is None:
            return
        session = self._annotation.session
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

    def prompt(
        self, key: ObjectFrame, marks: Marks, frame_shape: tuple[int, int]
    ) -> MaskPrediction | None:
        """Say what is drawn of an object in a frame; None if no image could be opened."""
        if self._annotation is None:
            return None
        return self._annotation.prompt(*key, marks.prompts(frame_shape), marks.choice)

    def restate(
        self,
        key: ObjectFrame,
        marks: Marks,
        frame_shape: tuple[int, int],
        mask: StoredMask | None,
    ) -> bool:
        """Say what was drawn before, with its mask; returns whether another one was there."""
        if self._annotation is None:
            return False
        return self._annotation.restate(*key, marks.prompts(frame_shape), mask, marks.choice)

    def alternatives(self, key: ObjectFrame) -> list[SparseMask]:
        """List the masks that the click on an object in a frame can mean, best first."""
        return [] if self._annotation is None else self._annotation.alternatives(*key)

    def daughter_choices(
        self, frame: int, places: Sequence[tuple[float, float]]
    ) -> tuple[int, int] | None:
        """Choose what a click into each of two daughters means, so that the masks lie apart.

        Returns
        -------
        Which of the alternatives; None if no two lie apart, or no image is open.
        """
        if self._annotation is None:
            return None
        first, second = (self._annotation.meanings(frame, place) for place in places)
        return disjoint_pair(first, second)

    def fork(self, mother: int, frame: int, daughters: tuple[int, int]) -> None:
        """Let the daughters of an object remember it as it was before a frame."""
        if self._annotation is not None:
            self._annotation.fork(mother, frame, daughters)

    def remove_object(self, object_id: int) -> None:
        """Forget an object."""
        if self._annotation is not None:
            self._annotation.remove_object(object_id)

    def forget_tracked(self, object_ids: Iterable[int]) -> None:
        """Forget where objects were followed to."""
        if self._annotation is not None:
            self._annotation.forget_tracked(object_ids)

    def propagate(
        self,
        direction: Direction,
        frames: tuple[int, int] | None,
        object_ids: Sequence[int] | None = None,
    ) -> Iterator[Progress | None]:
        """Follow objects, all of them by default; the masks go to the masklets.

        Yields
        ------
        None as long as prompts of a reopened session are said to the network, then `Progress`.
        """
        if self._annotation is None:
            return
        yield from self._annotation.catch_up(object_ids)
        total = self._annotation.frame_count(direction, frames=frames, object_ids=object_ids)
        yield from _progress(self._annotation.propagate(direction, frames, object_ids), total)

    def propagate_changes(
        self, object_ids: Sequence[int] | None = None
    ) -> Iterator[Progress | None]:
        """Follow again what changed prompts can have changed, of all objects by default."""
        if self._annotation is not None:
            yield from self._annotation.catch_up(object_ids or ())
            yield from _progress(self._annotation.propagate_changes(object_ids), None)


def _progress(results: Iterator[FrameResult], total: int | None) -> Iterator[Progress]:
    """Count results, and time how long they take to be made."""
    spent = 0.0
    with closing(results):  # type: ignore[type-var]
        for done in count(1):
            began = monotonic()  # a stream that is paused stands still in `yield`
            result = next(results, None)
            if result is None:
                return
            # the first frame was prompted: it costs nothing, and says nothing of the others
            spent += monotonic() - began if done > 1 else 0
            step = spent / (done - 1) if done > 1 else None
            total = None if total is None else max(total, done)
            yield Progress(result.frame, result.object_ids, done, total, step)
