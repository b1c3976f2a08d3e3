"""What the worker's thread owns: the network and the annotation of the open image."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2.annotation import Annotation, Direction, Objects
from napari_sam2.layers.geometry import LayerFrames
from napari_sam2.layers.prompt_layers import Marks, ObjectFrame
from napari_sam2.masklets import Masklets
from napari_sam2.widgets.loaded_model import LoadedModel, LoadModel, Opened
from sam2_torch.predictions import MaskPrediction

if TYPE_CHECKING:
    from sam2_torch.session import VideoSession

OpenSession: TypeAlias = "Callable[[Any, Sequence[Any]], VideoSession]"


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
        Count of frames; corrections on the way add to the total.
    seconds_left
        At the speed so far; None at the first frame, which tells nothing: it was prompted.
    """

    frame: int
    object_ids: tuple[int, ...]
    done: int
    total: int
    seconds_left: float | None


def load_model(name: str, device: str) -> Any:
    """Load a network; torch is imported here, on the worker's thread."""
    from sam2_torch.checkpoints import load_sam2

    return load_sam2(name, device)


def open_session(model: Any, frames: Sequence[Any]) -> "VideoSession":
    """Start a session; looks at some frames for the contrast."""
    from sam2_torch.session import VideoSession

    return VideoSession(model, frames)


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

    @property
    def model(self) -> Any:
        """The network; None if none is loaded."""
        return self._loaded.model

    @property
    def annotation(self) -> Annotation | None:
        """The open image's objects, prompts and masks; None if no image is open."""
        return self._annotation

    def open(
        self, model: tuple[str, str], frames: LayerFrames, masklets: Masklets, objects: Objects
    ) -> Opened:
        """Start anew on an image.

        Parameters
        ----------
        model
            Name or path, and device. The one that is loaded already is kept.
        frames
            The movie.
        masklets, objects
            Where masks and names go.

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
            self._annotation = Annotation(session, masklets=masklets, objects=objects)
        return self._loaded.describe(failure)

    def close(self) -> None:
        """Let go of the image; the model stays."""
        self._annotation = None

    def unload(self) -> None:
        """Let go of the image and of the model, and free their memory."""
        self.close()
        self._loaded.unload()

    def measure(self) -> Iterator[Any]:
        """Measure the model's speed, step by step, and remember it."""
        return self._loaded.measure()

    def prompt(
        self, key: ObjectFrame, marks: Marks, frame_shape: tuple[int, int]
    ) -> MaskPrediction | None:
        """Say what is drawn of an object in a frame; None if no image could be opened."""
        if self._annotation is None:
            return None
        return self._annotation.prompt(*key, marks.prompts(frame_shape))

    def remove_object(self, object_id: int) -> None:
        """Forget an object."""
        if self._annotation is not None:
            self._annotation.remove_object(object_id)

    def propagate(self, direction: Direction, frames: tuple[int, int] | None) -> Iterator[Progress]:
        """Follow all objects; the masks go to the masklets."""
        if self._annotation is None:
            return
        total = self._annotation.frame_count(direction, frames=frames)
        begin = None
        results = self._annotation.propagate(direction, frames)
        with closing(results):  # type: ignore[type-var]
            for done, result in enumerate(results, 1):
                total = max(total, done)
                begin = begin or monotonic()
                left = (monotonic() - begin) / (done - 1) * (total - done) if done > 1 else None
                yield Progress(result.frame, result.object_ids, done, total, left)
