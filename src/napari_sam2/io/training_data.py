"""Labelled data to fine-tune a model: read from folders and sessions, written to a folder."""

import csv
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam2.io.files import natural_key, stem
from napari_sam2.io.images.image_files import bare_stem
from napari_sam2.io.read import read_labels, read_movie
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Movie
from sam2_torch.training.data.labelled_movies import (
    MANIFEST,
    DataError,
    Kind,
    LabelledMovie,
    read_dataset,
)

IMAGE_FOLDERS, LABEL_FOLDERS = ("images", "image", "raw"), ("labels", "label", "masks", "mask")
MAX_LABEL = np.iinfo(np.uint16).max
DATA = f"""\
a folder with {MANIFEST} (the format of the benchmarks), with the folders images and labels that
have files of the same names, or with files in pairs such as a.tif and a_labels.tif"""


def read_labelled(folder: Path) -> list[LabelledMovie]:
    """Read images, movies and stacks with their labels.

    Parameters
    ----------
    folder
        With a manifest (see `read_dataset`); with subfolders `images` and `labels` (or `masks`)
        in which files have the same names; or with pairs of files such as `a.tif` and
        `a_labels.tif`. A movie's labels are a movie.

    Raises
    ------
    DataError
        If nothing of the kind is there, or images and labels do not fit.
    FileNotFoundError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected {DATA}; found no such folder")
    if (folder / MANIFEST).is_file():
        return read_dataset(folder)
    pairs = list(_paired_folders(folder)) or list(_paired_files(folder))
    if not pairs:
        raise DataError(f"{folder}: expected {DATA}; found none of these")
    return [_read_pair(image, labels) for image, labels in pairs]


def _paired_folders(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the files of equal names in the two subfolders."""
    images, labels = (
        next((folder / name for name in names if (folder / name).is_dir()), None)
        for names in (IMAGE_FOLDERS, LABEL_FOLDERS)
    )
    if images is None or labels is None:
        return
    by_stem = {bare_stem(path): path for path in labels.iterdir() if not path.name.startswith(".")}
    for path in sorted(images.iterdir(), key=natural_key):
        if path.name.startswith("."):
            continue
        if stem(path) not in by_stem:
            raise DataError(
                f"{path}: expected labels of the same name in {labels}, found none; "
                "take the image away, or add its labels"
            )
        yield path, by_stem[stem(path)]


def _paired_files(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the pairs of files of which one has an ending for labels."""
    paths = sorted(folder.iterdir(), key=natural_key)
    labels = {bare_stem(path): path for path in paths if bare_stem(path) != stem(path)}
    for path in paths:
        if stem(path) in labels and path not in labels.values():
            yield path, labels[stem(path)]


def _read_pair(image: Path, labels: Path) -> LabelledMovie:
    movie, truth = read_movie(image), read_labels(labels)
    if (truth.n_frames, truth.frame_shape) != (movie.n_frames, movie.frame_shape):
        raise DataError(
            f"{labels.name}: expected {movie.n_frames} label images of {movie.frame_shape}, as "
            f"{image.name} has, found {truth.n_frames} of {truth.frame_shape}"
        )
    stacked = np.stack([truth[t] for t in range(truth.n_frames)])
    if stacked.ndim != 3 or stacked.dtype.kind not in "biu":
        raise DataError(
            f"{labels.name}: expected whole numbers, one for each object, found "
            f"{stacked.dtype} of shape {stacked.shape}"
        )
    _check_instances(labels, stacked)
    name = stem(image)
    return LabelledMovie(
        name, name, _kind(movie), image.parent.name, _frames_of(movie), stacked.astype(np.uint32)
    )


def _check_instances(path: Path, labels: NDArray[Any]) -> None:
    """Check that each object has a number of its own."""
    values = np.unique(labels)
    if len(values[values > 0]) != 1:
        return
    from scipy.ndimage import label

    _, pieces = label(labels[0] > 0)
    if pieces > 3:
        raise DataError(
            f"{path.name}: expected a number for each object, found one number for all of about "
            f"{pieces}; number them first (scipy.ndimage.label, or Fiji's connected components)"
        )


def _kind(movie: Movie) -> Kind:
    if movie.n_frames == 1:
        return "2d"
    return "z" if movie.layout.label_axes.startswith("Z") else "time"


def _frames_of(movie: Movie) -> NDArray[Any]:
    return np.stack([movie[t] for t in range(movie.n_frames)])


def session_movies(
    name: str, frames: Sequence[NDArray[Any]], masklets: Masklets, kind: Kind = "time"
) -> list[LabelledMovie]:
    """Return the frames of a session with masks as labelled movies.

    Frames with masks are used. Consecutive frames with masks of the same objects become one
    movie: elsewhere an object that is absent cannot be distinguished from one without a mask yet.

    Parameters
    ----------
    name
        For people.
    frames
        The session's movie; read where masks are known only.
    masklets
        All masks in it count as the truth.
    kind
        "time" or "z", of the movie.
    """
    known: dict[int, frozenset[int]] = {}
    for frame in range(masklets.n_frames):
        known[frame] = frozenset(
            i for i in masklets.object_ids if masklets.get(i, frame) is not None
        )
    movies = []
    for ids, group in groupby(known, key=known.__getitem__):
        run = list(group)
        if not ids:
            continue
        labels = np.stack([masklets.labels(frame, sorted(ids)) for frame in run])
        images = np.stack([np.asarray(frames[frame]) for frame in run])
        part = name if len(known) == 1 else f"{name} {run[0]}-{run[-1]}"
        shown: Kind = kind if len(run) > 1 else "2d"
        movies.append(LabelledMovie(part, name, shown, "session", images, labels))
    return movies


def write_dataset(folder: Path, movies: Sequence[LabelledMovie]) -> None:
    """Write labelled movies as a folder that `read_dataset` reads.

    Parameters
    ----------
    folder
        Made if it does not exist.
    movies
        Images with labels up to 65535.

    Raises
    ------
    DataError
        If a movie has more labels than 16 bits can hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("file", "kind", "modality")]
    for number, movie in enumerate(movies):
        if movie.labels.max(initial=0) > MAX_LABEL:
            raise DataError(
                f"{movie.name}: expected labels up to {MAX_LABEL}, found {movie.labels.max()}"
            )
        letters = "".join(c if c.isalnum() else "-" for c in movie.name)
        file = f"{letters}_{number}.npz"
        image, labels = movie.images, movie.labels.astype(np.uint16)
        if movie.kind == "2d":
            image, labels = image[0], labels[0]
        np.savez_compressed(folder / file, image=image, labels=labels)
        rows.append((file, movie.kind, movie.modality))
    part = folder / f".{MANIFEST}.part"
    with part.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    os.replace(part, folder / MANIFEST)
