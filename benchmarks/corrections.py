"""Correct masks by clicks, as a user who sees the true masks: IoU after each correction.

    python benchmarks/corrections.py --data FOLDER [--model M] [--only NAMES] [--json F]

FOLDER is as for accuracy.py. Simulated as in SAM's papers: each click goes into the middle of
the largest error, missing or excess pixels.

On movies and stacks (`--parts movies`) an object gets a click in the first of 12 frames and is
propagated. Then, three times, the frame with the lowest IoU is corrected by a click and
propagated from there on. On images (`--parts images`) an object gets a click, a box, or a rough
mask, as another program or a hurried person draws it, and three corrections.

Sides: `refined` (the default of sessions on a CPU), `flips` (averaged over mirrored images, too),
`plain` (the network's masks as they are), and `sam2`, the reference with the same weights (on
images it is `plain`: see tests/parity).

Keys, SIDE.FIGURE for images.click, images.box, images.mask and movies: `miou_N` after N clicks,
`next5_before` and `next5_after` in the 5 frames after each correction, `change_negative`
and `change_positive` of the IoU by a click in its frame, `lowered` (share of clicks that lower
it by more than 0.05), `emptied` (share that leaves no mask).
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import torch
from accuracy import Scores, choose_objects, iou, prompt_of, report
from labelled_data import read_items
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from tqdm import tqdm

from sam2_torch import (
    SAM2,
    BoxPrompt,
    EmbeddingStore,
    ImageSession,
    MaskPrompt,
    PointPrompt,
    VideoSession,
    load_sam2,
)
from sam2_torch.inputs.transforms import image_to_input
from sam2_torch.training.evaluation import Mask, deepest_point, next_click

CORRECTIONS = 3
FRAMES = 12
NEXT = 5
LOWERED = 0.05
ROUGHNESS = 0.11  # of an object's size, by which the outline of a rough mask is off

Masks = dict[int, Mask]


class Tracking(Protocol):
    """One object in a movie, in one implementation."""

    def click(self, frame: int, click: PointPrompt) -> Mask:
        """Click in a frame; return the mask there."""
        ...

    def propagate(self, start: int) -> Masks:
        """Propagate from a frame to the last one."""
        ...


class OurTracking:
    """An object of a `VideoSession`."""

    def __init__(self, session: VideoSession) -> None:
        session.reset()
        self.session = session

    def click(self, frame: int, click: PointPrompt) -> Mask:
        return self.session.add_prompt(1, frame, click).mask

    def propagate(self, start: int) -> Masks:
        span = start, self.session.n_frames
        results = self.session.propagate("forward", frames=span)
        return {result.frame: result.masks[0] for result in results}


class ReferenceTracking:
    """An object in the `sam2` package's video predictor.

    Parameters
    ----------
    movie
        A `ReferenceVideo` of the parity tests, whose frames are squares.
    shape
        (H, W) of the frames.
    """

    def __init__(self, movie: Any, shape: tuple[int, int]) -> None:
        self.movie, self.shape = movie, shape

    def click(self, frame: int, click: PointPrompt) -> Mask:
        return self._mask(self.movie.add_prompt(1, frame, click))

    def propagate(self, start: int) -> Masks:
        return {t: self._mask(found[1]) for t, found in self.movie.propagate(start).items()}

    def _mask(self, logits: torch.Tensor) -> Mask:
        return (logits > 0).numpy()[: self.shape[0], : self.shape[1]]


def opened(
    side: str, model: SAM2, frames: NDArray[Any], store: EmbeddingStore
) -> Callable[[], Tracking]:
    """Open frames on a side; returns what starts with an object."""
    session = VideoSession(model, list(frames), plain=side == "plain", embeddings=store)
    if side == "sam2":
        return references(model, frames, session.contrast)
    return partial(OurTracking, session)


def references(model: SAM2, frames: NDArray[Any], contrast: Any) -> Callable[[], Tracking]:
    """Open frames in the reference with the same weights; objects share the embeddings."""
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "parity"))
    from reference import build_reference
    from reference_video import ReferenceVideo

    network = build_reference(model.config)
    network.load_state_dict(model.state_dict())
    images = torch.cat([image_to_input(frame, contrast, model.config) for frame in frames])
    shape: tuple[int, int] = frames.shape[1:3]
    side = max(shape)
    with torch.inference_mode():
        encoded = ReferenceVideo(network, images, (side, side)).encode_frames()
    return lambda: ReferenceTracking(ReferenceVideo(network, images, (side, side), encoded), shape)


def correct_movie(tracking: Tracking, truths: NDArray[np.bool_]) -> Iterator[tuple[str, float]]:
    """Click at an object in frame 0, correct it three times; yield figures.

    Parameters
    ----------
    tracking
        Of the object.
    truths
        (T, H, W), not empty in frame 0.
    """
    shown = np.flatnonzero(truths.any((1, 2))).tolist()  # only frames in which it is count
    tracking.click(0, PointPrompt([deepest_point(truths[0])], [1]))
    masks = tracking.propagate(0)
    yield "miou_0", mean_iou(masks, truths, shown)
    for n in range(1, CORRECTIONS + 1):
        frame = min(shown, key=lambda t: iou(masks[t], truths[t]))
        if (masks[frame] ^ truths[frame]).any():
            before, click = dict(masks), next_click(masks[frame], truths[frame])
            masks[frame] = tracking.click(frame, click)
            yield from changes(before[frame], masks[frame], truths[frame], click)
            masks |= tracking.propagate(frame)
            following = [t for t in shown if frame < t <= frame + NEXT]
            if following:
                yield "next5_before", mean_iou(before, truths, following)
                yield "next5_after", mean_iou(masks, truths, following)
        yield f"miou_{n}", mean_iou(masks, truths, shown)


def mean_iou(masks: Masks, truths: NDArray[np.bool_], frames: list[int]) -> float:
    return float(np.mean([iou(masks[t], truths[t]) for t in frames]))


def changes(
    before: Mask, after: Mask, truth: Mask, click: PointPrompt
) -> Iterator[tuple[str, float]]:
    """Yield what a click changed in its frame."""
    change = iou(after, truth) - iou(before, truth)
    yield f"change_{'positive' if click.labels[0] else 'negative'}", change
    yield "lowered", float(change < -LOWERED)
    yield "emptied", float(not after.any())


def correct_image(
    session: ImageSession, truth: Mask, start: PointPrompt | BoxPrompt | MaskPrompt
) -> Iterator[tuple[str, float]]:
    """Begin with a prompt of an object, and correct its mask three times; yield figures."""
    answer = session.predict(start)[0]
    yield "miou_0", iou(answer.mask, truth)
    clicks = start if isinstance(start, PointPrompt) else None
    for n in range(1, CORRECTIONS + 1):
        before = answer
        if (before.mask ^ truth).any():
            click = next_click(before.mask, truth)
            clicks = click if clicks is None else joined(clicks, click)
            if isinstance(start, MaskPrompt):
                answer = session.predict(MaskPrompt(before.sparse), clicks)[0]
            else:
                box = (start,) if isinstance(start, BoxPrompt) else ()
                answer = session.predict(*box, clicks, mask_logits=before.logits)[0]
            yield from changes(before.mask, answer.mask, truth, click)
        yield f"miou_{n}", iou(answer.mask, truth)


def joined(one: PointPrompt, other: PointPrompt) -> PointPrompt:
    points = np.concatenate([one.points_yx, other.points_yx])
    return PointPrompt(points, np.concatenate([one.labels, other.labels]))


def rough_mask(truth: Mask, seed: int) -> Mask:
    """Return an object with an outline that is off by smooth random distances."""
    size = np.sqrt(truth.sum())
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(truth.shape), size / 5)
    depth = distance_transform_edt(truth) - distance_transform_edt(~truth)
    return np.asarray(depth + noise / noise.std() * size * ROUGHNESS > 0, bool)


def measure_item(
    model: SAM2, item: dict[str, str], arrays: Any, n_objects: int, sides: list[str]
) -> Iterator[tuple[str, float]]:
    """Yield key and figure, object by object."""
    image, labels = arrays["image"], arrays["labels"]
    if item["kind"] == "2d":
        for side in (side for side in sides if side != "sam2"):
            session = ImageSession(model, image, plain=side == "plain", flips=side == "flips")
            for object_id in some(choose_objects(labels), n_objects):
                truth = labels == object_id
                starts = {kind: prompt_of(kind, truth) for kind in ("click", "box")}
                starts["mask"] = MaskPrompt(rough_mask(truth, object_id))
                for kind, start in starts.items():
                    for key, value in correct_image(session, truth, start):
                        yield f"images.{kind}.{side}.{key}", value
        return
    first = len(image) // 3 if item["kind"] == "z" else 0  # stacks begin with empty planes
    image, labels = image[first : first + FRAMES], labels[first : first + FRAMES]
    objects = some(choose_objects(labels[0]), n_objects)
    with TemporaryDirectory() as folder:  # sides share the embeddings
        for side in sides if objects else ():
            start = opened(side, model, image, EmbeddingStore(Path(folder)))
            for object_id in objects:
                with torch.inference_mode():
                    for key, value in correct_movie(start(), labels == object_id):
                        yield f"movies.{side}.{key}", value


def some(objects: list[int], n: int) -> list[int]:
    """Select n objects, spread over their numbers."""
    return [objects[i] for i in np.linspace(0, len(objects) - 1, min(n, len(objects))).astype(int)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", default="*", help="names, with * and ?, or held-out")
    parser.add_argument("--parts", nargs="+", choices=("images", "movies"), default=("movies",))
    parser.add_argument("--sides", nargs="+", default=("refined", "plain", "sam2"))
    parser.add_argument("--objects", type=int, default=3, help="of each item, at most 8")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    model = load_sam2(arguments.model, arguments.device)
    items = [
        item
        for item in read_items(arguments.data, arguments.only)
        if ("images" if item["kind"] == "2d" else "movies") in arguments.parts
    ]
    scores: Scores = defaultdict(list)
    for item in tqdm(items, file=sys.stderr):
        of_item: Scores = defaultdict(list)
        with np.load(arguments.data / item["file"]) as arrays:
            for key, value in measure_item(model, item, arrays, arguments.objects, arguments.sides):
                of_item[key].append(value)
        for key, values in of_item.items():  # each item counts alike
            scores[key].append(float(np.mean(values)))
            if "miou" in key:
                scores[f"{key}.{Path(item['file']).stem}"].append(float(np.mean(values)))
    report(scores, arguments.json)


if __name__ == "__main__":
    main()
