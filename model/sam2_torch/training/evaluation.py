"""Measure masks: the IoU after clicks and boxes, on images and through movies.

Clicks are those of a person who sees the true mask: the object's middle first, then the middle
of the larger error.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from sam2_torch.predictions import MaskPrediction
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from sam2_torch.sam2 import SAM2
from sam2_torch.sessions.image_session import ImageSession
from sam2_torch.sessions.video_session import Depth, VideoSession
from sam2_torch.training.data.labelled_movies import LabelledMovie

OBJECTS = 8
FRAMES = 12
CLICKS = 3
MIN_AREA = 20
GOOD_IOU, MANY_CLICKS = 0.85, 20

Mask: TypeAlias = NDArray[np.bool_]
Scores: TypeAlias = dict[str, float]


def iou(mask: Mask, truth: Mask) -> float:
    """Return intersection over union; 1 where both are empty."""
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0


def deepest_point(region: Mask) -> NDArray[np.float64]:
    """Return (row, column) of the pixel of a region that is farthest from its outside."""
    return _deepest(region)[1]


def _deepest(region: Mask) -> tuple[float, NDArray[np.float64]]:
    """Return depth and place of a region's deepest pixel; depth 0 at (0, 0) for an empty region."""
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if len(rows) == 0:
        return 0.0, np.zeros(2)
    corner = rows[0], columns[0]
    window = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = distance_transform_edt(np.pad(window, 1))[1:-1, 1:-1]
    place = np.array(np.unravel_index(depth.argmax(), depth.shape), float)
    return float(depth.max()), place + corner


def next_click(mask: Mask, truth: Mask) -> PointPrompt:
    """Return a click into the middle of the larger error, missing or excess pixels."""
    missing, excess = _deepest(truth & ~mask), _deepest(mask & ~truth)
    positive = missing[0] >= excess[0]
    return PointPrompt([(missing if positive else excess)[1]], [int(positive)])


def box_of(truth: Mask) -> BoxPrompt:
    """Return the bounding box of a mask."""
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    return BoxPrompt(rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)


def choose_objects(labels: NDArray[Any]) -> list[int]:
    """Select up to 8 labels of an image, spread over their numbers, without specks."""
    ids, areas = np.unique(labels[labels > 0], return_counts=True)
    ids = ids[areas >= MIN_AREA]
    chosen = np.linspace(0, len(ids) - 1, min(OBJECTS, len(ids))).round().astype(int)
    return [int(ids[i]) for i in chosen]


def click_on(session: ImageSession, truth: Mask) -> Iterator[MaskPrediction]:
    """Click until the mask is perfect; yield the mask after each click."""
    clicks = PointPrompt([deepest_point(truth)], [1])
    answer = session.predict(clicks)[0]
    yield answer
    while (answer.mask ^ truth).any():
        more = next_click(answer.mask, truth)
        clicks = PointPrompt(
            np.concatenate((clicks.points_yx, more.points_yx)),
            np.concatenate((clicks.labels, more.labels)),
        )
        answer = session.predict(clicks, mask_logits=answer.logits)[0]
        yield answer


def prompt_of(kind: str, truth: Mask) -> Prompt:
    """Return a prompt of a kind for an object with a true mask."""
    if kind == "click":
        return PointPrompt([deepest_point(truth)], [1])
    return box_of(truth) if kind == "box" else MaskPrompt(truth)


def measure_image(
    model: SAM2, image: NDArray[Any], labels: NDArray[Any]
) -> Iterator[tuple[str, float]]:
    """Yield "click", "3clicks" or "box" and the IoU, object by object."""
    session = ImageSession(model, image)
    for object_id in choose_objects(labels):
        truth = labels == object_id
        yield "box", iou(session.predict(box_of(truth))[0].mask, truth)
        reached = 0.0
        for n, answer in enumerate(click_on(session, truth), start=1):
            reached = iou(answer.mask, truth)
            if n == 1:
                yield "click", reached
            if n == CLICKS:
                break
        yield f"{CLICKS}clicks", reached


def count_clicks(
    model: SAM2, image: NDArray[Any], labels: NDArray[Any], good: float = GOOD_IOU
) -> Iterator[int]:
    """Yield for each object the number of clicks, at most 20, after which its IoU is good."""
    session = ImageSession(model, image)
    for object_id in choose_objects(labels):
        truth = labels == object_id
        n = 0
        for n, answer in enumerate(click_on(session, truth), start=1):
            if iou(answer.mask, truth) >= good or n == MANY_CLICKS:
                break
        yield n


def measure_sequence(
    model: SAM2,
    frames: NDArray[Any],
    labels: NDArray[Any],
    kinds: Sequence[str] = ("click", "box", "mask"),
    depth: Depth | None = None,
) -> Iterator[tuple[str, float]]:
    """Yield the kind of prompt and the IoU of each object in each frame in which it is."""
    frames, labels = frames[:FRAMES], labels[:FRAMES]
    session = VideoSession(model, list(frames), depth=depth)
    objects = choose_objects(labels[0])
    for kind in kinds if objects else ():
        session.reset()
        for object_id in objects:
            session.add_prompt(object_id, 0, prompt_of(kind, labels[0] == object_id))
        for result in session.propagate("forward"):
            for object_id, prediction in zip(result.object_ids, result.predictions, strict=True):
                truth = labels[result.frame] == object_id
                if truth.any():
                    yield kind, iou(prediction.mask, truth)


def evaluate(
    model: SAM2,
    movies: Sequence[LabelledMovie],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """Measure the mean IoU on held-out movies, all with the same weight.

    Parameters
    ----------
    model
        In evaluation mode.
    movies
        In movies and stacks, objects are propagated through the first frames; their first
        labelled frame is also measured as a single image.
    progress
        Called after each movie with the number of finished ones, and of all.

    Returns
    -------
    "image.click", "image.3clicks", "image.box" and, if there are movies, "sequence.click" and
    "sequence.box".
    """
    collected: dict[str, list[float]] = defaultdict(list)
    for done, movie in enumerate(movies, start=1):
        own: dict[str, list[float]] = defaultdict(list)
        first = next((t for t in range(movie.n_frames) if choose_objects(movie.labels[t])), None)
        if first is not None:
            for prompt, value in measure_image(model, movie.images[first], movie.labels[first]):
                own[f"image.{prompt}"].append(value)
        if first is not None and movie.n_frames - first > 1:
            rest = movie.images[first:], movie.labels[first:]
            for prompt, value in measure_sequence(model, *rest, ("click", "box")):
                own[f"sequence.{prompt}"].append(value)
        for key, values in own.items():
            collected[key].append(float(np.mean(values)))
        progress(done, len(movies))
    return {key: float(np.mean(values)) for key, values in sorted(collected.items())}
