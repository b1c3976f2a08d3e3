"""Fine-tune a network on labelled movies: measure, train, measure, save."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from sam2_torch.checkpoints.checkpoint_files import write_checkpoint
from sam2_torch.checkpoints.loading import about_checkpoint, load_sam2
from sam2_torch.runtime.devices import choose_device
from sam2_torch.sam2 import SAM2
from sam2_torch.training.config import TrainingConfig
from sam2_torch.training.data.labelled_movies import LabelledMovie, Split, check_enough
from sam2_torch.training.evaluation import Scores, evaluate
from sam2_torch.training.loop import STOP_FILE, Budget, Ending, Run, StepReport
from sam2_torch.training.optimizer import merged_state
from sam2_torch.training.pictures import draw_comparison, save_picture, segment_examples
from sam2_torch.training.run_state import RunState

CONFIG_FILE, RESULT_FILE, COMPARISON_FILE = "config.json", "result.json", "held_out.png"
LEAST_MASKS = 5
"""Fewer masks than this teach nothing that could be relied on."""

MEASURED = 12
"""Of the held-out movies at most so many are measured, spread over all."""

Examples: TypeAlias = list[list[NDArray[np.bool_]]]


@dataclass(frozen=True)
class NewModel:
    """The checkpoint to write and its metadata.

    Parameters
    ----------
    path
        File to write, ".safetensors"; written at the end, also if the run was stopped.
    name
        Name of the new model.
    licence
        Licence of the new weights.
    notes
        Notes about the data: author, permitted use.
    """

    path: Path
    name: str
    licence: str = ""
    notes: str = ""


@dataclass(frozen=True)
class Stage:
    """Current stage: "measuring before", "training" or "measuring after"."""

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Result:
    """Result of a run.

    Parameters
    ----------
    ending
        Reason for the end of the training.
    steps
        Number of finished steps, in all parts of the run.
    before, after
        Mean IoU on the held-out part, see `evaluate`.
    checkpoint
        File of the new model.
    """

    ending: Ending
    steps: int
    before: Scores
    after: Scores
    checkpoint: Path

    def write(self, folder: Path) -> None:
        """Write a JSON file into a run's folder."""
        values = {**asdict(self), "checkpoint": str(self.checkpoint)}
        (folder / RESULT_FILE).write_text(json.dumps(values, indent=1))


@dataclass(frozen=True)
class Watcher:
    """Callbacks for the progress of a run.

    Parameters
    ----------
    stage, step
        Called when the stage changes or advances, and at each row of the log.
    """

    stage: Callable[[Stage], None] = lambda _: None
    step: Callable[[StepReport], None] = lambda _: None


@dataclass(frozen=True)
class Workshop:
    """Place and devices of a run.

    Parameters
    ----------
    folder
        Folder of the run: settings, checkpoints, log, pictures. An existing run is resumed.
    device
        As for `load_sam2`.
    workers
        Number of processes that prepare clips.
    """

    folder: Path
    device: str = "auto"
    workers: int = 0


def tune(
    split: Split,
    config: TrainingConfig,
    workshop: Workshop,
    product: NewModel,
    budget: Budget,
    watcher: Watcher,
) -> Result:
    """Train a network on labelled movies, and measure the effect on held-out ones.

    Parameters
    ----------
    split
        Movies to train on, and movies to measure on; neither may be without objects.
    config
        Settings of the training.
    workshop
        Folder and devices.
    product
        Checkpoint to write.
    budget
        When to stop.
    watcher
        Callbacks for the progress.

    Raises
    ------
    DataError
        If there are too few masks.
    ValueError
        If the folder holds another run.
    """
    check_enough(split.training, LEAST_MASKS)
    check_enough(split.held_out, 1)
    prepare_folder(workshop.folder, config)
    held_out = _spread(split.held_out)
    model = load_sam2(config.model, choose_device(workshop.device), torch.float32)
    before, old = _measure(model, held_out, "measuring before", watcher)
    state = RunState.begin(model, config)
    run = Run(workshop.folder, config, state, split.training, workshop.workers)
    run.resume()
    watcher.stage(Stage("training", state.step, config.steps))
    ending = run.go(budget, watcher.step)
    with state.average.in_place():
        model.eval()
        after, new = _measure(model, held_out, "measuring after", watcher)
        result = Result(ending, state.step, before, after, product.path)
        about = {"steps": state.step, "iou_before": before, "iou_after": after}
        save_model(model, product, config, split, about)
    save_picture(workshop.folder / COMPARISON_FILE, draw_comparison(held_out, old, new))
    result.write(workshop.folder)
    return result


def prepare_folder(folder: Path, config: TrainingConfig) -> None:
    """Create a run's folder, or check that the run in it has these settings; its length may differ.

    Raises
    ------
    ValueError
        If it holds another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIG_FILE
    if path.is_file():
        begun = TrainingConfig.read(path)
        if replace(begun, steps=config.steps, minutes=config.minutes) != config:
            changed = [
                name for name, value in asdict(config).items() if asdict(begun)[name] != value
            ]
            raise ValueError(
                f"{folder}: expected the run that was begun there, found other settings "
                f"({', '.join(changed)}); give another folder, or the settings of {path.name}"
            )
    (folder / STOP_FILE).unlink(missing_ok=True)
    config.write(path)


def _spread(movies: Sequence[LabelledMovie]) -> list[LabelledMovie]:
    """Select the movies to measure."""
    chosen = np.linspace(0, len(movies) - 1, min(MEASURED, len(movies))).round().astype(int)
    return [movies[i] for i in chosen]


def _measure(
    model: SAM2, movies: Sequence[LabelledMovie], name: str, watcher: Watcher
) -> tuple[Scores, Examples]:
    """Measure held-out movies, and store some masks for a picture."""
    watcher.stage(Stage(name, 0, len(movies)))
    scores = evaluate(model, movies, lambda done, total: watcher.stage(Stage(name, done, total)))
    return scores, segment_examples(model, movies)


def save_model(
    model: SAM2,
    product: NewModel,
    config: TrainingConfig,
    split: Split,
    results: Mapping[str, Any],
) -> None:
    """Write a network in half precision, with the origin of its weights."""
    provenance: dict[str, Any] = {
        "from": config.model,
        "trained": config.trained,
        "date": datetime.now(UTC).date().isoformat(),
        "sources": sorted({movie.source for movie in split.training}),
        "masks": sum(movie.count_masks() for movie in split.training),
        "synthetic": config.synthetic,
        "held_out": sorted({movie.name for movie in split.held_out}),
        **results,
    }
    about = {
        "name": product.name,
        "description": f"{Path(config.model).stem}, tuned to {provenance['masks']} masks",
        "licence": product.licence,
        "notes": product.notes,
        "provenance": json.dumps(provenance),
    }
    state = {name: tensor.half() for name, tensor in merged_state(model).items()}
    write_checkpoint(product.path, state, about_checkpoint(model.config, about))
