"""Measure a model on labelled images, movies and stacks: mean IoU by kind of prompt.

    python benchmarks/accuracy.py --model cells_nano --data FOLDER [--only NAMES] [--json F]

FOLDER holds `.npz` files with `image` and `labels` and a `manifest.csv` with the columns
file, kind (2d, time or z) and modality. On single images: mean IoU of one click, three clicks,
a box; and the number of clicks after which the IoU is 0.85, at most 20 (`image.clicks_to_85`).
Beside each mean IoU (`.miou`) its segmentation accuracy, TP / (TP + FP + FN) over the prompted
objects: at IoU 0.5 (`.sa50`) and as the mean over IoU 0.5 to 0.95 in steps of 0.05 (`.msa`), on
which scale the field publishes.
On movies and stacks: the first frames after a click, a box or a mask in frame 0; stacks (kind z)
as the plugin and the command line take them, objects end in depth.

`--only held-out` takes those items that the training of `cells_nano` holds out by default.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from labelled_data import read_items
from numpy.typing import NDArray
from tqdm import tqdm

from sam2_torch import SAM2, Depth, load_sam2
from sam2_torch.training.evaluation import (
    FRAMES,
    MIN_AREA,
    box_of,
    choose_objects,
    count_clicks,
    deepest_point,
    iou,
    measure_image,
    measure_sequence,
    prompt_of,
)

__all__ = [
    "FRAMES",
    "MIN_AREA",
    "Scores",
    "box_of",
    "choose_objects",
    "deepest_point",
    "iou",
    "measure",
    "modality_key",
    "prompt_of",
    "report",
    "segmentation_accuracies",
]

Scores = dict[str, list[float]]

THRESHOLDS = np.arange(50, 100, 5) / 100


def measure(
    model: SAM2,
    folder: Path,
    limit: int | None = None,
    count: bool = True,
    only: str = "*",
) -> Scores:
    """Measure all items of a folder; keys as in the JSON, values one for each item.

    Parameters
    ----------
    model
        The network.
    folder
        With a manifest.
    limit
        Measure about so many items only.
    count
        Whether to count clicks, too, which takes the most time.
    only
        Names of the items, see `read_items`.
    """
    items = read_items(folder, only)
    scores: Scores = defaultdict(list)
    for item in tqdm(items[:: max(1, len(items) // limit)] if limit else items, file=sys.stderr):
        with np.load(folder / item["file"]) as arrays:
            image, labels = arrays["image"], arrays["labels"]
        single = item["kind"] == "2d"
        kind = "image" if single else "sequence"
        modality = modality_key(item)
        of_item: Scores = defaultdict(list)
        for prompt, value in measure_item(model, image, labels, item["kind"]):
            of_item[f"{kind}.{prompt}.miou"].append(value)
        if single and count:
            of_item["image.clicks_to_85"] += map(float, count_clicks(model, image, labels))
        for key, values in list(of_item.items()):
            if key.endswith(".miou"):
                stem, accuracies = key.removesuffix("miou"), segmentation_accuracies(values)
                of_item[f"{stem}sa50"] = accuracies[:1]
                of_item[f"{stem}msa"] = accuracies
        for key, values in of_item.items():  # each item counts alike, however long it is
            scores[key].append(float(np.mean(values)))
            scores[f"{key}.{modality}"].append(float(np.mean(values)))
    return scores


def measure_item(
    model: SAM2, image: NDArray[Any], labels: NDArray[Any], kind: str
) -> Iterator[tuple[str, float]]:
    """Yield the kind of prompt and an IoU, as often as there is one."""
    if kind == "2d":
        return measure_image(model, image, labels)
    return measure_sequence(model, image, labels, depth=Depth() if kind == "z" else None)


def segmentation_accuracies(ious: Sequence[float]) -> list[float]:
    """Return TP / (TP + FP + FN) at IoU 0.5, 0.55 ... 0.95 of objects with one mask each.

    A mask below the threshold is a false positive, and its object a false negative.

    Parameters
    ----------
    ious
        Of each object's mask with the truth, at least one.
    """
    hits = (np.array(ious)[:, None] >= THRESHOLDS).sum(0)  # (10,)
    return [float(n / (2 * len(ious) - n)) for n in hits]


def modality_key(item: dict[str, str]) -> str:
    """Make an item's modality the last part of a key."""
    return item["modality"].split(" (")[0].replace(" ", "_").replace("/", "_")


def report(scores: Scores, file: Path | None) -> None:
    """Print the mean of each key, and write the means to a JSON file if there is one."""
    means = {key: round(float(np.mean(values)), 4) for key, values in sorted(scores.items())}
    for key, mean in means.items():
        print(f"{key:80s} {mean:.3f}  ({len(scores[key])} items)")
    if file:
        file.write_text(json.dumps(means, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--items", type=int, help="measure about so many items only")
    parser.add_argument("--only", default="*", help="names, with * and ?, or held-out")
    parser.add_argument("--no-clicks", action="store_true", help="do not count clicks")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    model = load_sam2(arguments.model, arguments.device)
    only = arguments.only
    scores = measure(model, arguments.data, arguments.items, not arguments.no_clicks, only)
    if not scores:
        parser.error(f"--only: expected the name of an item of {arguments.data}, found {only!r}")
    report(scores, arguments.json)


if __name__ == "__main__":
    main()
