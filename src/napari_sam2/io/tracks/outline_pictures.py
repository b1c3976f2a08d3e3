"""A picture of a label movie: some frames beside each other, the objects outlined."""

import colorsys
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from napari_sam2.io.files import replacing
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.masks.masklets import Masklets
from napari_sam2.movies.movie import Movie

_TILE = 480  # pixels that the longer side of a frame takes up, about
_COLUMNS = 3
_GAP = 4
_GOLDEN = 0.618034  # of the colour circle: neighbouring ids differ as much as they can
_BLACK_WHITE = (0.5, 99.8)  # percentiles


def write_outlines(path: Path, movie: Movie, masklets: Masklets, n_frames: int = 6) -> None:
    """Write a PNG of evenly spread frames with each object's outline in its own colour.

    Parameters
    ----------
    path
        Where to; what is there is replaced.
    movie, masklets
        What to show.
    n_frames
        How many frames at most.
    """
    count = min(n_frames, movie.n_frames)
    shown = [int(i) for i in np.linspace(0, movie.n_frames - 1, count).round()]
    pixels = [movie[frame].astype(np.float32) for frame in shown]
    finite = np.concatenate([frame[np.isfinite(frame)] for frame in pixels])
    black, white = np.percentile(finite, _BLACK_WHITE) if finite.size else (0, 1)
    letter = movie.layout.label_axes[0].lower() if movie.n_frames > 1 else ""
    tiles = [
        _tile((frame - black) / max(white - black, 1e-6), masklets.labels(i), f"{letter} {i}")
        for i, frame in zip(shown, pixels, strict=True)
    ]
    about = PngInfo()
    about.add_text("Software", SIGNATURE)
    with replacing(path) as partial:
        _sheet(tiles).save(partial, format="PNG", pnginfo=about)


def _tile(pixels: NDArray[np.floating], labels: NDArray[Any], text: str) -> Image.Image:
    """Draw one frame (0 is black, 1 white), with outlines one screen pixel or two wide."""
    grey = (np.nan_to_num(pixels).clip(0, 1) ** 0.8 * 255).astype(np.uint8)
    height, width = labels.shape
    scale = _TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(grey).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    # nearest neighbours by hand: Pillow does not resize all integer types
    rows = np.arange(size[1]) * height // size[1]
    columns = np.arange(size[0]) * width // size[0]
    large = labels[rows[:, None], columns]
    canvas = np.array(picture)
    edge = edges(large)
    canvas[edge] = object_colours(large[edge])
    picture = Image.fromarray(canvas)
    ImageDraw.Draw(picture).text((6, 4), text, fill=(255, 255, 255))
    return picture


def edges(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the object pixels beside another label, two pixels deep.

    Parameters
    ----------
    labels
        (H, W) label image; 0 is background.
    """
    found = np.zeros(labels.shape, bool)
    for step in (1, 2):
        for axis in (0, 1):
            here, there = np.swapaxes(labels, 0, axis), np.swapaxes(found, 0, axis)
            differs = here[step:] != here[:-step]
            there[step:] |= differs
            there[:-step] |= differs
    return found & (labels > 0)


def object_colours(object_ids: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a colour for each object, (N, 3) uint8.

    Parameters
    ----------
    object_ids
        (N,) ids.
    """
    ids, places = np.unique(object_ids, return_inverse=True)
    table = [colorsys.hsv_to_rgb(int(i) * _GOLDEN % 1, 0.85, 1) for i in ids]
    return (np.array(table).reshape(-1, 3) * 255).astype(np.uint8)[places]


def _sheet(tiles: list[Image.Image]) -> Image.Image:
    width, height = tiles[0].size
    columns = min(_COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % columns * (width + _GAP), i // columns * (height + _GAP)))
    return sheet
