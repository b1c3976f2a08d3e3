"""Tables of measurements as CSV or Parquet."""

from pathlib import Path

from napari_sam2.io.files import replacing, suffix
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.io.tracks.writer import Progress, silent
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
