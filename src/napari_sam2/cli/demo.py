"""`napari-sam2 demo`: a movie tracked from one click in each cell, and a picture of it."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_sam2 import sample_data
from napari_sam2.api import prompted
from napari_sam2.api.progress import progress_bar
from napari_sam2.cli.jobs import print_status
from napari_sam2.cli.options import add_model, add_overwrite, channels, load_model
from napari_sam2.io.files import stem
from napari_sam2.io.images.tiff import write_tiff
from napari_sam2.io.outputs import check_outputs
from napari_sam2.io.prompts.label_prompts import clicks_from_labels
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.prompts.prompts_csv import write_prompts_csv
from napari_sam2.io.read import read_movie
from napari_sam2.io.tracks.formats import export
from napari_sam2.io.tracks.outline_pictures import write_outlines
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.prompts import PointPrompt

_MOST_CELLS = 40

HELP = "track a synthetic movie, or your own, and draw a picture of it"
DESCRIPTION = (
    "Click once in each cell of the first frame, track the cells, and write movie.tif (if none "
    "is given), prompts.csv, labels.tif and outlines.png to a folder. In your own movie, the "
    "cells are what is brighter than the background."
)
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("movie", metavar="MOVIE", nargs="?", help="synthetic nuclei if left out")
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True)
    add_overwrite(parser)
    parser.add_argument("--axes", help="of MOVIE, for example TYX or ZYX")
    parser.add_argument("--channel", metavar="C", type=channels, help="of MOVIE (default: 0)")
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 demo`."""
    folder = Path(arguments.output)
    movie, prompts = _given(arguments) if arguments.movie else _synthetic()
    made = ["prompts.csv", "labels.tif", "outlines.png", *["movie.tif"] * (not arguments.movie)]
    read = [Path(arguments.movie)] if arguments.movie else []
    check_outputs([folder / name for name in made], read, arguments.overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    movie_path = Path(arguments.movie) if arguments.movie else folder / "movie.tif"
    if not arguments.movie:
        layout = movie.layout
        write_tiff(movie_path, movie, layout.label_shape, layout.label_axes, movie.calibration)
    write_prompts_csv(folder / "prompts.csv", prompts)
    print_status(f"{movie_path}: {movie}, one click in each of {len(prompts)} cells of frame 0")
    model = load_model(arguments)
    with progress_bar() as progress:
        masklets = prompted.track(model, movie, prompts, progress=progress)
    tracked = Tracked.of(movie, masklets)
    export(folder / "labels.tif", tracked)
    write_outlines(folder / "outlines.png", tracked)
    print(f"{folder / 'labels.tif'}: the label movie\n{folder / 'outlines.png'}: a picture of it")
    print_status(
        "the same by hand: napari-sam2 track "
        f"{movie_path} --prompts {folder / 'prompts.csv'} -o {stem(movie_path)}_labels.tif"
    )
    return 0


def _synthetic() -> tuple[Movie, list[ObjectPrompts]]:
    pixels, truth = sample_data.dividing_nuclei_with_truth()
    size = sample_data.TIME_LAPSE_PIXEL_UM
    calibration = Calibration((size, size), time_interval=sample_data.TIME_LAPSE_INTERVAL_S)
    return Movie(pixels, "TYX", calibration=calibration), clicks_from_labels(truth[0])


def _given(arguments: argparse.Namespace) -> tuple[Movie, list[ObjectPrompts]]:
    movie = read_movie(arguments.movie, arguments.axes, arguments.channel)
    places = bright_cells(movie[0])
    if not len(places):
        raise ValueError(
            f"{arguments.movie}: expected bright cells in frame 0, found none; "
            "use napari-sam2 track with prompts of your own"
        )
    clicks = [(PointPrompt([place], [1]),) for place in places]
    return movie, [ObjectPrompts(i, 0, click) for i, click in enumerate(clicks, start=1)]


def bright_cells(frame: NDArray[Any]) -> NDArray[np.intp]:
    """Return the deepest points inside bright cells, to be clicked on.

    Parameters
    ----------
    frame
        (H, W) or (H, W, 3).

    Returns
    -------
    (N, 2) rows and columns, N at most 40: the thickest cells, by Otsu's threshold.
    """
    from skimage.feature import peak_local_max
    from skimage.filters import threshold_otsu

    grey = np.nan_to_num(frame.astype(np.float32))
    smooth = gaussian_filter(grey if grey.ndim == 2 else grey.mean(-1), 2)
    if smooth.min() == smooth.max():
        return np.zeros((0, 2), np.intp)
    cells = np.pad(smooth > threshold_otsu(smooth), 1)  # type: ignore[no-untyped-call]
    depth = gaussian_filter(distance_transform_edt(cells), 1.5)[1:-1, 1:-1]
    peaks = peak_local_max(  # type: ignore[no-untyped-call]
        depth, min_distance=5, threshold_abs=2, exclude_border=False, num_peaks=_MOST_CELLS
    )
    return np.asarray(peaks)
