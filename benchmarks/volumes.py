"""One click in three dimensions: through the planes of a stack, and on through time.

    python benchmarks/volumes.py [--data FOLDER] [--model M] [--device D] [--json F]

`movie`: nuclei of the synthetic embryo that drift and deform, which are known in every voxel; each
is clicked once, in its largest plane of the first time point. Mean IoU of the 3-D masks at each
time point, and results foreseen against those that came.

`depth` (with FOLDER, as for accuracy.py): nuclei of real stacks, of which every n-th plane is
kept, from one click in the largest plane; the stack as a video, and as a stack, in which objects
end in depth. Mean IoU of the 3-D masks in the planes that are kept.
"""

import argparse
import csv
import json
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import deepest_point
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_sam2.sample_data import stack
from sam2_torch import SAM2, PointPrompt, StackSession, VideoSession, VolumeSession, load_sam2

TIMES, NUCLEI = 4, 6
STACKS, OBJECTS, STRIDES = 2, 4, (1, 3)
WAYS = {"video": VideoSession, "stack": StackSession}
DRIFT_PX, BEND_PX = (0.4, 3.0, 4.0), (0.3, 2.0, 2.0)  # for each time point; z, y, x
STEP_PX = stack.VOXEL_ZYX_UM[0] / stack.VOXEL_ZYX_UM[1]

Pixels = NDArray[Any]


def make_movie(seed: int = 0) -> tuple[Pixels, Pixels]:
    """Let an embryo drift and deform: image and labels, both (T, Z, Y, X)."""
    rng = np.random.default_rng(seed)
    image, labels = stack.make(seed)
    bend = np.stack([gaussian_filter(rng.normal(0, 1, image.shape), (4, 25, 25)) for _ in "zyx"])
    bend *= (np.array(BEND_PX) / bend.reshape(3, -1).std(1))[:, None, None, None]
    grid = np.indices(image.shape).astype(float)
    images, truths = [], []
    for time in range(TIMES):
        at = grid - time * (bend + np.array(DRIFT_PX)[:, None, None, None])
        moved = map_coordinates(image.astype(np.float32), at, order=1, mode="nearest")
        grain = rng.normal(0, 12, image.shape) * (time > 0)  # warping smooths the noise away
        images.append((moved + grain).clip(0, 65535).astype(np.uint16))
        truths.append(map_coordinates(labels, at, order=0, mode="constant"))
    return np.stack(images), np.stack(truths)


def seeds(labels: Pixels, count: int) -> dict[int, int]:
    """Choose objects of a stack that no side cuts off, and the plane in which each is largest."""
    inner = np.zeros(labels.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    found = [
        i for i in np.unique(labels[labels > 0]).tolist() if not ((labels == i) & ~inner).any()
    ]
    chosen = found[:: max(1, len(found) // count)][:count]
    return {i: int((labels == i).sum((1, 2)).argmax()) for i in chosen}


def iou(found: Pixels, truth: Pixels) -> float:
    return float((found & truth).sum() / max(1, (found | truth).sum()))


def follow(session: VideoSession, shape: tuple[int, ...]) -> tuple[dict[int, Pixels], int]:
    """Propagate: the masks of each object, and how many results came."""
    masks = {i: np.zeros((session.n_frames, *shape[-2:]), bool) for i in session.object_ids}
    n_results = 0
    for result in session.propagate("both"):
        n_results += 1
        for i, prediction in zip(result.object_ids, result.predictions, strict=True):
            masks[i][result.frame] = prediction.mask
    return masks, n_results


def measure_movie(model: SAM2) -> dict[str, float]:
    """Follow nuclei through a movie of stacks from one click each."""
    image, labels = make_movie()
    n_planes = image.shape[1]
    frames = list(image.reshape(-1, *image.shape[2:]))
    chosen = seeds(labels[0], NUCLEI)
    session = VolumeSession(model, frames, n_planes, plane_step_px=STEP_PX)
    for i, plane in chosen.items():
        session.add_prompt(i, plane, PointPrompt([deepest_point(labels[0, plane] == i)], [1]))
    foreseen = session.frame_count()
    masks, n_results = follow(session, image.shape)
    figures = {"movie.nuclei": float(len(chosen))}
    for time in range(TIMES):
        scores = [iou(m.reshape(labels.shape)[time], labels[time] == i) for i, m in masks.items()]
        figures[f"movie.iou.time_{time}"] = float(np.mean(scores))
    return figures | {
        "movie.results_foreseen": foreseen,
        "movie.results": n_results,
        "movie.planes": len(frames),
    }


def measure_depth(model: SAM2, both: tuple[Pixels, Pixels], stride: int, way: str) -> list[float]:
    """Find nuclei of a stack (image and labels) in every n-th plane."""
    image, labels = both[0][::stride], both[1][::stride]
    session = WAYS[way](model, list(image))
    for i, plane in seeds(labels, OBJECTS).items():
        session.add_prompt(i, plane, PointPrompt([deepest_point(labels[plane] == i)], [1]))
    masks, _ = follow(session, image.shape)
    return [iou(mask, labels == i) for i, mask in masks.items()]


def stacks_of(folder: Path) -> list[tuple[Pixels, Pixels]]:
    """Read some stacks: image and labels."""
    with open(folder / "manifest.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["file"].startswith("bbbc050")]
    found = []
    for row in rows[1 :: len(rows) // STACKS][:STACKS]:
        with np.load(folder / row["file"]) as arrays:
            found.append((arrays["image"], arrays["labels"]))
    return found


def parts(model: SAM2, data: Path | None) -> dict[str, Callable[[], dict[str, float]]]:
    """List what is to be measured, by the beginning of the names of its figures."""

    def depth(name: str, stride: int, way: str) -> dict[str, float]:
        assert data is not None
        scores = [measure_depth(model, each, stride, way) for each in stacks_of(data)]
        return {name: float(np.mean(np.concatenate(scores)))}

    found: dict[str, Callable[[], dict[str, float]]] = {}
    for stride, way in product(STRIDES, WAYS) if data is not None else ():
        name = f"depth.every_{stride}.{way}."
        found[name] = partial(depth, f"{name}iou", stride, way)
    return found | {"movie.": partial(measure_movie, model)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with manifest.csv")
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    model = load_sam2(arguments.model, arguments.device)
    figures: dict[str, float] = {}
    if arguments.json and arguments.json.exists():
        figures = json.loads(arguments.json.read_text())  # goes on where it was stopped
    for name, part in parts(model, arguments.data).items():
        if not any(key.startswith(name) for key in figures):
            figures |= part()
            print({key: round(figures[key], 3) for key in figures if key.startswith(name)})
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
