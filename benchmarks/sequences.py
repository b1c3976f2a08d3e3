"""Track labelled movies and stacks as a user would, with `napari-sam2 track`: mean IoU.

    python benchmarks/sequences.py --data FOLDER [--model M] [--device D] [--json F] [--quick]

FOLDER is as for accuracy.py. Each item of kind time or z becomes a TIFF; up to eight objects
of frame 0 are followed through the first frames from one click each, deep inside, and from a
box each. Only frames in which an object really is count. The figures of accuracy.py, which
talks to the network directly, should be the same.
"""

import argparse
import sys
from collections import defaultdict
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from accuracy import FRAMES, choose_objects, iou, modality_key, prompt_of, report
from labelled_data import Item, read_items
from numpy.typing import NDArray
from tqdm import tqdm

from napari_sam2.cli import main as napari_sam2
from napari_sam2.io.images.tiff import write_tiff
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.prompts.prompts_csv import write_prompts_csv
from napari_sam2.io.read import read_movie
from napari_sam2.movies.movie import Calibration

KINDS = ("click", "box")
AXES = {"time": "TYX", "z": "ZYX"}
QUICK_ITEMS = 4

Scores = dict[str, list[float]]


def items_of(folder: Path, quick: bool) -> list[Item]:
    """List the movies and stacks of a folder, or a few of them."""
    items = read_items(folder, kinds=tuple(AXES))
    if not quick:
        return items
    firsts = list({item["modality"]: item for item in reversed(items)}.values())
    return firsts[:: max(1, len(firsts) // QUICK_ITEMS)][:QUICK_ITEMS]


def track(movie: Path, prompts: list[ObjectPrompts], options: list[str]) -> list[NDArray[Any]]:
    """Run the command on a movie and read the label movie that it writes."""
    table, labels = movie.with_name("prompts.csv"), movie.with_name("labels.tif")
    write_prompts_csv(table, prompts)
    command = ["track", str(movie), "--prompts", str(table), "-o", str(labels), *options]
    output = StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        code = napari_sam2([*command, "--direction", "forward"])
    if code:
        raise RuntimeError(
            f"napari-sam2 {' '.join(command)} ended with {code}: {output.getvalue()}"
        )
    return list(read_movie(labels))


def measure(item: dict[str, str], arrays: dict[str, NDArray[Any]], options: list[str]) -> Scores:
    """Track one item from each kind of prompt: IoU of each object in each frame."""
    image, truth = arrays["image"][:FRAMES], arrays["labels"][:FRAMES]
    objects = choose_objects(truth[0])
    scores: Scores = {}
    with TemporaryDirectory() as folder:
        movie = Path(folder) / "movie.tif"
        write_tiff(movie, image, image.shape, AXES[item["kind"]], Calibration())
        for kind in KINDS if objects else ():
            prompts = [ObjectPrompts(i, 0, (prompt_of(kind, truth[0] == i),)) for i in objects]
            found = track(movie, prompts, options)
            scores[kind] = [
                iou(labels == i, really == i)
                for labels, really in zip(found, truth, strict=True)
                for i in objects
                if (really == i).any()
            ]
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ITEMS} different items only")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    options = ["--model", arguments.model, "--device", arguments.device]
    figures: Scores = defaultdict(list)
    for item in tqdm(items_of(arguments.data, arguments.quick), file=sys.stderr):
        with np.load(arguments.data / item["file"]) as arrays:
            scores = measure(item, arrays, options)
        name = Path(item["file"]).stem
        modality = modality_key(item)
        for kind, values in scores.items():  # each item counts alike, however long it is
            for key in ("", f".{modality}", f".item.{name}"):
                figures[f"sequence.{kind}.miou{key}"].append(float(np.mean(values)))
    report(figures, arguments.json)


if __name__ == "__main__":
    main()
