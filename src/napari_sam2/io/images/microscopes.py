"""Files of microscopes, read with bioio and its readers (the extra `microscopes`)."""

import logging
from pathlib import Path
from typing import Any

from napari_sam2.io.files import listed, suffix
from napari_sam2.io.optional import library
from napari_sam2.movies.axes import Channel
from napari_sam2.movies.movie import Calibration, Movie

MICROSCOPES = {".czi": "bioio-czi", ".lif": "bioio-lif", ".nd2": "bioio-nd2"}
"""Suffixes, and the package that reads each; their pixel sizes are in micrometres."""

_LOG = logging.getLogger(__name__)


def is_microscope_file(path: Path) -> bool:
    """Return whether a path is a file of a microscope, or a scene in one.

    Parameters
    ----------
    path
        The file, or `FILE/SCENE`.
    """
    return any(suffix(each) in MICROSCOPES and each.is_file() for each in (path, path.parent))


def read_microscope(path: Path, axes: str | None = None, channel: Channel | None = None) -> Movie:
    """Open a scene of a microscope's file as a movie whose frames are read when asked for.

    Parameters
    ----------
    path
        The file, or `FILE/SCENE` with the scene's name or number, counted from 0; the first
        scene by default.
    axes
        One letter of `AXES` for each axis of more than one pixel, plane or frame; None for
        those of the file.
    channel
        Which channel to take.

    Raises
    ------
    ImportError
        If bioio or its reader for this format is missing.
    ValueError
        If it cannot be read, has no such scene, or the axes do not fit.
    """
    file, scene = (path, None) if path.is_file() else (path.parent, path.name)
    package = MICROSCOPES[suffix(file)]
    bioio = library("bioio", "bioio", f"a {suffix(file)}", "microscopes")
    reader = library(package.replace("-", "_"), package, f"a {suffix(file)}", "microscopes")
    exceptions = library("bioio_base.exceptions", "bioio", f"a {suffix(file)}", "microscopes")
    try:
        image = bioio.BioImage(file, reader=reader.Reader)
        _choose_scene(image, file, scene)
        letters = str(image.dims.order)
        pixels = image.dask_data
        calibration = _calibration(image)
    except (OSError, RuntimeError, exceptions.UnsupportedFileFormatError) as error:
        raise ValueError(
            f"{file.name}: expected a {suffix(file)}, found a file that {package} cannot read "
            f"({error})"
        ) from error
    kept = [letter in "YX" or n > 1 for letter, n in zip(letters, pixels.shape, strict=True)]
    array = pixels[tuple(slice(None) if keep else 0 for keep in kept)]
    found = "".join(letter for letter, keep in zip(letters, kept, strict=True) if keep)
    return Movie(array, axes or found, channel, calibration)


def _choose_scene(image: Any, file: Path, scene: str | None) -> None:
    """Select a scene by its name or number; log which ones are left out by default."""
    scenes = list(image.scenes)
    if scene is None:
        if len(scenes) > 1:
            _LOG.warning(
                "%s: the first of its scenes is read, without %s; give %s/SCENE for another",
                file.name,
                listed(scenes[1:]),
                file.name,
            )
        return
    if scene not in scenes and not (scene.isdecimal() and int(scene) < len(scenes)):
        raise ValueError(
            f"{file.name}: expected one of the scenes {listed(scenes)} or a number below "
            f"{len(scenes)}, found {scene!r}"
        )
    image.set_scene(scene if scene in scenes else int(scene))


def _calibration(image: Any) -> Calibration:
    size, interval = image.physical_pixel_sizes, image.time_interval
    known = bool(size.Y and size.X)
    return Calibration(
        (size.Y, size.X) if known else None,
        "um" if known or size.Z else "",
        size.Z or None,
        interval.total_seconds() if interval else None,
        "s",
    )
