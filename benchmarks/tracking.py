"""Measure tracking on labelled movies by the Cell Tracking Challenge: SEG, TRA, DET, LNK.

    python benchmarks/tracking.py --model cells_nano --data FOLDER [--frames N] [--json F]

FOLDER is as for accuracy.py; its items of kind time count. Four ways to begin:

mask0   the masks of all cells in the first frame, and nothing else
mask    the mask of each cell in the frame in which it appears
click   one click into the middle of each cell in the frame in which it appears
link    all masks of all frames, without identities (`napari-sam2 link`)

Everything runs forward from there, without a correction. The figures are py-ctcmetrics', from
the folders that `napari-sam2 export` writes. Parents are not in the data, so none are compared;
of `link`, SEG says nothing: the masks are the true ones.
"""

import argparse
import csv
import json
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ctc_metrics import evaluate_sequence
from numpy.typing import NDArray
from tqdm import tqdm

from napari_sam2 import api
from napari_sam2.division import deepest_pixel
from napari_sam2.images import Movie
from napari_sam2.io import ObjectPrompts, export
from napari_sam2.io.label_movies import tracked_labels
from napari_sam2.linking import link_labels
from napari_sam2.tracked import Tracked
from sam2_torch import SAM2, MaskPrompt, PointPrompt, Prompt, load_sam2

WAYS = ("mask0", "mask", "click", "link")
METRICS = ("SEG", "TRA", "DET", "LNK")


def prompts_of(way: str, truth: Tracked) -> list[ObjectPrompts]:
    """Say what a user would to begin."""
    said = []
    for track in truth.tracks:
        frame = track.begin or 0
        mask = truth.masklets.get(track.object_id, frame)
        assert mask is not None
        if way == "mask0" and frame:
            continue
        prompt: Prompt = MaskPrompt(mask.to_dense())
        if way == "click":
            prompt = PointPrompt([deepest_pixel(mask)], [1])
        said.append(ObjectPrompts(track.object_id, frame, (prompt,)))
    return said


def without_identities(labels: NDArray[Any]) -> Tracked:
    """Number the objects of each frame anew, at random."""
    rng = np.random.default_rng(0)
    shuffled = np.zeros_like(labels)
    for frame, image in enumerate(labels):
        ids = np.unique(image[image > 0])
        for old, new in zip(ids, rng.permutation(len(ids)) + 1, strict=True):
            shuffled[frame][image == old] = new
    return tracked_labels(Movie(shuffled, "TYX"))


def track(model: SAM2, movie: Movie, truth: Tracked, labels: NDArray[Any], way: str) -> Tracked:
    """Track a movie in one of the ways."""
    if way == "link":
        return link_labels(model, movie, without_identities(labels))
    masklets = api.track(model, movie, prompts_of(way, truth), direction="forward")
    return Tracked.of(movie, masklets)


def measure(folder: Path, truth: Tracked, found: Tracked) -> dict[str, float]:
    """Compare two tracked movies; 0 where nothing was found."""
    gold, result = folder / "01_GT", folder / "01_RES.ctc"
    folder.mkdir(exist_ok=True)
    export(folder / "truth.ctc", truth)
    for kind, name in (("TRA", "man_track"), ("SEG", "man_seg")):
        (gold / kind).mkdir(parents=True)
        for file in (folder / "truth.ctc").glob("mask*.tif"):
            (gold / kind / file.name.replace("mask", name)).write_bytes(file.read_bytes())
    table = (folder / "truth.ctc" / "res_track.txt").read_text()
    (gold / "TRA" / "man_track.txt").write_text(table)
    export(result, found)
    with redirect_stdout(StringIO()):
        figures = evaluate_sequence(str(result), str(gold), ["Valid", *METRICS], threads=1)
    if not figures["Valid"]:
        raise RuntimeError("py-ctcmetrics finds the exported folder not valid")
    return {metric: float(figures[metric]) for metric in METRICS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--frames", type=int, help="of each movie the first ones only")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    model = load_sam2(arguments.model, arguments.device)
    with open(arguments.data / "manifest.csv", newline="") as file:
        items = [item["file"] for item in csv.DictReader(file) if item["kind"] == "time"]
    jobs = [(item, way) for item in items for way in arguments.ways]
    figures: dict[str, list[float]] = defaultdict(list)
    for item, way in tqdm(jobs, file=sys.stderr):
        with np.load(arguments.data / item) as arrays:
            image, labels = (arrays[key][: arguments.frames] for key in ("image", "labels"))
        movie, truth = Movie(image, "TYX"), tracked_labels(Movie(labels, "TYX"))
        found = track(model, movie, truth, labels, way)
        with TemporaryDirectory() as folder:
            measured = measure(Path(folder), truth, found)
        for metric, value in measured.items():
            figures[f"tracking.{way}.{metric.lower()}"].append(value)
            figures[f"tracking.{way}.{metric.lower()}.item.{Path(item).stem}"].append(value)
    means = {key: round(float(np.mean(values)), 4) for key, values in sorted(figures.items())}
    for key, value in means.items():
        print(f"{key:60} {value:.4f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(means, indent=1) + "\n")


if __name__ == "__main__":
    main()
