"""Measure what long movies and many objects cost: memory against length, estimate against fact.

    python benchmarks/scale.py [--model M] [--device D] [--lengths 200 2000] [--objects 4]
    python benchmarks/scale.py --drawn [--objects 300] [--lengths 500] [--side 2048]

Follows discs through a movie whose frames are made when they are read, as `napari-sam2 track`
would. With --drawn there is no network: its answers are drawn, so that what is kept of a very
long movie with very many objects can be measured in minutes. Prints a table; --json writes it.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from timing import MEGABYTE, MemoryGauge

from napari_sam2.masks.masklets import Masklets
from sam2_torch import SAM2, BoxPrompt, VideoSession, load_sam2
from sam2_torch.sam2 import ImageEmbedding, Segmentation
from sam2_torch.sessions.run_estimate import estimate_propagation
from sam2_torch.sessions.speed_check import measure_speed

RADIUS = 0.012  # of the frame's side: a disc covers 0.05 % of the frame
WARM_FRAMES = 100  # after which only what is kept for good adds up
CACHE_BYTES = 64 << 20  # embeddings of some frames: their cache is full in the shortest movie, too


class Discs(Sequence[NDArray[np.uint8]]):
    """A movie of bright discs on a grid that sway, drawn frame by frame."""

    def __init__(self, n_frames: int, side: int, n_objects: int) -> None:
        columns = int(np.ceil(np.sqrt(n_objects)))
        cells = np.array([divmod(i, columns) for i in range(n_objects)])
        self._centres_yx = (cells + 0.5) * side / columns
        self.radius = max(3.0, RADIUS * side)
        self._n_frames, self._side = n_frames, side

    def __len__(self) -> int:
        return self._n_frames

    def __getitem__(self, frame: Any) -> Any:
        pixels = np.full((self._side, self._side), 20, np.uint8)
        reach = np.arange(-int(self.radius), int(self.radius) + 1)
        disc = reach[:, None] ** 2 + reach**2 <= self.radius**2
        for y, x in self.centres_yx(frame).round().astype(int):
            y0, x0 = max(y + reach[0], 0), max(x + reach[0], 0)
            part = pixels[y0 : y + reach[-1] + 1, x0 : x + reach[-1] + 1]
            part[disc[: part.shape[0], : part.shape[1]]] = 200
        return pixels

    def centres_yx(self, frame: int) -> NDArray[np.float64]:
        """Tell where the discs are in a frame, (N, 2)."""
        return self._centres_yx + 1.5 * self.radius * np.sin(frame / 20)


def draw_instead_of_computing(model: SAM2, movie: Discs) -> None:
    """Let a network answer with the discs, in the order of the objects, and compute nothing."""
    config = model.config
    size, logits_size = config.embedding_size, config.logits_size
    scale = movie._side / logits_size
    state = {"frame": 0, "next": 0}
    grid = torch.arange(logits_size) * scale
    embedding = ImageEmbedding(
        torch.zeros(1, config.d_model, size, size),
        (torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)),
    )

    def attend(features: torch.Tensor, memories: Any) -> torch.Tensor:
        return features.expand(len(memories.pointers), -1, -1, -1)

    def segment(features: torch.Tensor, *_: Any, **__: Any) -> Segmentation:
        n = len(features)
        if state["next"] >= len(movie._centres_yx):
            state.update(frame=state["frame"] + 1, next=0)
        centres = torch.from_numpy(movie.centres_yx(state["frame"]))[state["next"] :][:n]
        state["next"] += n
        dy, dx = grid[None] - centres[:, :1], grid[None] - centres[:, 1:]
        distance = (dy[:, :, None] ** 2 + dx[:, None, :] ** 2).sqrt().float()
        logits = ((movie.radius - distance) / scale * 4).clamp(-12, 12)
        ones = torch.ones(n)
        return Segmentation(logits, ones, 10 * ones, torch.zeros(n, config.d_model))

    def remember(features: torch.Tensor, logits: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return torch.zeros(len(logits), config.memory_dim, size, size)

    model.encode_image = lambda _: embedding  # type: ignore[method-assign]
    model.attend_to_memory, model.segment = attend, segment  # type: ignore[method-assign, assignment]
    model.encode_memory = remember  # type: ignore[method-assign]


class TrackedMovie(NamedTuple):
    """What came of following all discs to the end of a movie.

    Attributes
    ----------
    masklets
        All masks.
    estimated, seconds
        How long it was to take, and took.
    growth
        Bytes of the host that each frame after the first `WARM_FRAMES` left behind for good.
    """

    masklets: Masklets
    estimated: float | None
    seconds: float
    growth: float | None


def track(model: SAM2, movie: Discs, gauge: MemoryGauge) -> TrackedMovie:
    """Follow all discs to the end."""
    session = VideoSession(model, movie, cache_bytes=CACHE_BYTES)
    masklets = Masklets(session.n_frames, session.frame_shape)
    for i, (y, x) in enumerate(movie.centres_yx(0), start=1):
        r = movie.radius
        session.set_prompts(i, 0, [BoxPrompt(y - r, x - r, y + r, x + r)])
    drawn = "encode_image" in vars(model)
    speed = None if drawn else measure_speed(model)
    estimated = estimate_propagation(session, "forward", speed=speed).seconds
    start, early = time.perf_counter(), None
    for result in session.propagate("forward"):
        for i, found in zip(result.object_ids, result.predictions, strict=True):
            masklets.set_found(i, result.frame, found)
        if result.frame == WARM_FRAMES - 1:
            early = gauge.kept()
    seconds, late, growth = time.perf_counter() - start, gauge.kept(), None
    if early is not None and late is not None and len(movie) > WARM_FRAMES:
        growth = (late - early) / (len(movie) - WARM_FRAMES)
    return TrackedMovie(masklets, estimated, seconds, growth)


def measure(arguments: argparse.Namespace) -> Iterator[dict[str, float | int | None]]:
    """Follow the objects through movies of each length."""
    for length in arguments.lengths:
        model = load_sam2(arguments.model, arguments.device, "fast")
        movie = Discs(length, arguments.side, arguments.objects)
        if arguments.drawn:
            model = model.float()
            draw_instead_of_computing(model, movie)
        gauge = MemoryGauge(model.device)
        tracked = track(model, movie, gauge)
        memory = gauge.read()
        device = None if memory.device is None else memory.device / MEGABYTE
        host = None if memory.host is None else memory.host / MEGABYTE
        yield {
            "frames": length,
            "objects": arguments.objects,
            "side": arguments.side,
            "seconds": round(tracked.seconds, 1),
            "estimated_seconds": tracked.estimated and round(tracked.estimated, 1),
            "device_peak_mb": device,
            "host_peak_mb": host,
            "host_mb_per_100_frames": tracked.growth and 100 * tracked.growth / MEGABYTE,
            "masks_mb": tracked.masklets.nbytes / MEGABYTE,
        }
        del tracked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--lengths", type=int, nargs="+", default=[200, 2000], help="frames")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--side", type=int, default=512, help="rows and columns of a frame")
    parser.add_argument("--drawn", action="store_true", help="draw masks, without a network")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    rows = []
    for row in measure(arguments):
        if not rows:
            print("| " + " | ".join(row) + " |\n|" + " ---: |" * len(row), flush=True)
        cells = ("" if value is None else f"{value:.5g}" for value in row.values())
        print("| " + " | ".join(cells) + " |", flush=True)
        rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
