"""Measure a model on labelled images, movies and stacks: mean IoU by kind of prompt.

    python benchmarks/accuracy.py --model cells_nano --data FOLDER [--json F]

FOLDER holds `.npz` files with `image` and `labels` and a `manifest.csv` with the columns
file, kind (2d, time or z) and modality. On single images: one click, three clicks, a box.
On movies and stacks: the first frames after a click, a box or a mask in frame 0.
"""

import argparse
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from tqdm import tqdm

from sam2_torch import (
    SAM2,
    BoxPrompt,
    ImageSession,
    MaskPrompt,
    PointPrompt,
    Prompt,
    VideoSession,
    load_sam2,
)

OBJECTS = 8
FRAMES = 12
CLICKS = 3
MIN_AREA = 20

Mask = NDArray[np.bool_]
Scores = dict[str, list[float]]


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0


def deepest_point(region: Mask) -> NDArray[np.float64]:
    """Find the pixel of a region that is farthest from its outside."""
    depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    return np.array(np.unravel_index(depth.argmax(), depth.shape), float)


def next_click(mask: Mask, truth: Mask) -> PointPrompt:
    """Click into the middle of the larger error, as a person would."""
    missing, excess = truth & ~mask, mask & ~truth
    depths = [
        distance_transform_edt(np.pad(error, 1)).max() if error.any() else 0.0
        for error in (missing, excess)
    ]
    positive = depths[0] >= depths[1]
    return PointPrompt([deepest_point(missing if positive else excess)], [int(positive)])


def box_of(truth: Mask) -> BoxPrompt:
    """Draw the tight box of a mask."""
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    return BoxPrompt(rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)


def choose_objects(labels: NDArray[Any]) -> list[int]:
    """Choose up to 8 labels of an image, spread over their numbers, without specks."""
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    ids = ids[areas >= MIN_AREA]
    chosen = np.linspace(0, len(ids) - 1, min(OBJECTS, len(ids))).round().astype(int)
    return [int(ids[i]) for i in chosen]


def measure_image(
    model: SAM2, image: NDArray[Any], labels: NDArray[Any]
) -> Iterator[tuple[str, float]]:
    """Yield the kind of prompt and the IoU, object by object."""
    session = ImageSession(model, image)
    for object_id in choose_objects(labels):
        truth = labels == object_id
        yield "box", iou(session.predict(box_of(truth))[0].mask, truth)
        clicks = PointPrompt([deepest_point(truth)], [1])
        answer = session.predict(clicks)[0]
        yield "click", iou(answer.mask, truth)
        for _ in range(CLICKS - 1):
            if not (answer.mask ^ truth).any():
                break
            more = next_click(answer.mask, truth)
            clicks = PointPrompt(
                np.concatenate((clicks.points_yx, more.points_yx)),
                np.concatenate((clicks.labels, more.labels)),
            )
            answer = session.predict(clicks, mask_logits=answer.logits)[0]
        yield f"{CLICKS}clicks", iou(answer.mask, truth)


def measure_sequence(
    model: SAM2, frames: NDArray[Any], labels: NDArray[Any]
) -> Iterator[tuple[str, float]]:
    """Yield the kind of prompt and the IoU of each frame and object where the object is."""
    frames, labels = frames[:FRAMES], labels[:FRAMES]
    session = VideoSession(model, frames)
    objects = choose_objects(labels[0])
    for kind in ("click", "box", "mask") if objects else ():
        session.reset()
        for object_id in objects:
            session.add_prompt(object_id, 0, prompt_of(kind, labels[0] == object_id))
        for result in session.propagate("forward"):
            for object_id, prediction in zip(result.object_ids, result.predictions, strict=True):
                truth = labels[result.frame] == object_id
                if truth.any():
                    yield kind, iou(prediction.mask, truth)


def prompt_of(kind: str, truth: Mask) -> Prompt:
    """Prompt an object as a person would who sees its true mask."""
    if kind == "click":
        return PointPrompt([deepest_point(truth)], [1])
    return box_of(truth) if kind == "box" else MaskPrompt(truth)


def measure(model: SAM2, folder: Path, limit: int | None = None) -> Scores:
    """Measure all items of a folder; keys as in the JSON, values one for each object or frame."""
    with open(folder / "manifest.csv", newline="") as file:
        items = [item for item in csv.DictReader(file) if (folder / item["file"]).is_file()]
    scores: Scores = defaultdict(list)
    for item in tqdm(items[:: max(1, len(items) // limit)] if limit else items, file=sys.stderr):
        with np.load(folder / item["file"]) as arrays:
            image, labels = arrays["image"], arrays["labels"]
        single = item["kind"] == "2d"
        kind = "image" if single else "sequence"
        modality = modality_key(item)
        of_item: Scores = defaultdict(list)
        for prompt, value in (measure_image if single else measure_sequence)(model, image, labels):
            of_item[f"{kind}.{prompt}.miou"].append(value)
        for key, values in of_item.items():  # each item counts alike, however long it is
            scores[key].append(float(np.mean(values)))
            scores[f"{key}.{modality}"].append(float(np.mean(values)))
    return scores


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
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    model = load_sam2(arguments.model, arguments.device)
    scores = measure(model, arguments.data, arguments.items)
    report(scores, arguments.json)


if __name__ == "__main__":
    main()
