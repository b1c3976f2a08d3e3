"""What the command line does, as functions: track a movie, segment its frames."""

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_sam2.annotation.prompt_changes import say
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.appearance import Appearance, Shown, open_session
from napari_sam2.movies.movie import Movie
from sam2_torch.predictions import SparseMask
from sam2_torch.prompts import MaskPrompt

if TYPE_CHECKING:
    from sam2_torch import SAM2, EmbeddingStore, VideoSession
    from sam2_torch.predictions import MaskPrediction
    from sam2_torch.sessions.run_estimate import Estimate

__all__ = ["Direction", "Progress", "embed", "segment", "track"]

Direction: TypeAlias = Literal["forward", "backward", "both"]
Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many frames are done, and of how many."""

_LOG = logging.getLogger(__name__)


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def track(  # noqa: PLR0913  # what a user may choose, by name
    model: "SAM2",
    movie: Movie,
    prompts: Iterable[ObjectPrompts],
    *,
    direction: Direction = "both",
    frames: tuple[int, int] | None = None,
    progress: Progress = _silent,
    appearance: Appearance | None = None,
    announce: Callable[["Estimate"], None] | None = None,
    embeddings: "EmbeddingStore | None" = None,
) -> Masklets:
    """Follow prompted objects through a movie, a stack, or a movie of stacks.

    Parameters
    ----------
    model
        From `sam2_torch.load_sam2`.
    movie
        Its frames are read one at a time.
    prompts
        What is said of the objects, on any frame; read one at a time. A mask is kept as it
        is given, the masks of all other frames are the network's.
    direction
        Which way from each object's own prompted frames.
    frames
        First frame and the one after the last (in a movie of stacks, time points): others
        are neither read nor written, and prompts on them are left out.
    progress
        Called after each frame.
    appearance
        What the network sees of the movie; the usual by default.
    announce
        Told before the objects are followed what that will take; the time if the network's
        speed was measured here.
    embeddings
        Where to keep image embeddings on disk, for the next run; nowhere by default.

    Returns
    -------
    Masklets
        The objects' masks in the frames that were reached.

    Raises
    ------
    ValueError
        If the range of frames does not fit, or no prompt is in it.
    """
    span = _checked_span(frames, movie)
    masklets = Masklets(movie.n_frames, movie.frame_shape)
    given = Masklets(movie.n_frames, movie.frame_shape)
    session = open_session(model, movie, appearance, embeddings)
    for said in _within(span, prompts):
        mask = _given_mask(said)
        if mask is not None:
            given.set(said.object_id, said.frame, mask)
        masklets.set_found(said.object_id, said.frame, _prompt(session, said))
    if announce is not None:
        announce(estimate_run(session, direction, span))
    total = session.frame_count(direction, frames=span)
    for done, result in enumerate(session.propagate(direction, frames=span), start=1):
        for object_id, prediction in zip(result.object_ids, result.predictions, strict=True):
            masklets.set_found(object_id, result.frame, prediction)
        progress(done, max(done, total))  # of stacks in time it is foreseen, not counted
    _put_back(given, masklets)
    return masklets


def estimate_run(
    session: "VideoSession", direction: Direction, frames: tuple[int, int] | None = None
) -> "Estimate":
    """Estimate what following all objects of a session takes here."""
    from sam2_torch.sessions.run_estimate import estimate_propagation, known_speed

    speed = known_speed(session.model)
    return estimate_propagation(session, direction, frames=frames, speed=speed)


def segment(
    model: "SAM2",
    movie: Movie,
    prompts: Iterable[ObjectPrompts],
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = _silent,
    appearance: Appearance | None = None,
) -> Masklets:
    """Segment prompted objects in the frames on which they are prompted, each on its own.

    Parameters
    ----------
    model, movie, frames, progress, appearance
        As for `track`.
    prompts
        What is said of the objects, frame by frame in ascending order. A mask is refined.

    Returns
    -------
    Masklets
        The objects' masks in the frames on which they were prompted.

    Raises
    ------
    ValueError
        As for `track`.
    """
    first, stop = _checked_span(frames, movie)
    masklets = Masklets(movie.n_frames, movie.frame_shape)
    shown = (appearance or Appearance()).show(movie)
    for frame, group in groupby(_within((first, stop), prompts), lambda said: said.frame):
        for said, prediction in _segment_frame(model, shown, frame, group):
            masklets.set_found(said.object_id, frame, prediction)
        progress(frame - first + 1, stop - first)
    return masklets


def embed(
    model: "SAM2",
    movie: Movie,
    embeddings: "EmbeddingStore",
    *,
    frames: tuple[int, int] | None = None,
    progress: Progress = _silent,
    appearance: Appearance | None = None,
) -> int:
    """Write the image embeddings of a movie to disk; those that are there are not made again.

    Parameters
    ----------
    model, movie, frames, progress, appearance
        As for `track`.
    embeddings
        Where they go.

    Returns
    -------
    The number of frames.

    Raises
    ------
    ValueError
        If the range of frames does not fit, or the network sees the movie in windows: which
        ones depends on the objects.
    """
    first, stop = _checked_span(frames, movie)
    look = appearance or Appearance()
    if look.input_pixels(movie.frame_shape) is not None:
        raise ValueError(
            f"embeddings ahead of time: expected frames that are seen whole, found {movie} seen in "
            "windows, which depend on the objects; --resolution whole sees it whole"
        )
    session = open_session(model, movie, look, embeddings)
    for done, _ in enumerate(session.embed((first, stop)), start=1):
        progress(done, stop - first)
    return stop - first


def _segment_frame(
    model: "SAM2", shown: Shown, frame: int, prompts: Iterable[ObjectPrompts]
) -> "Iterator[tuple[ObjectPrompts, MaskPrediction]]":
    """Segment the objects of one frame, which is encoded once."""
    from sam2_torch import ImageSession, VideoSession

    if shown.resolution is None:
        image = ImageSession(model, shown.frames[frame], contrast=shown.contrast)
        for said in prompts:
            yield said, image.predict(*said.prompts)[0]
        return
    windows = VideoSession(model, shown.frames, **shown.options)
    for said in prompts:
        yield said, _prompt(windows, said)


def _checked_span(frames: tuple[int, int] | None, movie: Movie) -> tuple[int, int]:
    n_planes = movie.n_planes
    n_times = movie.n_frames // n_planes
    first, stop = frames or (0, n_times)
    if not 0 <= first < stop <= n_times:
        raise ValueError(
            f"frames {first}:{stop}: expected a first frame before a last one (which is not "
            f"taken) within 0:{n_times}"
        )
    return first * n_planes, stop * n_planes


def _within(span: tuple[int, int], prompts: Iterable[ObjectPrompts]) -> Iterator[ObjectPrompts]:
    """Pass on the prompts in a range of frames, and say how many are not."""
    taken = left_out = 0
    for said in prompts:
        if span[0] <= said.frame < span[1]:
            taken += 1
            yield said
        else:
            left_out += 1
    where = f"in the frames {span[0]}:{span[1]}"
    if not taken:
        raise ValueError(f"prompts: expected at least one {where}, found none there")
    if left_out:
        _LOG.warning("%d prompts are not %s and were left out", left_out, where)


def _given_mask(said: ObjectPrompts) -> SparseMask | None:
    """Get the mask that a user gave for an object and did not refine."""
    (first, *others) = said.prompts
    if isinstance(first, MaskPrompt) and not others:
        return first.sparse
    return None


def _prompt(session: "VideoSession", said: ObjectPrompts) -> "MaskPrediction":
    return say(session, said.object_id, said.frame, said.prompts, said.choice)


def _put_back(given: Masklets, masklets: Masklets) -> None:
    """Keep the masks that the user gave: the network's copy of them is coarser."""
    for object_id in given.object_ids:
        for frame in given.frames(object_id):
            mask = given.get(object_id, frame)
            if mask is not None:
                masklets.set(object_id, frame, mask)
