"""Settings of a training run, as stored in a file beside its results."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sam2_torch.training.optimizer import Trained


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run.

    Parameters
    ----------
    model
        Network to begin with: a name or the path of a checkpoint.
    trained
        Weights to train, see `choose_trained`.
    steps, minutes
        Length of the run, whichever comes first; None for no limit of time. The learning rate
        falls along a cosine to its end. With a limit of time, a run depends on the clock.
    frames
        Possible lengths of the clips; each step draws one. A clip of one frame is a single image.
    clips, images, objects
        Clips in a step's batch, single images if the step's clips have one
        frame, and largest number of prompted objects of each.
    synthetic
        Share of clips of movies that are drawn, 0 to 1; see `ClipStream`.
    learning_rate, warmup, layer_decay, encoder_scale, weight_decay
        Settings of AdamW, see `parameter_groups`. The rate rises linearly over the first `warmup`
        steps.
    gradient_norm
        Longer gradients are clipped to this length.
    average
        Decay of the running average of the weights, from step to step.
    max_clicks
        Largest number of corrections on a frame.
    by_object_size
        Whether the focal loss of small objects counts as much as that of large ones.
    loss_stride
        Input pixels to one pixel of the grid of losses and clicks. The stride of the masks is 4;
        finer grids resolve small objects better, and take a CPU longer.
    half
        Whether to compute in bfloat16 under autocast; the weights are float32.
    compiled
        Whether to compile the image encoder: a minute at the start, then faster steps.
    seed
        Seed of all random numbers; they depend on it and on the number of the step alone.
    save_every, log_every, picture_every
        Steps between checkpoints, rows of the log, and pictures (0: none).

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    model: str = "cells_nano"
    trained: Trained = "everything"
    steps: int = 1000
    minutes: float | None = None
    frames: tuple[int, ...] = (1, 4)
    clips: int = 2
    images: int = 4
    objects: int = 6
    synthetic: float = 0.0
    learning_rate: float = 1e-4
    warmup: int = 50
    layer_decay: float = 0.9
    encoder_scale: float = 0.5
    weight_decay: float = 0.02
    gradient_norm: float = 1.0
    average: float = 0.998
    max_clicks: int = 3
    by_object_size: bool = True
    loss_stride: int = 2
    half: bool = False
    compiled: bool = False
    seed: int = 0
    save_every: int = 200
    log_every: int = 10
    picture_every: int = 200

    def __post_init__(self) -> None:
        counts = (self.steps, self.clips, self.images, self.objects, self.save_every)
        if min(*counts, self.log_every) < 1 or not self.frames or min(self.frames) < 1:
            raise ValueError(
                "training: expected steps, frames, clips, images, objects and the intervals of "
                f"saving and logging to be 1 or more, found {self}"
            )
        if not 0 <= self.synthetic <= 1 or self.learning_rate <= 0:
            raise ValueError(
                "training: expected a synthetic share of 0 to 1 and a learning rate above 0, "
                f"found {self.synthetic} and {self.learning_rate}"
            )
        if self.minutes is not None and self.minutes <= 0:
            raise ValueError(f"training: expected a time above 0 minutes, found {self.minutes}")

    def progress(self, step: int, seconds: float) -> float:
        """Return which share of the run is over, 0 to 1, after a number of steps and seconds."""
        of_time = 0.0 if self.minutes is None else seconds / (60 * self.minutes)
        return min(1.0, max(step / self.steps, of_time))

    def rate(self, step: int, seconds: float) -> float:
        """Return the learning rate of a step (counted from 0) that begins after some seconds."""
        rising = min(1.0, (step + 1) / max(self.warmup, 1))
        falling = 0.5 * (1 + math.cos(math.pi * self.progress(step, seconds)))
        return self.learning_rate * rising * falling

    def write(self, path: Path) -> None:
        """Write a JSON file."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> "TrainingConfig":
        """Read a file of `write`.

        Raises
        ------
        ValueError
            If it is something else.
        """
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            known = {field.name for field in fields(cls)}
            values = {name: value for name, value in values.items() if name in known}
            return cls(**{**values, "frames": tuple(values["frames"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path}: expected the settings of a training run, found: {error}"
            ) from error
