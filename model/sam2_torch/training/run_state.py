"""State and log of a training run, all that it needs to resume exactly."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sam2_torch.sam2 import SAM2
from sam2_torch.training.config import TrainingConfig
from sam2_torch.training.optimizer import RunningAverage, choose_trained, learning, parameter_groups

STATE_FILE = "state.pt"
LOG_FILE = "log.csv"
COLUMNS = (
    "step",
    "seconds",
    "learning_rate",
    "loss",
    "focal",
    "dice",
    "iou",
    "score",
    "gradient_norm",
    "clips_per_s",
)
BETAS = (0.9, 0.98)


@dataclass(eq=False)
class RunState:
    """A run at one of its steps.

    Parameters
    ----------
    model
        The network that learns; float32.
    optimizer, average
        Of its weights that learn.
    step
        Number of finished steps.
    seconds
        Duration of the run so far, in all of its parts.
    """

    model: SAM2
    optimizer: torch.optim.AdamW
    average: RunningAverage
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def begin(cls, model: SAM2, config: TrainingConfig) -> "RunState":
        """Prepare a network for training."""
        choose_trained(model, config.trained)
        groups = parameter_groups(
            model, config.layer_decay, config.encoder_scale, config.weight_decay
        )
        fused = model.device.type == "cuda"
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS, fused=fused)
        return cls(model.train(), optimizer, RunningAverage(model, config.average))

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of all groups."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]

    def save(self, folder: Path) -> None:
        """Write the state; after an error the file from before is still there."""
        state = {
            "weights": {name: p.detach() for name, p in learning(self.model).items()},
            "average": self.average.values,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        part = folder / f".{STATE_FILE}.part"
        torch.save(state, part)
        os.replace(part, folder / STATE_FILE)

    def load(self, folder: Path) -> None:
        """Load a state of `save`; weights that do not learn are those of the start.

        Raises
        ------
        ValueError
            If the file is of another network or other weights learn.
        """
        path = folder / STATE_FILE
        state: dict[str, Any] = torch.load(path, map_location=self.model.device, weights_only=True)
        own = learning(self.model)
        if state["weights"].keys() != own.keys():
            raise ValueError(
                f"{path}: expected the state of a run that trains the same weights, found another; "
                "give the settings it was begun with, or another folder"
            )
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(state["weights"][name])
        self.average.values = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])


class RunLog:
    """Append rows to `log.csv`; a run that resumes at a step drops later rows first.

    Parameters
    ----------
    folder
        Folder of the run.
    step
        Step at which the run starts or resumes.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / LOG_FILE
        kept = [row for row in read_log(folder) if int(row[0]) <= step]
        with self._path.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *kept])

    def write(self, row: Sequence[float]) -> None:
        """Append a row, in the order of `COLUMNS`."""
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow([_short(value) for value in row])


def read_log(folder: Path) -> list[list[str]]:
    """Read the rows of a run's log, as text; none if there is no log yet."""
    path = folder / LOG_FILE
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS)]
    return rows[1:]  # a row that was cut off by a crash is left out above


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
