"""Objects and lineage out and in: the form is told by the suffix."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import suffix
from napari_sam2.io.images.tiff import write_tiff
from napari_sam2.io.sessions.session_files import SUFFIX
from napari_sam2.io.sessions.session_tracks import read_tracked_session
from napari_sam2.io.tracks.coco import write_coco
from napari_sam2.io.tracks.ctc import read_ctc, write_ctc
from napari_sam2.io.tracks.geff import read_geff, write_geff
from napari_sam2.io.tracks.imagej_rois import write_rois
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.io.tracks.measurement_tables import write_measurements
from napari_sam2.io.tracks.mp4 import write_mp4
from napari_sam2.io.tracks.ome_zarr_labels import read_properties, write_ome_zarr_labels
from napari_sam2.io.tracks.trackmate import write_trackmate
from napari_sam2.io.tracks.writer import Progress, Writer, silent
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked


@dataclass(frozen=True)
class Form:
    """A kind of file that objects are written to.

    Parameters
    ----------
    name
        For people.
    write
        Its writer.
    """

    name: str
    write: Writer


def write_label_tiff(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write the label movie as a TIFF; `progress` is called after each frame, and may raise."""

    def frames() -> Iterator[NDArray[np.integer]]:
        for frame in range(tracked.n_frames):
            progress(frame + 1, tracked.n_frames)
            yield tracked.labels(frame)

    write_tiff(path, frames(), tracked.label_shape, tracked.axes, tracked.calibration)


FORMS: Mapping[str, Form] = {
    ".tif": Form("Label movie (TIFF)", write_label_tiff),
    ".ome.tif": Form("Label movie (OME-TIFF)", write_label_tiff),
    ".ome.zarr": Form("Label movie (OME-Zarr)", write_ome_zarr_labels),
    ".ctc": Form("Cell Tracking Challenge", write_ctc),
    ".geff": Form("GEFF (graph of tracks)", write_geff),
    ".xml": Form("TrackMate", write_trackmate),
    ".json": Form("COCO for videos", write_coco),
    ".zip": Form("ImageJ ROIs", write_rois),
    ".csv": Form("Measurements (CSV)", write_measurements),
    ".parquet": Form("Measurements (Parquet)", write_measurements),
    ".mp4": Form("Video with outlines", write_mp4),
}
"""What can be written, by suffix."""

_ALSO = {".tiff": ".tif", ".ome.tiff": ".ome.tif"}
FOLDERS = (".ome.zarr", ".ctc", ".geff")
"""Forms that are folders."""


def form_of(path: str | Path) -> Form:
    """Find what a file's suffix stands for.

    Raises
    ------
    ValueError
        If it stands for nothing that can be written.
    """
    found = suffix(Path(path))
    form = FORMS.get(_ALSO.get(found, found))
    if form is None:
        raise ValueError(
            f"{Path(path).name}: expected an output that ends in {', '.join(FORMS)}, "
            f"found {found or 'no suffix'}"
        )
    return form


def export(path: str | Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write objects, masks and lineage in the form that the suffix stands for.

    Parameters
    ----------
    path
        Where to; what is there is replaced when the new one is whole.
    tracked
        What to write.
    progress
        Is told how much is done; what it raises stops the writing, and nothing is left of it.

    Raises
    ------
    ValueError
        If the suffix is unknown, or the form cannot hold it.
    FileNotFoundError
        If the folder to write to does not exist.
    FileExistsError
        If a folder of something else is there.
    ImportError
        If a library is missing.
    """
    form_of(path).write(Path(path), tracked, progress)


def read_tracked(path: str | Path, movie: Movie | None = None) -> Tracked:
    """Read objects with their masks and lineage, to be corrected, measured or written anew.

    Parameters
    ----------
    path
        A folder of the Cell Tracking Challenge, a `.geff`, a session (`.jsonl`), or any label
        image or movie that `read_movie` opens: there the same label is the same object.
    movie
        What the masks lie on, if it is at hand; its calibration counts then.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    ValueError
        If it cannot be read, or does not fit the movie.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: expected a label image, a .ctc, a .geff or a session, found nothing"
        )
    tracked = _read(path)
    if movie is None:
        return tracked
    found = (tracked.n_frames, *tracked.masklets.frame_shape)
    wanted = (movie.n_frames, *movie.frame_shape)
    if found != wanted:
        raise ValueError(
            f"{path.name}: expected masks for the movie's {wanted[0]} frames of "
            f"{wanted[1]} x {wanted[2]}, found {found[0]} of {found[1]} x {found[2]}"
        )
    known = Tracked.of(movie, tracked.masklets, tracked.lineage, tracked.names)
    has_size = movie.calibration.pixel_size_yx is not None
    return known if has_size else replace(known, calibration=tracked.calibration)


def _read(path: Path) -> Tracked:
    from napari_sam2.io.read import read_movie

    if suffix(path) == ".geff":
        return read_geff(path)
    if suffix(path) == SUFFIX:
        return read_tracked_session(path)
    is_ctc = path.is_dir() and (
        (path / "TRA").is_dir() or any(path.glob("*_track.txt")) or suffix(path) == ".ctc"
    )
    if is_ctc:
        return read_ctc(path)
    labels = tracked_labels(read_movie(path))
    return read_properties(path, labels) if suffix(path) == ".ome.zarr" else labels
