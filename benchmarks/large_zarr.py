"""A click in a movie far larger than memory: how long it takes, and how much memory.

    python benchmarks/large_zarr.py [--dock] [--side 20000] [--frames 50] [--chunk 512]
        [--model M] [--device D] [--json F] [--pictures FOLDER]

Through the API, or with `--dock` in napari's window, which needs a screen or `xvfb-run -a -s
"-screen 0 1400x950x24"`. Makes a Zarr array in a temporary folder: moving discs on noise
where they are clicked, and noise where the contrast is sampled; all other chunks are left out,
which reads as black. Then opens it, clicks on two discs, and follows them.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_sam2.io.read import read_movie
from napari_sam2.movies.appearance import open_session
from sam2_torch import PointPrompt, load_sam2
from sam2_torch.inputs.frames import SAMPLED_FRAMES, sample_pixels

RADIUS, STEP = 9, 6
TRACKED = 10


def noise(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    return generator.normal(300, 40, shape).astype(np.uint16)


class Touched:
    """Stands for a movie, and notes which chunks a reader asks for."""

    def __init__(self, side: int, chunk: int) -> None:
        self.frame_shape = (side, side)
        self._chunk = chunk
        self.chunks: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return 1

    def window(self, frame: int, rows: slice, columns: slice, size: Any = None) -> NDArray[Any]:
        n = self._chunk
        for y in range(rows.start // n, (rows.stop - 1) // n + 1):
            self.chunks |= {(y, x) for x in range(columns.start // n, (columns.stop - 1) // n + 1)}
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start))


def make(path: Path, shape: tuple[int, int], chunk: int, places: list[tuple[int, int]]) -> None:
    """Write the array, of (frames, rows and columns)."""
    n_frames, side = shape
    generator = np.random.default_rng(0)
    array = zarr.create_array(
        path, shape=(n_frames, side, side), chunks=(1, chunk, chunk), dtype="uint16"
    )
    touched = Touched(side, chunk)
    sample_pixels(touched, 0)  # type: ignore[arg-type]
    for frame in np.linspace(0, n_frames - 1, SAMPLED_FRAMES).round().astype(int):
        for y, x in touched.chunks:
            part = slice(y * chunk, min((y + 1) * chunk, side))
            other = slice(x * chunk, min((x + 1) * chunk, side))
            array[frame, part, other] = noise(
                generator, (part.stop - part.start, other.stop - other.start)
            )
    y, x = np.mgrid[:1536, :1536]
    for frame in range(n_frames):
        for top, left in places:
            field = noise(generator, (1536, 1536))
            field[(y - 768) ** 2 + (x - 768 - STEP * frame) ** 2 < RADIUS**2] += 900
            array[frame, top - 768 : top + 768, left - 768 : left + 768] = field


@contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    figures[name] = time.perf_counter() - start


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--chunk", type=int, default=512, help="rows and columns of a chunk")
    parser.add_argument("--dock", action="store_true", help="in napari's window")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the window")
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


def measure_api(path: Path, places: list[tuple[int, int]], model: Any) -> dict[str, float]:
    """Open the movie, click on the discs, and follow them."""
    figures = {"before_mb": peak_mb()}
    with timed(figures, "open_s"):
        movie = read_movie(path, "TYX")
    with timed(figures, "session_s"):
        session = open_session(model, movie)
    for i, (y, x) in enumerate(places, start=1):
        with timed(figures, f"click_{i}_s"):
            prediction = session.add_prompt(i, 0, PointPrompt([[y, x]], [1]))
        figures[f"area_{i}"] = prediction.sparse.area / (np.pi * RADIUS**2)
    with timed(figures, "followed_s"):
        results = list(session.propagate("forward", frames=(0, TRACKED)))
    last = results[-1].predictions[0].sparse
    figures["found_after"] = float(
        abs(last.origin_yx[1] + last.extent_yx[1] / 2 - places[0][1] - STEP * (TRACKED - 1))
    )
    figures["after_mb"] = peak_mb()
    return figures


def main() -> None:
    arguments = read_arguments()
    side = arguments.side
    places = [(side // 3, side // 4), (side // 2, side - 2000)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "large.zarr"
        make(path, (arguments.frames, side), arguments.chunk, places)
        if arguments.dock:
            from large_dock import measure_dock

            os.environ["NAPARI_CONFIG"] = f"{folder}/settings.yaml"
            os.environ["NAPARI_SAM2_SESSIONS"] = f"{folder}/sessions"
            figures = measure_dock(path, places, STEP, peak_mb, arguments.pictures)
        else:
            figures = measure_api(path, places, load_sam2(arguments.model, arguments.device))
    figures["frame_mb"] = side * side * 2 / 2**20
    for name, figure in figures.items():
        print(f"{name}: {figure:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
