"""One click in three dimensions: through the planes of a stack, and on through time.

    python benchmarks/volumes.py [--data FOLDER] [--model M] [--device D] [--json F] [--parts P ...]

`embryo`, `mouse`: movies of stacks in which nuclei drift and deform, and are known in every voxel:
the synthetic embryo, and a real stack (with FOLDER, as for accuracy.py) that is moved and bent
from time point to time point. Each nucleus is clicked once, in its largest plane of the first
time point, and `napari-sam2 track` does the rest: mean IoU of the 3-D masks at each time point,
seconds, and peak memory of the process.

`depth`: nuclei of real stacks, of which every n-th plane is kept, from one click in the largest
plane; the stack as a video, and as a stack, in which objects end in depth. Mean IoU of the 3-D
masks in the planes that are kept. `neurites`: the same of a few neurites in some planes of EM,
from a click, and from the true mask in that plane.

The file is written after each part; parts that are in it are not done again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tifffile
from accuracy import deepest_point, prompt_of
from labelled_data import read_items
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_sam2.io.read import read_movie
from napari_sam2.sample_data import stack
from sam2_torch import SAM2, Depth, VideoSession, load_sam2

TIMES, NUCLEI = 4, 6
GRAIN = {"embryo": 12.0, "mouse": 3.0}  # of the later time points; warping smooths noise away
MOUSE, MOUSE_ZYX_UM = "bbbc050_train_Emb05_t401.npz", (1.75, 0.8, 0.8)
NEURITES, NEURITE_PLANES, N_NEURITES = "flyem_medulla_z000.npz", 16, 3
STACKS, OBJECTS, STRIDES = 2, 4, (1, 3)
WAYS = {"video": None, "stack": Depth()}
DRIFT_PX, BEND_PX = (0.4, 3.0, 4.0), (0.3, 2.0, 2.0)  # for each time point; z, y, x

Pixels = NDArray[Any]


def make_movie(image: Pixels, labels: Pixels, grain: float, seed: int = 0) -> tuple[Pixels, Pixels]:
    """Let a stack drift and deform: image and labels, both (T, Z, Y, X)."""
    rng = np.random.default_rng(seed)
    bend = np.stack([gaussian_filter(rng.normal(0, 1, image.shape), (4, 25, 25)) for _ in "zyx"])
    bend *= (np.array(BEND_PX) / bend.reshape(3, -1).std(1))[:, None, None, None]
    grid, brightest = np.indices(image.shape).astype(float), np.iinfo(image.dtype).max
    images, truths = [], []
    for moment in range(TIMES):
        at = grid - moment * (bend + np.array(DRIFT_PX)[:, None, None, None])
        moved = map_coordinates(image.astype(np.float32), at, order=1, mode="nearest")
        moved += rng.normal(0, grain, image.shape) * (moment > 0)
        images.append(moved.clip(0, brightest).astype(image.dtype))
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


def propagate(session: VideoSession, shape: tuple[int, ...]) -> dict[int, Pixels]:
    """Propagate, and lay the masks of each object on one another."""
    masks = {i: np.zeros((session.n_frames, *shape[-2:]), bool) for i in session.object_ids}
    for result in session.propagate("both"):
        for i, prediction in zip(result.object_ids, result.predictions, strict=True):
            masks[i][result.frame] = prediction.mask
    return masks


def write_movie(path: Path, image: Pixels, voxel_zyx_um: tuple[float, float, float]) -> None:
    """Write a movie of stacks as OME-TIFF."""
    sizes = dict(zip("ZYX", voxel_zyx_um, strict=True))
    metadata = {"axes": "TZYX"} | {f"PhysicalSize{axis}": size for axis, size in sizes.items()}
    tifffile.imwrite(path, image, ome=True, metadata=metadata)


def run_track(folder: Path, model: str, device: str) -> tuple[float, float]:
    """Run `napari-sam2 track` in a folder: seconds, and peak memory in MB."""
    command = [sys.executable, "-m", "napari_sam2.cli", "track", "movie.ome.tif"]
    command += ["--prompts", "clicks.csv", "-o", "labels.tif", "--model", model, "--device", device]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"napari-sam2 track ended with {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss / 1e3


def measure_movie(
    name: str, pixels: tuple[Pixels, Pixels], voxel: tuple[float, float, float], network: list[str]
) -> dict[str, float]:
    """Follow nuclei of a stack that moves, in the shell, from one click each."""
    image, labels = make_movie(*pixels, GRAIN[name])
    rows = ["object,frame,z,kind,y,x,label,y1,x1"]
    for i, plane in seeds(labels[0], NUCLEI).items():
        y, x = deepest_point(labels[0, plane] == i)
        rows.append(f"{i},0,{plane},point,{y},{x},1,,")
    with TemporaryDirectory() as made:
        folder = Path(made)
        write_movie(folder / "movie.ome.tif", image, voxel)
        (folder / "clicks.csv").write_text("\n".join(rows) + "\n")
        seconds, peak = run_track(folder, *network)
        found = np.stack(list(read_movie(folder / "labels.tif"))).reshape(labels.shape)
    ids = [int(row.split(",")[0]) for row in rows[1:]]
    figures = {f"{name}.nuclei": float(len(ids)), f"{name}.planes": len(found) * found.shape[1]}
    for moment in range(TIMES):
        scores = [iou(found[moment] == i, labels[moment] == i) for i in ids]
        figures[f"{name}.iou.time_{moment}"] = float(np.mean(scores))
        figures[f"{name}.iou.time_{moment}.least"] = min(scores)
    return figures | {f"{name}.seconds": seconds, f"{name}.peak_mb": peak}


def measure_depth(
    model: SAM2,
    stack_of: tuple[Pixels, Pixels],
    prompted: dict[int, int],
    way: str,
    kind: str = "click",
) -> list[float]:
    """Find objects in all planes of a stack (image, labels) from one prompt each."""
    image, labels = stack_of
    session = VideoSession(model, list(image), depth=WAYS[way])
    for i, plane in prompted.items():
        session.add_prompt(i, plane, prompt_of(kind, labels[plane] == i))
    masks = propagate(session, image.shape)
    return [iou(mask, labels == i) for i, mask in masks.items()]


def measure_nuclei(model: SAM2, folder: Path, stride: int, way: str) -> float:
    scores = []
    for image, labels in stacks_of(folder):
        kept = image[::stride], labels[::stride]
        scores += measure_depth(model, kept, seeds(kept[1], OBJECTS), way)
    return float(np.mean(scores))


def neurites(labels: Pixels, count: int) -> dict[int, int]:
    """Choose objects that are in at least half of the planes, and where each is largest."""
    areas = {i: (labels == i).sum((1, 2)) for i in np.unique(labels[labels > 0]).tolist()}
    long = [i for i, each in areas.items() if (each > 0).sum() >= len(labels) / 2]
    large = sorted(long, key=lambda i: int(areas[i].max()), reverse=True)[: 4 * count]
    return {i: int(areas[i].argmax()) for i in large[::4]}


def measure_neurites(model: SAM2, folder: Path, way: str, kind: str) -> list[float]:
    image, labels = (a[:NEURITE_PLANES] for a in read(folder / NEURITES))
    return measure_depth(model, (image, labels), neurites(labels, N_NEURITES), way, kind)


def read(file: Path) -> tuple[Pixels, Pixels]:
    with np.load(file) as arrays:
        return arrays["image"], arrays["labels"]


def stacks_of(folder: Path) -> list[tuple[Pixels, Pixels]]:
    """Read some stacks: image and labels."""
    rows = read_items(folder, "bbbc050*")
    return [read(folder / row["file"]) for row in rows[1 :: len(rows) // STACKS][:STACKS]]


def parts(arguments: argparse.Namespace) -> dict[str, Callable[[], dict[str, float]]]:
    """List what is to be measured, by the beginning of the names of its figures."""
    data, network = arguments.data, [arguments.model, arguments.device]
    model = lru_cache(partial(load_sam2, *network))
    found: dict[str, Callable[[], dict[str, float]]] = {
        "embryo.": lambda: measure_movie("embryo", stack.make(0), stack.VOXEL_ZYX_UM, network)
    }
    if data is None:
        return found

    def nuclei(name: str, stride: int, way: str) -> dict[str, float]:
        return {f"{name}iou": measure_nuclei(model(), data, stride, way)}

    def em(name: str, way: str, kind: str) -> dict[str, float]:
        scores = measure_neurites(model(), data, way, kind)
        each = {f"{name}iou.{number}": score for number, score in enumerate(scores)}
        return {f"{name}iou": float(np.mean(scores))} | each

    found["mouse."] = lambda: measure_movie("mouse", read(data / MOUSE), MOUSE_ZYX_UM, network)
    for stride, way in product(STRIDES, WAYS):
        name = f"depth.every_{stride}.{way}."
        found[name] = partial(nuclei, name, stride, way)
    for kind, way in product(("click", "mask"), WAYS):
        name = f"neurites.{kind}.{way}."
        found[name] = partial(em, name, way, kind)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with manifest.csv")
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--parts", nargs="+", default=[""], help="beginnings of the parts' names")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    if arguments.json and arguments.json.exists():
        figures = json.loads(arguments.json.read_text())  # goes on where it was stopped
    for name, part in parts(arguments).items():
        if not name.startswith(tuple(arguments.parts)):
            continue
        if not any(key.startswith(name) for key in figures):
            figures |= part()
        print({key: round(figures[key], 3) for key in figures if key.startswith(name)}, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
