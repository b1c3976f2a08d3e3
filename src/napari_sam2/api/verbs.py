"""The verbs of `import napari_sam2`: read, segment, track, link, measure and export."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from napari_sam2.api import automatic, linking, prompted
from napari_sam2.api.progress import progress_bar
from napari_sam2.io.outputs import check_outputs
from napari_sam2.io.prompts.label_prompts import prompts_from_labels
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.prompts.prompts_csv import prompts_from_table
from napari_sam2.io.read import read_movie, read_prompts
from napari_sam2.io.tracks import formats
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.movies.appearance import USUAL, Appearance
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import ArraySource, Calibration, Movie
from napari_sam2.tracks import measurements
from napari_sam2.tracks.tracked_movie import Tracked

if TYPE_CHECKING:
    import pandas

    from sam2_torch import SAM2, EverythingOptions
    from sam2_torch.automatic import TrackOptions
    from sam2_torch.sessions.propagation_plan import PropagationDirection

File: TypeAlias = str | Path
Model: TypeAlias = "File | SAM2"
"""Name or path of a model, or a model that `sam2_torch.load_sam2` loaded."""
Prompts: TypeAlias = "File | pandas.DataFrame | ArraySource | Iterable[ObjectPrompts]"
"""A file, a table of clicks and boxes, a label image, or prompts by object and frame."""


def read(
    source: File | ArraySource,
    axes: str | None = None,
    channel: Channel | None = None,
    calibration: Calibration | None = None,
) -> Movie:
    """Open a movie, a stack or an image; frames are read when asked for.

    Parameters
    ----------
    source
        A TIFF, OME-TIFF, OME-Zarr, Zarr, NPY, PNG, JPEG or video file, a folder of images, or an
        array (numpy, dask, zarr) of real numbers.
    axes
        One letter for each axis: T time, Z depth, C channel, Y rows, X columns, S samples of RGB.
        By default those of the file, or a guess by the shape.
    channel
        The channel to segment, counted from 0; two or three become red, green and blue. The first
        by default. Measurements are of all channels.
    calibration
        Pixel size, plane distance and frame interval; by default those of the file.

    Returns
    -------
    Movie
        A sequence of frames, (H, W) or (H, W, 3) of the file's dtype. A movie of stacks has its
        planes one after the other.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, or the axes do not fit.
    """
    if isinstance(source, (str, Path)):
        movie = read_movie(source, axes, channel)
        movie.calibration = calibration or movie.calibration
        return movie
    return Movie(source, axes, channel, calibration)


def segment(
    movie: File | ArraySource | Movie,
    prompts: "Prompts | None" = None,
    *,
    model: Model = "cells_nano",
    options: "EverythingOptions | None" = None,
    frames: tuple[int, int] | None = None,
    appearance: Appearance = USUAL,
) -> Tracked:
    """Segment images, or each frame of a movie on its own.

    Parameters
    ----------
    movie
        From `read`, or what `read` takes.
    prompts
        As for `track`; the objects get masks on their prompted frames only. By default all
        objects are segmented without prompts, numbered from 1 in each frame.
    options
        Without prompts: seeds, thresholds and rules.
    model, frames, appearance
        As for `track`.

    Returns
    -------
    Tracked
        Masks of the objects; `to_array()` is the label movie.

    Raises
    ------
    ValueError
        If prompts or frames do not fit the movie.
    """
    movie = _movie(movie)
    network = _load(model)
    with progress_bar("frame" if prompts is not None else "seed") as progress:
        if prompts is None:
            found = automatic.segment_all(
                network, movie, options, frames=frames, progress=progress, appearance=appearance
            )
            return Tracked.of(movie, found.masklets)
        masklets = prompted.segment(
            network,
            movie,
            _prompts(prompts, movie),
            frames=frames,
            progress=progress,
            appearance=appearance,
        )
    return Tracked.of(movie, masklets)


def track(
    movie: File | ArraySource | Movie,
    prompts: Prompts,
    *,
    model: Model = "cells_nano",
    direction: "PropagationDirection" = "both",
    frames: tuple[int, int] | None = None,
    appearance: Appearance = USUAL,
) -> Tracked:
    """Propagate prompted objects through a movie, a stack or a movie of stacks.

    Parameters
    ----------
    movie
        From `read`, or what `read` takes.
    prompts
        A file (CSV, label image, session); a table with the columns object, frame, y, x and, where
        needed, kind, label, y1, x1 and z, in pixels, frames counted from 0; a label array, (H, W)
        for frame 0 or of the movie's shape, in which each label on a frame is the mask of an
        object; or `ObjectPrompts`.
    model
        Name or path of a model, or a loaded one.
    direction
        "forward", "backward" or "both", from each object's own prompted frames.
    frames
        First frame and the one after the last; all by default.
    appearance
        Contrast, gamma and resolution of what the network sees.

    Returns
    -------
    Tracked
        Masks of the objects in the frames that the propagation reached; `to_array()` is the label
        movie.

    Raises
    ------
    ValueError
        If prompts or frames do not fit the movie.
    """
    movie = _movie(movie)
    given = _prompts(prompts, movie)
    network = _load(model)
    with progress_bar() as progress:
        masklets = prompted.track(
            network,
            movie,
            given,
            direction=direction,
            frames=frames,
            progress=progress,
            appearance=appearance,
        )
    return Tracked.of(movie, masklets)


def track_all(
    movie: File | ArraySource | Movie,
    *,
    model: Model = "cells_nano",
    options: "TrackOptions | None" = None,
    accept_divisions: float | None = None,
    frames: tuple[int, int] | None = None,
    appearance: Appearance = USUAL,
) -> Tracked:
    """Find all objects of a movie or a stack and propagate them through it.

    Parameters
    ----------
    movie
        From `read`, or what `read` takes; not a movie of stacks.
    options
        Frames in which new objects are looked for, and how.
    accept_divisions
        Put proposed divisions of at least this score, 0 to 1, into the lineage; none by default.
    model, frames, appearance
        As for `track`.

    Returns
    -------
    Tracked
        Masks and tracks of the objects.

    Raises
    ------
    ValueError
        If the frames do not fit, or the movie is one of stacks.
    """
    movie = _movie(movie)
    network = _load(model)
    with progress_bar() as progress:
        found = automatic.track_all(
            network, movie, options, frames=frames, progress=progress, appearance=appearance
        )
    tracked = Tracked.of(movie, found.masklets)
    if accept_divisions is None:
        return tracked
    return automatic.accept_divisions(tracked, found.divisions, accept_divisions)[0]


def link(
    labels: File | ArraySource | Tracked,
    movie: File | ArraySource | Movie,
    *,
    model: Model = "cells_nano",
    divisions: bool = True,
) -> Tracked:
    """Link labels of single frames, from any program, to tracks with divisions.

    Parameters
    ----------
    labels
        A file or an array of the movie's shape (without channels), 0 for background; equal labels
        in different frames mean nothing.
    movie
        The image: from `read`, or what `read` takes.
    model
        Name or path of a model, or a loaded one.
    divisions
        Whether an object may become two.

    Returns
    -------
    Tracked
        The same masks with new ids from 1 on, and their lineage.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the movie is one of stacks.
    """
    movie = _movie(movie)
    masks = _tracked(labels, movie)
    network = _load(model)
    with progress_bar() as progress:
        return linking.link_labels(network, movie, masks, divisions=divisions, progress=progress)


def measure(
    tracks: File | Tracked,
    movie: File | ArraySource | Movie | None = None,
    *,
    per: Literal["frame", "track"] = "frame",
) -> "pandas.DataFrame":
    """Measure objects: place, size, shape and intensities, in calibrated units.

    Parameters
    ----------
    tracks
        From `track`, `track_all`, `link` or `segment`, or a file that `export` wrote.
    movie
        The image; its calibration and channels count. By default the image that was tracked.
    per
        "frame" for a row per object and frame, "track" for a row per object.

    Returns
    -------
    pandas.DataFrame
        Column names end in the unit (`area_um2`); lengths are in pixels and times in frames where
        the calibration is unknown.

    Raises
    ------
    ValueError
        If tracks and movie have different shapes.
    """
    tracked = _tracked(tracks, None if movie is None else _movie(movie))
    if per == "track":
        return measurements.measure_tracks(tracked)
    return measurements.measure_objects(tracked)


def export(tracks: File | Tracked, path: File, *, overwrite: bool = False) -> None:
    """Write masks, tracks and divisions; the suffix selects the format.

    Parameters
    ----------
    tracks
        From `track`, `track_all`, `link` or `segment`, or a file that `export` wrote.
    path
        Ends in .tif, .ome.tif, .ome.zarr, .ctc, .geff, .xml (TrackMate), .json (COCO), .zip (ImageJ
        ROIs), .csv or .parquet (measurements), or .mp4.
    overwrite
        Replace a file that napari-sam2 did not write. Folders of others are never replaced.

    Raises
    ------
    ValueError
        If the suffix is unknown, or the format cannot hold the objects.
    FileExistsError
        If something is there that may not be replaced.
    ImportError
        If the format needs a library that is not installed.
    """
    output = Path(path)
    inputs = [] if isinstance(tracks, Tracked) else [Path(tracks)]
    check_outputs(formats.find_format(output).files(output), inputs, overwrite)
    with progress_bar() as progress:
        formats.export(output, _tracked(tracks), progress)


@lru_cache(maxsize=1)
def _loaded(name: str) -> "SAM2":
    from sam2_torch import load_model

    return cast("SAM2", load_model(name, dtype="fast"))  # all that is called here, SAM 1 has, too


def _load(model: Model) -> "SAM2":
    """Return a model; the last one that was named stays loaded."""
    return _loaded(str(model)) if isinstance(model, (str, Path)) else model


def _movie(source: File | ArraySource | Movie) -> Movie:
    return source if isinstance(source, Movie) else read(source)


def _prompts(prompts: Prompts, movie: Movie) -> Iterable[ObjectPrompts]:
    if isinstance(prompts, (str, Path)):
        return read_prompts(prompts, movie)
    if hasattr(prompts, "columns"):  # without importing pandas
        return prompts_from_table(prompts, movie)
    if hasattr(prompts, "dtype"):
        return prompts_from_labels(_labels(prompts, movie), movie)
    return cast("Iterable[ObjectPrompts]", prompts)


def _labels(labels: Any, movie: Movie) -> Movie:
    """Return a label array as frames: one image, or the axes of the movie's labels."""
    axes = movie.layout.label_axes
    return Movie(labels, "YX" if len(labels.shape) == 2 else axes)


def _tracked(tracks: Any, movie: Movie | None = None) -> Tracked:
    """Return tracked objects of a file, an array of labels or a result; of the movie, if given."""
    if isinstance(tracks, (str, Path)):
        return formats.read_tracked(tracks, movie)
    if isinstance(tracks, Tracked):
        return tracks if movie is None else formats.on_movie(tracks, movie)
    if movie is None:
        raise ValueError("labels in an array: expected the movie that they lie on, found none")
    return formats.on_movie(tracked_labels(_labels(tracks, movie)), movie)
