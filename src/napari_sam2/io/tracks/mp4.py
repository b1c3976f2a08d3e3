"""Videos for presentations: the movie with coloured outlines, ids, the time and a scale bar."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_sam2.io.files import replacing
from napari_sam2.io.outputs import SIGNATURE
from napari_sam2.io.tracks.outline_pictures import edges, object_colours
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.movies.movie import Calibration
from napari_sam2.tracks.tracked_movie import Tracked

Frames: TypeAlias = Sequence[NDArray[Any]]

FRAMES_PER_S = 8
_SIDE = 960  # pixels that the longer side of a small frame takes up, about
_LARGEST = 1920
_BLACK_WHITE = (0.5, 99.8)  # percentiles
_LOOKED_AT = 5  # frames, for the contrast
_MARGIN = 12
_WHITE = (255, 255, 255)


def write_mp4(path: Path, tracked: Tracked, progress: Progress = silent) -> None:
    """Write the movie with each object's outline in its own colour (H.264).

    Without the tracked movie's pixels, the outlines are on black.

    Parameters
    ----------
    path, tracked, progress
        As for every `Writer`.
    """
    import av

    contrast = None if tracked.movie is None else _contrast(tracked.movie)
    size = _size(tracked.masklets.frame_shape)
    with replacing(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        container.metadata["comment"] = SIGNATURE
        stream = container.add_stream("libx264", rate=FRAMES_PER_S, options={"crf": "18"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"  # what all players can show
        for frame in range(tracked.n_frames):
            picture = np.asarray(draw_frame(tracked, frame, contrast, size))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            progress(frame + 1, tracked.n_frames)
        container.mux(stream.encode())


def draw_frame(
    tracked: Tracked, frame: int, contrast: tuple[float, float] | None, size: tuple[int, int]
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
    movie: Frames | None, frame: int, contrast: tuple[float, float] | None, size: tuple[int, int]
) -> Image.Image:
    if movie is None or contrast is None:
        return Image.new("RGB", size)
    black, white = contrast
    pixels = (movie[frame].astype(np.float32) - black) / max(white - black, 1e-6)
    grey = (np.nan_to_num(pixels).clip(0, 1) ** 0.8 * 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB").resize(size, Image.Resampling.BILINEAR)


def _contrast(movie: Frames) -> tuple[float, float]:
    looked_at = np.linspace(0, len(movie) - 1, _LOOKED_AT).astype(int)
    samples = [movie[int(frame)].ravel()[::7] for frame in np.unique(looked_at)]
    finite = np.concatenate([sample[np.isfinite(sample)] for sample in samples])
    black, white = np.percentile(finite, _BLACK_WHITE) if finite.size else (0, 1)
    return float(black), float(white)


def _size(frame_shape: tuple[int, int]) -> tuple[int, int]:
    """Return an even width and height; small frames are enlarged, huge ones reduced."""
    height, width = frame_shape
    longest = max(frame_shape)
    scale = max(1, round(_SIDE / longest)) if longest < _LARGEST else _LARGEST / longest
    even = [max(2, 2 * round(side * scale / 2)) for side in (width, height)]
    return even[0], even[1]


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


def _stamp(tracked: Tracked, frame: int) -> str:
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
