"""Batches of clips for a run; they depend on the seed and the step alone."""

import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from torch.utils.data import DataLoader, Dataset

from sam2_torch.config import SAM2Config
from sam2_torch.training.config import TrainingConfig
from sam2_torch.training.data.batches import Batch, Clip
from sam2_torch.training.data.clips import ClipCutter
from sam2_torch.training.data.labelled_movies import LabelledMovie

SEQUENCE_BONUS = 2.0  # movies and stacks show what single images can not
HARD = ("phase contrast*", "EM *", "brightfield stained tissue*")
HARD_BONUS = 2.0  # of modalities in which masks are worst
BALANCE = 0.5  # an item's chance falls with this power of the number of items of its source

Place = tuple[int, int]
"""Number of a step, and of a clip in its batch."""

DrawMovie: TypeAlias = Callable[[np.random.Generator, int], LabelledMovie]
"""Draws a synthetic movie of some frames."""


class ClipStream(Dataset[Any]):
    """All clips of a run, by step and place.

    Parameters
    ----------
    movies
        Movies to cut clips from; may be empty if all clips are drawn.
    network
        Sizes of the network.
    config
        Settings of the run.
    draw_movie
        Draws the movies of the share `config.synthetic`.
    """

    def __init__(
        self,
        movies: Sequence[LabelledMovie],
        network: SAM2Config,
        config: TrainingConfig,
        draw_movie: DrawMovie | None = None,
    ) -> None:
        self._movies = [m for m in movies if m.labels.any()]
        self._config = config
        self._cutter = ClipCutter(network, config.objects)
        self._draw_movie = draw_movie
        if not self._movies and config.synthetic < 1:
            raise ValueError("training: expected movies with labels, found none")
        if draw_movie is None and config.synthetic > 0:
            raise ValueError("training: expected a function that draws synthetic movies")
        sizes = Counter(movie.source for movie in self._movies)
        weights = [
            sizes[m.source] ** -BALANCE
            * (SEQUENCE_BONUS if m.n_frames > 1 else 1.0)
            * (HARD_BONUS if any(fnmatch(m.modality, name) for name in HARD) else 1.0)
            for m in self._movies
        ]
        self._chances = np.array(weights) / max(sum(weights), 1e-9)

    def __getitem__(self, place: Place) -> Clip:
        step, _ = place
        n_frames = clip_length(self._config, step)
        rng = np.random.default_rng([self._config.seed, 0, *place])
        while True:
            if rng.random() < self._config.synthetic and self._draw_movie is not None:
                movie = self._draw_movie(rng, n_frames)
            else:
                movie = self._movies[rng.choice(len(self._movies), p=self._chances)]
            try:
                return self._cutter.cut(movie, n_frames, rng)
            except ValueError:
                continue  # a movie whose objects are specks all: another one


def clip_length(config: TrainingConfig, step: int) -> int:
    """Draw the number of frames of a step's clips."""
    return int(np.random.default_rng([config.seed, step, 1]).choice(config.frames))


def batch_size(config: TrainingConfig, step: int) -> int:
    """Return the number of clips of a step's batch."""
    return config.images if clip_length(config, step) == 1 else config.clips


def batches(
    stream: ClipStream, config: TrainingConfig, first: int, workers: int, pinned: bool
) -> DataLoader[Batch]:
    """Yield the batches of all steps from `first` on, from `workers` processes (0: this one)."""
    return DataLoader(
        stream,
        batch_sampler=_Places(config, first),
        collate_fn=partial(Batch.of, stride=config.loss_stride),
        num_workers=workers,
        pin_memory=pinned,
        prefetch_factor=4 if workers else None,
        # what is in memory is shared with processes that are forked
        multiprocessing_context=_start_method() if workers else None,
    )


class _Places:
    """The places of each batch, step by step."""

    def __init__(self, config: TrainingConfig, first: int) -> None:
        self._config = config
        self._first = first

    def __iter__(self) -> Iterator[list[Place]]:
        for step in range(self._first, self._config.steps):
            yield [(step, i) for i in range(batch_size(self._config, step))]

    def __len__(self) -> int:
        return max(0, self._config.steps - self._first)


def _start_method() -> str:
    methods = multiprocessing.get_all_start_methods()
    return "fork" if sys.platform == "linux" and "fork" in methods else "spawn"
