"""Pictures of a movie with its objects: outlines, ids, the time and a scale bar."""

import colorsys
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_sam2.movies.movie import Calibration

if TYPE_CHECKING:
    from napari_sam2.tracks.tracked_movie import Frames, Tracked

_TILE = 480  # pixels that the longer side of a frame takes up in a sheet
_SIDE = 960  # pixels that the longer side of a small frame takes up by itself, about
_LARGEST = 1920
_COLUMNS = 3
_GAP = 4
_GOLDEN = 0.618034  # of the colour circle: neighbouring ids differ as much as they can
_BLACK_WHITE = (0.5, 99.8)  # percentiles
_LOOKED_AT = 5  # frames, for the contrast
_MARGIN = 12
_WHITE = (255, 255, 255)


def picture_size(frame_shape: tuple[int, int]) -> tuple[int, int]:
    """Return an even width and height; small frames are enlarged, huge ones reduced.

    Parameters
    ----------
    frame_shape
        Height and width in pixels.
    """
    height, width = frame_shape
    longest = max(frame_shape)
    scale = max(1, round(_SIDE / longest)) if longest < _LARGEST else _LARGEST / longest
    even = [max(2, 2 * round(side * scale / 2)) for side in (width, height)]
    return even[0], even[1]


def draw_sheet(tracked: "Tracked", n_frames: int = 6) -> Image.Image:
    """Draw evenly spread frames beside each other.

    Parameters
    ----------
    tracked
        Objects, with the movie if it is at hand.
    n_frames
        How many frames at most.
    """
    size, contrast = _tile_size(tracked), contrast_of(tracked.movie)
    count = min(n_frames, tracked.n_frames)
    shown = np.linspace(0, tracked.n_frames - 1, count).round().astype(int).tolist()
    return _sheet([draw_frame(tracked, frame, contrast, size) for frame in shown])


def draw_beside(titled: Sequence[tuple[str, "Tracked"]], frame: int) -> Image.Image:
    """Draw one frame with the objects of several results beside each other.

    Parameters
    ----------
    titled
        Title and objects of each, of one movie.
    frame
        Index of the frame.
    """
    size, contrast = _tile_size(titled[0][1]), contrast_of(titled[0][1].movie)
    font = ImageFont.load_default(size=max(14, size[1] // 24))
    tiles = []
    for title, tracked in titled:
        tile = draw_frame(tracked, frame, contrast, size)
        place = (_MARGIN, size[1] - _MARGIN)
        _write(ImageDraw.Draw(tile), place, title, font, anchor="ls")
        tiles.append(tile)
    return _sheet(tiles)


def _tile_size(tracked: "Tracked") -> tuple[int, int]:
    height, width = tracked.masklets.frame_shape
    scale = _TILE / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def draw_frame(
    tracked: "Tracked", frame: int, contrast: tuple[float, float] | None, size: tuple[int, int]
) -> Image.Image:
    """Draw one frame with all that is on it, (width, height) in `size`.

    Parameters
    ----------
    tracked
        Objects, with the movie if it is at hand.
    frame
        Index of the frame.
    contrast
        Intensities that are black and white; None for a black background.
    size
        Width and height of the picture in pixels.
    """
    height, width = tracked.masklets.frame_shape
    canvas = np.array(_background(tracked.movie, frame, contrast, size))
    rows = np.arange(size[1]) * height // size[1]
    columns = np.arange(size[0]) * width // size[0]
    labels = tracked.labels(frame)[rows[:, None], columns]
    edge = edges(labels)
    canvas[edge] = object_colours(labels[edge])
    picture = Image.fromarray(canvas)
    drawing = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(12, size[1] // 40))
    for object_id, mask in tracked.objects_in(frame):
        y, x = np.argwhere(mask.window()).mean(axis=0) + mask.origin_yx
        place = ((x + 0.5) * size[0] / width, (y + 0.5) * size[1] / height)
        _write(drawing, place, str(object_id), font, anchor="mm")
    _write(drawing, (_MARGIN, _MARGIN), _stamp(tracked, frame), font)
    _scale_bar(drawing, size, width, tracked.calibration, font)
    return picture


def _background(
    movie: "Frames | None", frame: int, contrast: tuple[float, float] | None, size: tuple[int, int]
) -> Image.Image:
    if movie is None or contrast is None:
        return Image.new("RGB", size)
    black, white = contrast
    pixels = (movie[frame].astype(np.float32) - black) / max(white - black, 1e-6)
    grey = (np.nan_to_num(pixels).clip(0, 1) ** 0.8 * 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB").resize(size, Image.Resampling.BILINEAR)


def contrast_of(movie: "Frames | None") -> tuple[float, float] | None:
    """Return the intensities to be drawn black and white; None without a movie.

    Parameters
    ----------
    movie
        The frames; some pixels of a few of them are read.
    """
    if movie is None:
        return None
    looked_at = np.linspace(0, len(movie) - 1, _LOOKED_AT).astype(int)
    samples = [movie[int(frame)].ravel()[::7] for frame in np.unique(looked_at)]
    finite = np.concatenate([sample[np.isfinite(sample)] for sample in samples])
    black, white = np.percentile(finite, _BLACK_WHITE) if finite.size else (0, 1)
    return float(black), float(white)


def _write(
    drawing: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    font: Any,
    anchor: str = "la",
) -> None:
    drawing.text(
        place, text, fill=_WHITE, font=font, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0)
    )


def _stamp(tracked: "Tracked", frame: int) -> str:
    known = tracked.calibration
    if tracked.is_stack:
        return f"z {frame * known.z_step:g} {known.unit}" if known.z_step else f"z {frame}"
    if not known.time_interval:
        return f"frame {frame}"
    elapsed = frame * known.time_interval
    if known.time_unit != "s":
        return f"{elapsed:g} {known.time_unit}"
    if known.time_interval < 1:
        return f"{elapsed:.2f} s"
    hours, rest = divmod(round(elapsed), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _scale_bar(
    drawing: ImageDraw.ImageDraw, size: tuple[int, int], width: int, known: Calibration, font: Any
) -> None:
    pixel = known.axis("X").length
    if pixel is None or not known.unit:
        return
    per_unit = size[0] / (width * pixel)  # pixels of the video
    length = nice_length(size[0] / 5 / per_unit)
    right, bottom = size[0] - _MARGIN, size[1] - _MARGIN
    left = right - length * per_unit
    drawing.rectangle((left - 2, bottom - 8, right + 2, bottom + 2), fill=(0, 0, 0))
    drawing.rectangle((left, bottom - 6, right, bottom), fill=_WHITE)
    # as it is: the font has no micro sign
    place = ((left + right) / 2, bottom - 14)
    _write(drawing, place, f"{length:g} {known.unit}", font, anchor="ms")


def nice_length(most: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, 50 … (and 0.5 …) that is not above `most`.

    Parameters
    ----------
    most
        Largest length that fits, above 0.
    """
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (5, 2, 1) if step * power <= most * (1 + 1e-9))


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
