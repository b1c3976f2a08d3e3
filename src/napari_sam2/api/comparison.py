"""Compare models on the same prompts: which one is best for these images?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from time import monotonic
from typing import TYPE_CHECKING

from napari_sam2.api.prompted import segment
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.tracks.writer import Progress, silent
from napari_sam2.movies.appearance import USUAL, Appearance
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.prompts import MaskPrompt

if TYPE_CHECKING:
    from sam2_torch import SAM2


@dataclass(frozen=True)
class ModelResult:
    """Masks of one model.

    Parameters
    ----------
    name
        Name of the model.
    tracked
        Masks of all prompted objects on their prompted frames.
    seconds
        Time per prompted frame: embedding and masks.
    iou
        Mean IoU with the correct masks; None where none were given.
    """

    name: str
    tracked: Tracked
    seconds: float
    iou: float | None


def compare_models(
    models: Iterable[tuple[str, "SAM2"]],
    movie: Movie,
    prompts: Sequence[ObjectPrompts],
    correct: Sequence[ObjectPrompts] = (),
    *,
    appearance: Appearance = USUAL,
    progress: Progress = silent,
) -> Iterator[ModelResult]:
    """Segment prompted objects with several models, one after the other.

    Parameters
    ----------
    models
        Name and model; a generator can load them one after the other.
    movie, prompts, appearance, progress
        As for `napari_sam2.api.segment`.
    correct
        Correct masks, as mask prompts of the same object ids and frames; others are not used.

    Yields
    ------
    ModelResult
        Of each model.

    Raises
    ------
    ValueError
        If correct masks are given, and none of them is of a prompted object on its frame.
    """
    places = {(each.object_id, each.frame) for each in prompts}
    truth = {
        (each.object_id, each.frame): prompt.sparse
        for each in correct
        for prompt in each.prompts
        if isinstance(prompt, MaskPrompt) and (each.object_id, each.frame) in places
    }
    if correct and not truth:
        raise ValueError(
            "correct masks: expected some of the prompted objects on their frames, found none; "
            "give them the same numbers and frames"
        )
    for name, model in models:
        start = monotonic()
        masklets = segment(model, movie, prompts, appearance=appearance, progress=progress)
        seconds = (monotonic() - start) / len({frame for _, frame in places})
        ious = [
            0.0 if (mask := masklets.get(*place)) is None else mask.iou(right)
            for place, right in truth.items()
        ]
        tracked = Tracked.of(movie, masklets)
        yield ModelResult(name, tracked, seconds, fmean(ious) if ious else None)
