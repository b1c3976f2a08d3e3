"""Pictures of predictions beside the truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from sam2_torch.inputs.transforms import PERCENTILES
from sam2_torch.prompts import PointPrompt
from sam2_torch.sam2 import SAM2
from sam2_torch.sessions.image_session import ImageSession
from sam2_torch.training.clip_forward import Answer
from sam2_torch.training.data.batches import Batch
from sam2_torch.training.data.labelled_movies import LabelledMovie
from sam2_torch.training.evaluation import choose_objects, deepest_point

TRUTH_COLOUR, FOUND_COLOUR = (80, 220, 100), (255, 150, 40)
TILE_PX = 240
TINT = 0.25
MAX_ROWS = 4
GAP_PX = 4

Picture: TypeAlias = NDArray[np.uint8]
Layer: TypeAlias = tuple[Sequence[NDArray[np.bool_]] | NDArray[np.bool_], tuple[int, int, int]]
"""Masks, and the colour to draw them in."""


def draw_answers(batch: Batch, answers: Sequence[Answer]) -> Picture:
    """Draw the last answer of each frame, a row for each clip: truth green, answer orange."""
    last = {answer.frame: answer for answer in answers}
    rows = []
    for clip in range(min(MAX_ROWS, len(batch.images))):
        tiles = []
        for frame in range(batch.n_frames):
            image = _rgb(batch.images[clip, frame].permute(1, 2, 0).cpu().numpy())
            own = (batch.owner == clip).nonzero()[:, 0]
            layers = [(batch.masks(frame)[own, 0].cpu().numpy() > 0, TRUTH_COLOUR)]
            if frame in last:
                logits = last[frame].chosen.logits[own].detach().float().cpu().numpy()
                layers.append((logits > 0, FOUND_COLOUR))
            tiles.append(_tile(image, layers))
        rows.append(tiles)
    return _mosaic(rows)


def segment_examples(model: SAM2, movies: Sequence[LabelledMovie]) -> list[list[NDArray[np.bool_]]]:
    """Segment the objects of a few frames by one click each; return the masks."""
    examples = []
    for movie, frame in _examples(movies):
        session = ImageSession(model, movie.images[frame])
        truths = [movie.labels[frame] == i for i in choose_objects(movie.labels[frame])]
        clicks = [PointPrompt([deepest_point(truth)], [1]) for truth in truths]
        examples.append([session.predict(click)[0].mask for click in clicks])
    return examples


def draw_comparison(
    movies: Sequence[LabelledMovie],
    before: Sequence[Sequence[NDArray[np.bool_]]],
    after: Sequence[Sequence[NDArray[np.bool_]]],
) -> Picture:
    """Draw examples in three columns: the truth (green), before and after (orange)."""
    rows = []
    for (movie, frame), old, new in zip(_examples(movies), before, after, strict=True):
        image = _rgb(_stretched(movie.images[frame]))
        truth = [movie.labels[frame] == i for i in choose_objects(movie.labels[frame])]
        columns = ((truth, TRUTH_COLOUR), (old, FOUND_COLOUR), (new, FOUND_COLOUR))
        rows.append([_tile(image, [layer]) for layer in columns])
    return _mosaic(rows)


def save_picture(path: Path, picture: Picture) -> None:
    """Write a PNG file."""
    from PIL import Image

    Image.fromarray(picture).save(path)


def _examples(movies: Sequence[LabelledMovie]) -> list[tuple[LabelledMovie, int]]:
    """Select some frames with objects: the first ones of movies, or any of few movies."""
    found = [
        (movie, frame)
        for movie in movies
        for frame in range(movie.n_frames)
        if (len(movies) < MAX_ROWS or frame == 0) and choose_objects(movie.labels[frame])
    ]
    chosen = np.linspace(0, len(found) - 1, min(MAX_ROWS, len(found))).round().astype(int)
    return [found[i] for i in chosen]


def _stretched(image: NDArray[Any]) -> Picture:
    low, high = np.percentile(image, PERCENTILES)
    scaled = (image.astype(np.float32) - low) / max(float(high - low), 1e-6)
    return (scaled.clip(0, 1) * 255).astype(np.uint8)


def _rgb(image: Picture) -> Picture:
    image = image if image.ndim == 3 else image[..., None]
    return np.broadcast_to(image, (*image.shape[:2], 3)).copy()


def _tile(image: Picture, layers: Sequence[Layer]) -> Picture:
    """Resize an image to a tile, and draw outlines and tints of masks on it."""
    from PIL import Image

    height, width = image.shape[:2]
    scale = TILE_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)).copy()
    for masks, colour in layers:
        for mask in masks:
            small = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
            rim = small & ~binary_erosion(small)
            tile[small] = (1 - TINT) * tile[small] + TINT * np.array(colour)
            tile[rim] = colour
    return tile


def _mosaic(rows: Sequence[Sequence[Picture]]) -> Picture:
    if not rows:
        return np.zeros((TILE_PX, TILE_PX, 3), np.uint8)
    widest = max(sum(tile.shape[1] + GAP_PX for tile in row) for row in rows)
    lines = []
    for row in rows:
        height = max(tile.shape[0] for tile in row) + GAP_PX
        tiles = [np.pad(tile, ((0, height - tile.shape[0]), (0, GAP_PX), (0, 0))) for tile in row]
        line = np.concatenate(tiles, axis=1)
        lines.append(np.pad(line, ((0, 0), (0, widest - line.shape[1]), (0, 0))))
    return np.concatenate(lines)
