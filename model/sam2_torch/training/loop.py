"""The training loop: steps until the end, the limit of time, or a request to stop.

A step depends on the seed, its number and the weights alone. A run that is cut into parts is
therefore the same as in one part, bit for bit on a CPU.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from sam2_torch.sam2 import SAM2, ImageEmbedding
from sam2_torch.training.clip_forward import Answer, ClipRun
from sam2_torch.training.clip_stream import ClipStream, DrawMovie, batches
from sam2_torch.training.config import TrainingConfig
from sam2_torch.training.data.batches import Batch
from sam2_torch.training.data.labelled_movies import LabelledMovie
from sam2_torch.training.losses import Losses, mean_losses, measure_losses
from sam2_torch.training.optimizer import learning
from sam2_torch.training.pictures import draw_answers, save_picture
from sam2_torch.training.run_state import STATE_FILE, RunLog, RunState
from sam2_torch.training.simulated_prompts import Prompter, PromptPlan

STOP_FILE = "stop"
"""A file of this name in a run's folder ends the run after the step that it is at."""

MAX_TOO_LARGE = 5
"""Steps in a row for which the device has no memory, before the run gives up."""

logger = logging.getLogger(__name__)

Ending: TypeAlias = Literal["finished", "out of time", "stopped"]


@dataclass(frozen=True)
class StepReport:
    """Progress of a run.

    Parameters
    ----------
    step
        Number of finished steps.
    progress
        Share of the run that is over, 0 to 1.
    seconds
        Duration of the run so far, in all of its parts.
    loss
        Mean since the last report.
    """

    step: int
    progress: float
    seconds: float
    loss: float


@dataclass(frozen=True)
class Budget:
    """When to stop before the end.

    Parameters
    ----------
    minutes
        Duration of this part of the run, from `started` on; None for no limit.
    started
        Value of `time.monotonic` at the start.
    should_stop
        Called after each step.
    """

    minutes: float | None = None
    started: float = 0.0
    should_stop: Callable[[], bool] = lambda: False

    def leaves_time_for(self, step_s: float) -> bool:
        """Return whether a step of this duration still fits."""
        if self.minutes is None:
            return True
        return time.monotonic() - self.started + step_s < 60 * self.minutes


ExtraLoss: TypeAlias = Callable[[Batch, ImageEmbedding], Tensor]
"""Loss of a batch and the embedding of its frames, to be added to that of the masks."""


def run_batch(
    state: RunState, config: TrainingConfig, batch: Batch, extra_loss: ExtraLoss | None
) -> tuple[list[Answer], Losses]:
    """Draw prompts for a batch, run its clips, and measure how wrong the answers are."""
    step = state.step
    rng = np.random.default_rng([config.seed, step, 0, 2])
    generator = torch.Generator(batch.images.device)
    generator.manual_seed(int(rng.integers(2**62)))
    plan = PromptPlan.draw(rng, batch.n_frames, config.max_clicks)
    device = batch.images.device.type
    with torch.autocast(device, torch.bfloat16) if config.half else nullcontext():
        run = ClipRun(state.model, batch, plan, Prompter(generator, batch.stride))
        answers = run.run()
        extra = extra_loss(batch, run.embedding) if extra_loss else 0.0
    losses = measure_answers(answers, batch, config.by_object_size)
    return answers, losses._replace(total=losses.total + extra)


def measure_answers(answers: Sequence[Answer], batch: Batch, by_object_size: bool) -> Losses:
    """Return the mean losses of the answers to a batch."""
    return mean_losses(
        [
            measure_losses(
                answer.decoded,
                batch.truth(answer.frame),
                batch.present(answer.frame),
                by_object_size,
            )
            for answer in answers
        ]
    )


@dataclass(eq=False)
class Run:
    """A run in its folder.

    Parameters
    ----------
    folder
        Folder for `state.pt`, `log.csv` and pictures.
    config
        Settings of the run.
    state
        State at the step to continue from.
    movies
        Movies to train on.
    workers
        Number of processes that prepare clips; 0 for this one.
    draw_movie
        Draws synthetic movies, if the settings ask for some.
    extra_loss
        Of what else is trained on the same embeddings.

    Attributes
    ----------
    waited_s
        Seconds for which the network waited for clips.
    """

    folder: Path
    config: TrainingConfig
    state: RunState
    movies: Sequence[LabelledMovie]
    workers: int = 0
    draw_movie: DrawMovie | None = None
    extra_loss: ExtraLoss | None = None
    waited_s: float = field(default=0.0, init=False)
    _too_large: int = 0  # steps in a row that the device had no memory for

    def resume(self) -> bool:
        """Load the folder's checkpoint, if there is one."""
        found = (self.folder / STATE_FILE).is_file()
        if found:
            self.state.load(self.folder)
        return found

    def go(self, budget: Budget, report: Callable[[StepReport], None] = lambda _: None) -> Ending:
        """Train; a checkpoint is written at the end, for whatever reason it ends.

        Parameters
        ----------
        budget
            When to stop.
        report
            Called at each row of the log.
        """
        if self.config.compiled:
            _compile(self.state.model)
        log = RunLog(self.folder, self.state.step)
        try:
            return self._steps(budget, _Meter(self, log, report))
        finally:
            self.state.save(self.folder)

    def _steps(self, budget: Budget, meter: "_Meter") -> Ending:
        network = self.state.model.config
        stream = ClipStream(self.movies, network, self.config, self.draw_movie)
        device = self.state.model.device
        pinned = device.type == "cuda"
        longest = 0.0
        begin = time.monotonic()
        for batch in batches(stream, self.config, self.state.step, self.workers, pinned):
            self.waited_s += time.monotonic() - begin
            done = self._try_step(batch.to(device))
            self.state.step += 1
            if done is not None:
                meter.note(*done, len(batch.images))
            # the wait for clips counts too: the learning rate falls with the time that passes
            seconds, begin = time.monotonic() - begin, time.monotonic()
            self.state.seconds += seconds
            longest = max(longest, seconds) if self.state.step % 50 else seconds
            if self.state.step % self.config.save_every == 0:
                self.state.save(self.folder)
            if self.config.progress(self.state.step, self.state.seconds) >= 1:
                break
            if budget.should_stop() or (self.folder / STOP_FILE).exists():
                return "stopped"
            if not budget.leaves_time_for(longest):
                return "out of time"
        return "finished"

    def _try_step(self, batch: Batch) -> tuple[Losses, Tensor] | None:
        """Do a step; skip it if the device runs out of memory, a few times at most."""
        try:
            done = self._step(batch)
        except torch.OutOfMemoryError:
            self._too_large += 1
            if self._too_large > MAX_TOO_LARGE:
                raise
            self.state.optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            logger.warning("Step %d left out: no memory for it", self.state.step)
            return None
        self._too_large = 0
        return done

    def _step(self, batch: Batch) -> tuple[Losses, Tensor]:
        state = self.state
        state.set_rate(self.config.rate(state.step, state.seconds))
        answers, losses = run_batch(state, self.config, batch, self.extra_loss)
        losses.total.backward()
        parameters = list(learning(state.model).values())
        norm = nn.utils.clip_grad_norm_(parameters, self.config.gradient_norm)
        if torch.isfinite(norm):  # else the step is left out
            state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.average.update(state.step + 1)
        self._draw(answers, batch, state.step + 1)
        return losses, norm

    def _draw(self, answers: Sequence[Answer], batch: Batch, step: int) -> None:
        every = self.config.picture_every
        if not every or step % every:
            return
        folder = self.folder / "pictures"
        folder.mkdir(exist_ok=True)
        save_picture(folder / f"step_{step:06d}.png", draw_answers(batch, answers))


class _Meter:
    """Averages over the steps between two rows of the log."""

    def __init__(self, run: Run, log: RunLog, report: Callable[[StepReport], None]) -> None:
        self._run = run
        self._log = log
        self._report = report
        self._rows: list[Tensor] = []
        self._clips = 0
        self._since = time.monotonic()

    def note(self, losses: Losses, norm: Tensor, clips: int) -> None:
        state, config = self._run.state, self._run.config
        self._rows.append(torch.stack([*losses, norm]).detach())
        self._clips += clips
        if state.step % config.log_every and state.step != config.steps:
            return
        means = torch.stack(self._rows).float().mean(dim=0).tolist()
        now = time.monotonic()
        pace = self._clips / max(now - self._since, 1e-9)
        rate = config.rate(state.step - 1, state.seconds)
        self._log.write([state.step, state.seconds, rate, *means, pace])
        progress = config.progress(state.step, state.seconds)
        self._report(StepReport(state.step, progress, state.seconds, means[0]))
        self._rows, self._clips, self._since = [], 0, now


def _compile(model: SAM2) -> None:
    """Compile the encoder only: the number of images varies little, that of objects a lot."""
    model.image_encoder.compile(dynamic=False)
