"""Small objects in large frames: the whole frame squeezed, or windows that follow them.

    python benchmarks/windows.py --data FOLDER [--model M] [--device D] [--side 2048] [--json F]

FOLDER is as for accuracy.py. Each movie is laid out side by side with itself until it fills
large frames; objects of the one in the middle are followed from a click (and from a box) each
through the first frames. Mean IoU, and seconds for one object in one frame.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import MIN_AREA, Scores, box_of, deepest_point, iou
from labelled_data import read_items
from numpy.typing import NDArray

from sam2_torch import SAM2, PointPrompt, Prompt, VideoSession, load_sam2

FRAMES, OBJECTS = 8, 4
RESOLUTIONS: tuple[float | None, ...] = (None, 1.0, 2.0, 4.0)


class LargeFrames(Sequence[NDArray[Any]]):
    """A movie repeated in both directions, made frame by frame; one copy is in the middle."""

    def __init__(self, movie: NDArray[Any], side: int) -> None:
        self._movie = movie
        self.frame_shape = (side, side)
        self.origin = tuple((side - n) // 2 for n in movie.shape[1:3])

    def __len__(self) -> int:
        return len(self._movie)

    def __getitem__(self, frame: int) -> NDArray[Any]:  # type: ignore[override]  # no slices
        return self.window(frame, *(slice(0, n) for n in self.frame_shape))

    def window(
        self, frame: int, rows: slice, columns: slice, size: tuple[int, int] | None = None
    ) -> NDArray[Any]:
        """Read a part of a frame."""
        y, x = (
            (np.arange(part.start, part.stop) - first) % n
            for part, first, n in zip(
                (rows, columns), self.origin, self._movie.shape[1:3], strict=True
            )
        )
        return self._movie[frame][y[:, None], x]

    def crop(self, mask: NDArray[Any]) -> NDArray[Any]:
        """Cut the copy in the middle out of a mask."""
        (y, x), (h, w) = self.origin, self._movie.shape[1:3]
        return mask[y : y + h, x : x + w]


def objects_of(labels: NDArray[Any]) -> list[int]:
    """Choose some objects of the first frame that are not cut off by its border."""
    inside = labels[0].copy()
    ids, areas = np.unique(inside[inside > 0], return_counts=True)
    border = set(np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]).tolist())
    found = [int(i) for i, n in zip(ids, areas, strict=True) if n >= MIN_AREA and i not in border]
    return found[:: max(1, len(found) // OBJECTS)][:OBJECTS]


def prompt_of(kind: str, truth: NDArray[Any], origin: tuple[int, int]) -> Prompt:
    """Say where an object is in the large frame."""
    if kind == "click":
        return PointPrompt([deepest_point(truth) + origin], [1])
    box = box_of(truth)
    (y, x) = origin
    return type(box)(box.y0 + y, box.x0 + x, box.y1 + y, box.x1 + x)


def measure(
    model: SAM2, item: Path, kind: str, side: int
) -> Iterator[tuple[float | None, float, float]]:
    """Follow the objects of a movie at each resolution: resolution, mean IoU, seconds."""
    with np.load(item) as arrays:
        movie, labels = arrays["image"][:FRAMES], arrays["labels"][:FRAMES]
    frames, objects = LargeFrames(movie, side), objects_of(labels)
    for resolution in RESOLUTIONS if objects else ():
        session = VideoSession(model, frames, resolution=resolution)
        start = time.perf_counter()
        for i in objects:
            session.add_prompt(i, 0, prompt_of(kind, labels[0] == i, frames.origin))
        scores = [
            iou(frames.crop(prediction.mask), labels[result.frame] == i)
            for result in session.propagate("forward")
            for i, prediction in zip(result.object_ids, result.predictions, strict=True)
            if (labels[result.frame] == i).any()
        ]
        seconds = (time.perf_counter() - start) / (len(objects) * len(movie))
        yield resolution, float(np.mean(scores)), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=int, default=2048, help="rows and columns of the frames")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    model = load_sam2(arguments.model, arguments.device)
    items = [item["file"] for item in read_items(arguments.data, kinds=("time",))]
    figures: dict[str, float] = {}
    totals: Scores = {}
    for item in items:
        for kind in ("click", "box"):
            for resolution, score, seconds in measure(
                model, arguments.data / item, kind, arguments.side
            ):
                name = "whole" if resolution is None else f"{resolution:g}"
                key = f"windows.{kind}.{name}"
                figures[f"{key}.item.{Path(item).stem}"] = score
                totals.setdefault(f"{key}.miou", []).append(score)
                totals.setdefault(f"{key}.seconds_per_object_frame", []).append(seconds)
                print(f"{item} {kind} {name}: IoU {score:.3f}, {seconds:.3f} s", flush=True)
    figures |= {key: float(np.mean(values)) for key, values in totals.items()}
    for key in totals:
        print(f"{key}: {figures[key]:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
