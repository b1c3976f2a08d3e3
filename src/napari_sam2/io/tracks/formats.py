"""Formats of tracked objects; the file suffix selects the format."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import replacing, suffix
from napari_sam2.io.images.tiff import write_tiff
from napari_sam2.io.images.zarr_store import is_geff, is_zarr
from napari_sam2.io.label_images import LARGEST_ID, check_ids
from napari_sam2.io.optional import library
from napari_sam2.io.outputs import SIGNATURE, check_replaceable
from napari_sam2.io.read import named, read_labels
from napari_sam2.io.sessions.session_files import SUFFIX
from napari_sam2.io.sessions.session_tracks import read_tracked_session
from napari_sam2.io.tracks import coco, ctc
from napari_sam2.io.tracks.geff import read_geff, write_geff
from napari_sam2.io.tracks.imagej_rois import Size, read_rois, write_rois
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.io.tracks.mp4 import write_mp4
from napari_sam2.io.tracks.ome_zarr_labels import read_properties, write_ome_zarr_labels
from napari_sam2.io.tracks.trackmate import read_trackmate, write_trackmate
from napari_sam2.io.tracks.writer import Progress, Writer, silent
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.measurements import Table, collect, measure_tracks, measured_frames
from napari_sam2.tracks.tracked_movie import Channels, Tracked

TRACKS = "_tracks"
"""What the name of the second file has before its suffix."""


def tables_of(path: Path) -> tuple[Path, Path]:
    """Return the files of both tables: objects by frame, and tracks.

    Parameters
    ----------
    path
        Of the first table.
    """
    return path, path.with_name(f"{path.stem}{TRACKS}{path.suffix}")


def write_measurements(
    path: Path, tracked: Tracked, progress: Progress = silent, channels: Channels | None = None
) -> None:
    """Write two tables of measurements: objects by frame, and tracks beside it.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`; the tracks are in `<stem>_tracks` with the same suffix.
    channels
        As for `measure_objects`.
    """
    write = _write_parquet if suffix(path) == ".parquet" else _write_csv
    rows = []
    for frame, found in enumerate(measured_frames(tracked, channels)):
        rows += found
        progress(frame + 1, tracked.n_frames)
    objects = collect(rows)
    tracks = measure_tracks(tracked, objects)
    first, second = tables_of(path)
    with replacing(second) as partial_tracks, replacing(first) as partial:
        write(partial, objects)
        write(partial_tracks, tracks)
        # two files cannot be replaced at once: after a death in between there is none of the
        # second kind, instead of one that belongs to other objects
        second.unlink(missing_ok=True)


def _write_csv(path: Path, table: Table) -> None:
    table.to_csv(path, index=False, na_rep="nan", lineterminator="\r\n")


def _write_parquet(path: Path, table: Table) -> None:
    import pyarrow
    import pyarrow.parquet

    written = pyarrow.table(table.to_dict("list"))
    pyarrow.parquet.write_table(written.replace_schema_metadata({"software": SIGNATURE}), path)


def _itself(path: Path) -> tuple[Path, ...]:
    return (path,)


@dataclass(frozen=True)
class Format:
    """A format that objects are written in.

    Parameters
    ----------
    name
        For people.
    write
        Its writer.
    files
        All files and folders that are written for a path.
    largest_id
        Largest object id that it can hold.
    holds_stacks
        Whether it can hold a movie of stacks (TZYX).
    library
        What must be installed for it, as (module, package); None for nothing.
    """

    name: str
    write: Writer
    files: Callable[[Path], tuple[Path, ...]] = _itself
    largest_id: int = LARGEST_ID
    holds_stacks: bool = True
    library: tuple[str, str] | None = None


def write_label_tiff(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write the label movie as a TIFF.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.
    """

    def frames() -> Iterator[NDArray[np.integer]]:
        for frame in range(tracked.n_frames):
            progress(frame + 1, tracked.n_frames)
            yield tracked.labels(frame)

    write_tiff(path, frames(), tracked.label_shape, tracked.axes, tracked.calibration)


FORMATS: Mapping[str, Format] = {
    ".tif": Format("Label movie (TIFF)", write_label_tiff),
    ".ome.tif": Format("Label movie (OME-TIFF)", write_label_tiff),
    ".ome.zarr": Format("Label movie (OME-Zarr)", write_ome_zarr_labels),
    ".ctc": Format("Cell Tracking Challenge", ctc.write_ctc, largest_id=ctc.LARGEST_ID),
    ".geff": Format("GEFF (graph of tracks)", write_geff, library=("geff", "geff")),
    ".xml": Format("TrackMate", write_trackmate),
    ".json": Format("COCO for videos", coco.write_coco, holds_stacks=False, library=coco.LIBRARY),
    ".zip": Format("ImageJ ROIs", write_rois),
    ".csv": Format("Measurements (CSV)", write_measurements, tables_of),
    ".parquet": Format(
        "Measurements (Parquet)",
        write_measurements,
        tables_of,
        library=("pyarrow.parquet", "pyarrow"),
    ),
    ".mp4": Format("Video with outlines", write_mp4, holds_stacks=False),
}
"""What can be written, by suffix."""

_ALSO = {".tiff": ".tif", ".ome.tiff": ".ome.tif"}
FOLDERS = (".ome.zarr", ".ctc", ".geff")
"""Formats that are folders."""


def find_format(path: str | Path) -> Format:
    """Return the format that a file's suffix selects.

    Parameters
    ----------
    path
        The file to write.

    Raises
    ------
    ValueError
        If the suffix is that of no format.
    """
    found = suffix(Path(path))
    chosen = FORMATS.get(_ALSO.get(found, found))
    if chosen is None:
        raise ValueError(
            f"{Path(path).name}: expected an output that ends in {', '.join(FORMATS)}, "
            f"found {found or 'no suffix'}"
        )
    return chosen


def check_holds(path: Path, axes: str, object_ids: Iterable[int] = ()) -> None:
    """Check, before any work, that a format can hold what will be written.

    Parameters
    ----------
    path
        The output.
    axes
        Of the label movie: YX, TYX, ZYX or TZYX.
    object_ids
        Of the objects, as far as they are known.

    Raises
    ------
    ValueError
        If it cannot.
    ImportError
        If a library is missing.
    """
    chosen = find_format(path)
    if chosen.library is not None:
        library(*chosen.library, f"a {suffix(path)}")
    if axes == "TZYX" and not chosen.holds_stacks:
        raise ValueError(
            f"{path.name}: expected a movie or a stack, found a movie of stacks (TZYX); choose "
            + ", ".join(end for end, one in FORMATS.items() if one.holds_stacks)
        )
    try:
        check_ids(object_ids, chosen.largest_id)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def export(path: str | Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write objects, masks and lineage in the format that the suffix selects.

    Parameters
    ----------
    path
        The output; a file that is there is replaced when the new one is whole. `check_outputs`
        checks beforehand what that would destroy.
    tracked
        What to write.
    progress
        Called with how much is done; what it raises stops the writing, and nothing is left of it.

    Raises
    ------
    ValueError
        If the suffix is unknown, or the format cannot hold it.
    FileNotFoundError
        If the folder to write to does not exist.
    FileExistsError
        If a folder is there that napari-sam2 did not write.
    ImportError
        If a library is missing.
    """
    path, chosen = Path(path), find_format(path)
    check_holds(path, tracked.axes, tracked.tracks.object_ids)
    for file in chosen.files(path):
        check_replaceable(file, overwrite=True)  # of folders never
    chosen.write(path, tracked, progress)


def read_tracked(path: str | Path, movie: Movie | None = None, size: Size | None = None) -> Tracked:
    """Read objects with their masks and lineage, to be corrected, measured or exported.

    Parameters
    ----------
    path
        A folder of the Cell Tracking Challenge, a `.geff`, a session (`.jsonl`), TrackMate's
        `.xml`, COCO's `.json`, ImageJ's ROIs (`.zip`, `.roi`), or any label image or movie that
        `read_movie` opens: there the same label is the same object.
    movie
        What the masks lie on, if it is at hand; its calibration counts then.
    size
        Number of frames and their (H, W), for ROIs, whose files need not tell; by default the
        movie's.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    ValueError
        If it cannot be read, or does not fit the movie.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected masks or tracks, found nothing")
    if movie is not None:
        size = movie.n_frames, movie.frame_shape
    try:
        tracked = _read(path, size)
        return tracked if movie is None else on_movie(tracked, movie)
    except ValueError as error:
        raise named(path, error) from error


def on_movie(tracked: Tracked, movie: Movie) -> Tracked:
    """Return objects with the calibration and the channels of a movie.

    Parameters
    ----------
    tracked
        Masks of the movie's objects; their calibration is kept where the movie has none.
    movie
        What the masks lie on.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    found = (tracked.n_frames, *tracked.masklets.frame_shape)
    wanted = (movie.n_frames, *movie.frame_shape)
    if found != wanted:
        raise ValueError(
            f"expected masks for the movie's {wanted[0]} frames of {wanted[1]} x {wanted[2]}, "
            f"found {found[0]} of {found[1]} x {found[2]}"
        )
    known = Tracked.of(movie, tracked.masklets, tracked.lineage, tracked.names)
    known = replace(known, reviewed=tracked.reviewed)
    has_size = movie.calibration.pixel_size_yx is not None
    return known if has_size else replace(known, calibration=tracked.calibration)


_READERS: Mapping[str, Callable[[Path], Tracked]] = {
    ".geff": read_geff,
    SUFFIX: read_tracked_session,
    ".xml": read_trackmate,
    ".json": coco.read_coco,
}


def _read(path: Path, size: Size | None) -> Tracked:
    end = ".geff" if is_geff(path) else suffix(path)
    if end in _READERS:
        return _READERS[end](path)
    if end in (".zip", ".roi"):
        return read_rois(path, size)
    is_ctc = path.is_dir() and (
        (path / "TRA").is_dir() or any(path.glob("*_track.txt")) or suffix(path) == ".ctc"
    )
    if is_ctc:
        return ctc.read_ctc(path)
    labels = tracked_labels(read_labels(path))
    return read_properties(path, labels) if is_zarr(path) else labels
