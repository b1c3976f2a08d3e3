"""Propagate, segment or embed what a user prompted, as the command line does."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import USUAL, Appearance, Shown, open_session
from napari_sam2.movies.movie import Movie
from sam2_torch.inputs.frames import contrast_of_frame
from sam2_torch.prompts import MaskPrompt

if TYPE_CHECKING:
    from sam2_torch import SAM2, EmbeddingStore, VideoSession
    from sam2_torch.predictions import MaskPrediction
    from sam2_torch.sessions.propagation_plan import PropagationDirection
    from sam2_torch.sessions.run_estimate import Estimate

__all__ = ["Progress", "embed", "segment", "track"]

ONCE_BYTES = 16 << 20
"""Embeddings kept in memory where each frame is reached once; some frames of `cells_nano`."""

_LOG = logging.getLogger(__name__)


def track(  # noqa: PLR0913  # what a user may choose, by name
    model: "SAM2",
    movie: Movie,
    prompts: Iterable[ObjectPrompts],
    *,
    direction: "PropagationDirection" = "both",
    frames: tuple[int, int] | None = None,
    progress: Progress = silent,
    appearance: Appearance = USUAL,
    announce: Callable[["Estimate"], None] | None = None,
    embeddings: "EmbeddingStore | None" = None,
    plain: bool = False,
    flips: bool | None = None,
    specks: float | None = None,
) -> Masklets:
    """Propagate prompted objects through a movie, a stack, or a movie of stacks.

    Parameters
    ----------
    model
        From `sam2_torch.load_sam2`.
    movie
        The frames; they are read one at a time.
    prompts
        Prompts on any frame; they are read one at a time. A mask prompt is kept as it is, all
        other masks are the network's.
    direction
        "forward", "backward" or "both", from each object's own prompted frames.
    frames
        First frame and the one after the last, as time points in a movie of stacks. Other frames
        are neither read nor written, and prompts on them are skipped with a warning.
    progress
        Called after each frame with the number of finished frames and of all.
    appearance
        Contrast, gamma and resolution of what the network sees.
    announce
        Called before the propagation with an estimate of its memory, and of its time if the
        network's speed was measured on this computer.
    embeddings
        Store on disk for the image embeddings; none by default.
    plain, flips, specks
        How masks are refined; as for `sam2_torch.VideoSession`, whose share of specks is the
        default.

    Returns
    -------
    Masklets
        The objects' masks in the frames that the propagation reached.

    Raises
    ------
    ValueError
        If the range of frames does not fit, or no prompt lies in it.
    """
    span = movie.frame_span(frames)
    masklets = Masklets(movie.n_frames, movie.frame_shape, on_disk=True)
    inside = list(_within(span, prompts))
    options = _cache_options(movie, inside) | {"plain": plain, "flips": flips}
    if specks is not None:
        options["specks"] = specks
    session = open_session(
        model, movie, appearance, embeddings=embeddings, correctable=False, **options
    )
    given = set()
    for prompted in inside:
        key = prompted.object_id, prompted.frame
        if _is_mask(prompted):
            given.add(key)
        _store(masklets, key, _predict(session, prompted), given)
    if announce is not None:
        announce(estimate_run(session, direction, span))
    total = session.frame_count(direction, frames=span)
    for done, result in enumerate(session.propagate(direction, frames=span), start=1):
        for object_id, prediction in zip(result.object_ids, result.predictions, strict=True):
            _store(masklets, (object_id, result.frame), prediction, given)
        progress(done, max(done, total))  # in movies of stacks the total is an estimate
    movie.blank.warn()
    return masklets


def _cache_options(movie: Movie, prompts: Sequence[ObjectPrompts]) -> dict[str, Any]:
    """Choose how many bytes of embeddings to keep; empty for the default.

    From prompts on one frame each frame is reached once: none is needed again. A GPU encodes
    many frames at once, which must find room.
    """
    import torch

    is_once = movie.n_planes == 1 and len({prompted.frame for prompted in prompts}) == 1
    return {"cache_bytes": ONCE_BYTES} if is_once and not torch.cuda.is_available() else {}


def estimate_run(
    session: "VideoSession",
    direction: "PropagationDirection",
    frames: tuple[int, int] | None = None,
) -> "Estimate":
    """Estimate time and memory of propagating all objects of a session on this computer.

    Parameters
    ----------
    session
        A session with prompts.
    direction
        As for `track`.
    frames
        First frame and the one after the last; all by default.
    """
    from sam2_torch.sessions.run_estimate import estimate_propagation, known_speed

    speed = known_speed(session.model)
    return estimate_propagation(session, direction, frames=frames, speed=speed)


def segment(  # noqa: PLR0913  # as `track`
    model: "SAM2",
    movie: Movie,
    prompts: Iterable[ObjectPrompts],
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = silent,
    appearance: Appearance = USUAL,
    plain: bool = False,
    flips: bool | None = None,
) -> Masklets:
    """Segment prompted objects on their prompted frames, each frame on its own.

    Parameters
    ----------
    model, movie, frames, progress, appearance, plain, flips
        As for `track`.
    prompts
        Prompts by ascending frame. Clicks correct a mask prompt; by itself it is kept as it is.

    Returns
    -------
    Masklets
        The objects' masks on their prompted frames.

    Raises
    ------
    ValueError
        As for `track`.
    """
    first, stop = movie.frame_span(frames)
    masklets = Masklets(movie.n_frames, movie.frame_shape)
    shown, masks = appearance.show(movie), {"plain": plain, "flips": flips}
    for frame, group in groupby(_within((first, stop), prompts), lambda prompted: prompted.frame):
        for object_id, prediction in _segment_frame(model, shown, frame, group, masks):
            masklets.set_found(object_id, frame, prediction)
        progress(frame - first + 1, stop - first)
    movie.blank.warn()
    return masklets


def embed(
    model: "SAM2",
    movie: Movie,
    embeddings: "EmbeddingStore",
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = silent,
    appearance: Appearance = USUAL,
) -> int:
    """Write the image embeddings of a movie to disk; those that exist are kept.

    Parameters
    ----------
    model, movie, frames, progress, appearance
        As for `track`.
    embeddings
        The store that they are written to.

    Returns
    -------
    The number of frames.

    Raises
    ------
    ValueError
        If the range of frames does not fit, or the network sees the movie through crop windows:
        their places depend on the objects.
    """
    first, stop = movie.frame_span(frames)
    if appearance.input_pixels(movie.frame_shape) is not None:
        raise ValueError(
            f"embeddings ahead of time: expected frames that are seen whole, found {movie} seen in "
            "windows, which depend on the objects; --resolution whole sees it whole"
        )
    session = open_session(model, movie, appearance, embeddings=embeddings)
    for done, _ in enumerate(session.embed((first, stop)), start=1):
        progress(done, stop - first)
    movie.blank.warn()
    return stop - first


def _segment_frame(
    model: "SAM2",
    shown: Shown,
    frame: int,
    prompts: Iterable[ObjectPrompts],
    masks: Mapping[str, Any],
) -> "Iterator[tuple[int, MaskPrediction]]":
    """Segment the objects of one frame, which is encoded once; yield ids and predictions."""
    from sam2_torch import ImageSession, VideoSession

    if shown.resolution is None:
        # 0 and 1 in a frame without numbers: it must not keep the others from being segmented
        pixels = shown.frames[frame]
        contrast = shown.contrast or contrast_of_frame([pixels], 0)
        image = ImageSession(model, pixels, contrast=contrast, **masks)
        for prompted in prompts:
            yield prompted.object_id, image.predict(*prompted.prompts)[0]
        return
    windows = VideoSession(model, shown.frames, **shown.options, **masks)
    for prompted in prompts:
        yield prompted.object_id, _predict(windows, prompted)


def _within(span: tuple[int, int], prompts: Iterable[ObjectPrompts]) -> Iterator[ObjectPrompts]:
    """Yield the prompts in a range of frames; log how many others there are."""
    taken = left_out = 0
    for prompted in prompts:
        if span[0] <= prompted.frame < span[1]:
            taken += 1
            yield prompted
        else:
            left_out += 1
    where = f"in the frames {span[0]}:{span[1]}"
    if not taken:
        raise ValueError(f"prompts: expected at least one {where}, found none there")
    if left_out:
        _LOG.warning("%d prompts are not %s and were left out", left_out, where)


def _is_mask(prompted: ObjectPrompts) -> bool:
    """Return whether the only prompt is a mask, which is kept as it is."""
    return len(prompted.prompts) == 1 and isinstance(prompted.prompts[0], MaskPrompt)


def _predict(session: "VideoSession", prompted: ObjectPrompts) -> "MaskPrediction":
    place = prompted.object_id, prompted.frame
    prediction = session.set_prompts(*place, prompted.prompts, prompted.choice or 0)
    assert prediction is not None  # there is at least one prompt
    return prediction


def _store(
    masklets: Masklets,
    key: tuple[int, int],
    prediction: "MaskPrediction",
    given: set[tuple[int, int]],
) -> None:
    """Store a prediction; a mask that the user gave wins over found ones where they overlap."""
    if key in given:
        masklets.set(*key, prediction.sparse)
    else:
        masklets.set_found(*key, prediction)
