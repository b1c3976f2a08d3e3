"""Read the prompts of a session, to be replayed on the same movie or on another one."""

import logging
from dataclasses import replace
from pathlib import Path

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.annotation.history import Kind
from napari_sam2.annotation.session_settings import Settings
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.sessions.session_files import SUFFIX, Fingerprint, read_session
from napari_sam2.movies.movie import Movie
from sam2_torch.prompts import MaskPrompt, PointPrompt, Prompt

_LOG = logging.getLogger(__name__)


def settings_of(path: Path) -> Settings:
    """Read with which network, and seen how, the masks of a session were made last.

    Returns
    -------
    The usual ones if the file is no session, but prompts of another kind.
    """
    if path.suffix != SUFFIX:
        return Settings()
    header, history = read_session(path, left_out=lambda _: None)  # the prompts say it
    settings = history.settings
    return settings if settings.model else replace(settings, model=header.model)


def prompts_from_session(path: Path, movie: Movie) -> list[ObjectPrompts]:
    """Read what counts at the end of a session.

    Parameters
    ----------
    path
        The session file.
    movie
        What the prompts are for. If the session was made on another one, that is logged.

    Returns
    -------
    list of ObjectPrompts
        By frame, then by object.

    Raises
    ------
    ValueError
        If it is no session, has no prompt, or one that lies outside of the movie.
    """
    header, history = read_session(path)
    prompts = {
        key.place: value
        for key, value in history.values.items()
        if key.kind == Kind.PROMPTS and isinstance(value, DrawnPrompts)
    }
    if not prompts:
        raise ValueError(f"{path.name}: expected a session with at least one prompt, found none")
    difference = header.image.difference(Fingerprint.of(movie, path.stem, place=header.image.place))
    if difference:
        _LOG.warning(
            "%s was made on another image, %s: it %s", path.name, header.image.name, difference
        )
    last = max(frame for _, frame in prompts)
    if last >= movie.n_frames:
        raise ValueError(
            f"{path.name}: expected prompts in the frames 0..{movie.n_frames - 1} of the movie, "
            f"found one in frame {last}"
        )
    if any(drawn.painted is not None or drawn.outlines for drawn in prompts.values()) and (
        header.image.frame_shape != movie.frame_shape
    ):
        raise ValueError(
            f"{path.name}: expected a movie of {header.image.frame_shape} pixels, for the session "
            f"has painted masks, found {movie.frame_shape}"
        )
    places = sorted(prompts, key=lambda place: place[::-1])
    return [
        ObjectPrompts(
            *place, _prompts(prompts[place], movie, not difference), prompts[place].choice
        )
        for place in places
    ]


def _prompts(drawn: DrawnPrompts, movie: Movie, is_same: bool) -> tuple[Prompt, ...]:
    """Return the prompts of a frame; on the same movie, clicks correct the mask that was there."""
    prompts = drawn.prompts(movie.frame_shape)
    if is_same and drawn.present and all(isinstance(p, PointPrompt) for p in prompts):
        return MaskPrompt(drawn.present), *prompts
    return prompts
