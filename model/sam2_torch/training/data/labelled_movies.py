"""Labelled movies, stacks and images for training, and which of them are held out."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["2d", "time", "z"]
MANIFEST = "manifest.csv"
MIN_AREA_PX = 20
"""Smaller specks are not worth a prompt."""


class DataError(ValueError):
    """Data that cannot be used for training; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class LabelledMovie:
    """A movie, a stack or an image, with the true masks of its objects.

    Parameters
    ----------
    name
        Name for people.
    source
        Name of what was recorded together: never partly held out.
    kind
        "2d", "time" or "z".
    modality
        Name for people, and for an even mixture.
    images
        (T, H, W) or (T, H, W, 3), any real dtype.
    labels
        (T, H, W) integers, 0 = background; the same id is the same object in all frames.

    Raises
    ------
    DataError
        If the shapes do not fit or the labels are not whole numbers of 0 or more.
    """

    name: str
    source: str
    kind: Kind
    modality: str
    images: NDArray[Any]
    labels: NDArray[np.integer[Any]]

    def __post_init__(self) -> None:
        if self.images.ndim not in (3, 4) or self.images.shape[3:] not in ((), (3,)):
            raise DataError(
                f"{self.name}: expected images of shape (T, H, W) or (T, H, W, 3), "
                f"found {self.images.shape}"
            )
        if self.labels.shape != self.images.shape[:3]:
            raise DataError(
                f"{self.name}: expected labels of the images' shape {self.images.shape[:3]}, "
                f"found {self.labels.shape}; give one label image for each frame"
            )
        if self.labels.dtype.kind not in "ui":
            raise DataError(
                f"{self.name}: expected labels that are whole numbers, found {self.labels.dtype}"
            )
        if self.labels.dtype.kind == "i" and self.labels.size and self.labels.min() < 0:
            raise DataError(f"{self.name}: expected labels of 0 or more, found {self.labels.min()}")

    @property
    def n_frames(self) -> int:
        """Return the number of frames."""
        return len(self.images)

    def objects(self, frame: int) -> tuple[NDArray[np.integer[Any]], NDArray[np.intp]]:
        """Return the objects of a frame, without specks, and their areas in pixels."""
        ids, areas = np.unique(self.labels[frame], return_counts=True)
        kept = (ids > 0) & (areas >= MIN_AREA_PX)
        return ids[kept], areas[kept]

    def count_masks(self) -> int:
        """Count the masks of all frames."""
        return sum(len(self.objects(frame)[0]) for frame in range(self.n_frames))


def read_dataset(folder: Path) -> list[LabelledMovie]:
    """Read all items of a folder that has a manifest.

    The folder holds `.npz` files with the arrays `image`, (Y, X), (T or Z, Y, X) or (Y, X, 3),
    and `labels`, and a `manifest.csv` with the columns file, kind (2d, time or z) and modality.

    Raises
    ------
    DataError
        If nothing is there, or an item has another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder}: expected a {MANIFEST}, found none")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "kind", "modality"} <= rows[0].keys():
        raise DataError(
            f"{path}: expected the columns file, kind and modality, found {', '.join(rows[0])}"
        )
    movies = [_read_item(folder, row) for row in rows if (folder / row["file"]).is_file()]
    if not movies:
        raise DataError(f"{path}: expected at least one item whose file is there, found none")
    return movies


def _read_item(folder: Path, row: dict[str, str]) -> LabelledMovie:
    name = Path(row["file"]).stem
    if row["kind"] not in ("2d", "time", "z"):
        raise DataError(f"{name}: expected the kind 2d, time or z, found {row['kind']!r}")
    try:
        with np.load(folder / row["file"]) as arrays:
            image, labels = arrays["image"], arrays["labels"]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{name}: expected the arrays image and labels, found: {error}") from error
    kind: Kind = row["kind"]  # type: ignore[assignment]  # checked above
    if kind == "2d":
        image, labels = image[None], labels[None]
    return LabelledMovie(
        name, source_of(name, row["modality"]), kind, row["modality"], image, labels
    )


def source_of(name: str, modality: str) -> str:
    """Return an item's name without its last number or checksum: the name of its source."""
    return f"{re.sub(r'(_[0-9a-f]{10}|[0-9]+)$', '', name).rstrip('_')} / {modality}"


@dataclass(frozen=True)
class Split:
    """Movies to train on, and held-out ones to measure on."""

    training: tuple[LabelledMovie, ...]
    held_out: tuple[LabelledMovie, ...]


def split_by_source(movies: Sequence[LabelledMovie], share: float, seed: int = 0) -> Split:
    """Hold out about a share of the movies, as whole sources.

    A source larger than twice the share stays in training. If no whole source fits (there may
    be only one), movies are held out one by one; of a single movie, its last frames; of a single
    image, one side.

    Raises
    ------
    DataError
        If there is only a single image with objects that no line divides.
    """
    by_source: dict[str, list[LabelledMovie]] = defaultdict(list)
    for movie in movies:
        by_source[movie.source].append(movie)
    order = [sorted(by_source)[i] for i in np.random.default_rng(seed).permutation(len(by_source))]
    held: list[LabelledMovie] = []
    for source in order:
        fits = len(by_source[source]) <= 2 * share * len(movies)
        if fits and len(held) < share * len(movies) and len(by_source) > 1:
            held += by_source[source]
    if not held:
        return _split_single(movies, share, seed)
    return _split(movies, held)


def hold_out(movies: Sequence[LabelledMovie], patterns: Iterable[str]) -> Split:
    """Hold out the movies whose names match a pattern (`bbbc050_*_Emb0[12]_*`).

    Raises
    ------
    DataError
        If nothing or everything matches.
    """
    wanted = list(patterns)
    held = [movie for movie in movies if any(fnmatch(movie.name, each) for each in wanted)]
    if not held or len(held) == len(movies):
        raise DataError(
            f"held-out part: expected some of the {len(movies)} items to match "
            f"{', '.join(wanted)}, found {len(held)}"
        )
    return _split(movies, held)


def _split(movies: Sequence[LabelledMovie], held: Sequence[LabelledMovie]) -> Split:
    names = {id(movie) for movie in held}
    return Split(tuple(m for m in movies if id(m) not in names), tuple(held))


def _split_single(movies: Sequence[LabelledMovie], share: float, seed: int) -> Split:
    if len(movies) > 1:
        n = min(len(movies) - 1, max(1, round(share * len(movies))))
        chosen = np.random.default_rng(seed).permutation(len(movies))[:n]
        return _split(movies, [movies[i] for i in sorted(chosen)])
    (movie,) = movies
    labelled = [t for t in range(movie.n_frames) if len(movie.objects(t)[0])]
    if len(labelled) < 2:
        return _split_image(movie, share)
    n = min(len(labelled) - 1, max(1, round(share * len(labelled))))
    cut = labelled[-n]
    return Split((_frames(movie, 0, cut),), (_frames(movie, cut, movie.n_frames),))


def _split_image(movie: LabelledMovie, share: float) -> Split:
    """Hold out one side of an image, cut so that its longer side, and so its scale, stays.

    Objects that the cut divides are in neither part.
    """
    frame = max(range(movie.n_frames), key=lambda t: len(movie.objects(t)[0]))
    images, labels = movie.images[frame], movie.labels[frame]
    axis = int(np.argmin(labels.shape))
    ids, _ = movie.objects(frame)
    sides = [np.flatnonzero((labels == i).any(1 - axis))[[0, -1]] for i in ids]
    starts = sorted(int(first) for first, _ in sides)
    cut = starts[-max(1, round(share * len(ids)))] if starts else 0
    whole = labels * np.isin(labels, ids)
    split = [i for i, (first, last) in zip(ids, sides, strict=True) if first < cut <= last]
    whole[np.isin(whole, split)] = 0
    parts = []
    for part in (slice(0, cut), slice(cut, None)):
        at = (part,) if axis == 0 else (slice(None), part)
        name = f"{movie.name}[{part.start}:{'' if part.stop is None else part.stop}]"
        side = (movie.source, movie.kind, movie.modality, images[at][None], whole[at][None])
        parts.append(LabelledMovie(name, *side))
    if not all(part.count_masks() for part in parts):
        raise DataError(
            f"{movie.name}: expected objects on two sides of the image, so that one side can be "
            f"held out to measure on, found {len(ids)} on one side; correct some more"
        )
    return Split((parts[0],), (parts[1],))


def _frames(movie: LabelledMovie, first: int, stop: int) -> LabelledMovie:
    name, part = f"{movie.name}[{first}:{stop}]", slice(first, stop)
    return LabelledMovie(
        name, movie.source, movie.kind, movie.modality, movie.images[part], movie.labels[part]
    )


def check_enough(movies: Sequence[LabelledMovie], least: int) -> int:
    """Count the masks, and check that there are enough to train on.

    Raises
    ------
    DataError
        If there are no labels at all, or fewer masks than `least`.
    """
    n = sum(movie.count_masks() for movie in movies)
    if n == 0:
        raise DataError(
            f"labels: expected objects of at least {MIN_AREA_PX} pixels in {len(movies)} "
            "items, found none; are the label images empty, or masks of one colour?"
        )
    if n < least:
        raise DataError(
            f"labels: expected at least {least} masks to learn from, found {n}; "
            "correct some more frames or objects"
        )
    return n
