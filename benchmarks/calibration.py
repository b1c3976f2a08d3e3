"""Calibrate the network's confidence: from predicted IoU to expected IoU.

    python benchmarks/calibration.py --data FOLDER [--model M] [--only held-out] [--json F]

FOLDER is as for accuracy.py. On every other image of each modality, of clicks and boxes, a line
is fitted: expected IoU = offset + slope * predicted IoU. The other images judge it. The two
numbers of a model belong into its registry entry (`calibration`).

The calibration error is the mean distance of predicted (or expected) and true IoU over five bins
with the same number of masks each.
"""

import argparse
import sys
from collections import defaultdict
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import choose_objects, iou, modality_key, prompt_of, report
from labelled_data import read_items
from numpy.typing import NDArray
from tqdm import tqdm

from sam2_torch import SAM2, ImageSession, load_sam2

BINS = 5
KINDS = ("click", "box")


def measure(
    model: SAM2, image: NDArray[Any], labels: NDArray[Any], n_objects: int
) -> list[tuple[float, float]]:
    """Return predicted and true IoU of each prompt."""
    session = ImageSession(model, image)
    objects = choose_objects(labels)
    pairs = []
    for object_id in objects[:: max(1, len(objects) // n_objects)][:n_objects]:
        truth = labels == object_id
        for kind in KINDS:
            answer = session.predict(prompt_of(kind, truth))[0]
            pairs.append((answer.iou, iou(answer.mask, truth)))
    return pairs


def calibration_error(expected: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Return the mean over bins of the distance between mean expected and mean true IoU."""
    bins = np.array_split(np.argsort(expected), BINS)
    return float(np.mean([abs(expected[each].mean() - true[each].mean()) for each in bins]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", default="held-out", help="names, with * and ?, or held-out")
    parser.add_argument("--objects", type=int, default=4, help="of each image, at most 8")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    model = load_sam2(arguments.model, arguments.device)
    items = read_items(arguments.data, arguments.only, ("2d",))
    halves: tuple[list[tuple[float, float]], ...] = ([], [])
    turns: dict[str, Any] = defaultdict(count)
    for item in tqdm(items, file=sys.stderr):
        with np.load(arguments.data / item["file"]) as arrays:
            pairs = measure(model, arrays["image"], arrays["labels"], arguments.objects)
        halves[next(turns[modality_key(item)]) % 2].extend(pairs)
    (predicted, true), (held_predicted, held_true) = (np.array(half).T for half in halves)
    slope, offset = np.polyfit(predicted, true, 1)
    figures = {
        "calibration.offset": [offset],
        "calibration.slope": [slope],
        "calibration.error_before": [calibration_error(held_predicted, held_true)],
        "calibration.error": [calibration_error(offset + slope * held_predicted, held_true)],
        "calibration.correlation": [np.corrcoef(held_predicted, held_true)[0, 1]],
        "calibration.mean_true": [held_true.mean()],
        "calibration.masks": [float(len(held_true))],
    }
    report(figures, arguments.json)


if __name__ == "__main__":
    main()
