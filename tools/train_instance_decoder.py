"""Train the instance decoder on frozen features of a network.

    python tools/train_instance_decoder.py cache --data FOLDER --cache C --part tune --views 1500
    python tools/train_instance_decoder.py cache --cache C --part synthetic --views 1500
    python tools/train_instance_decoder.py train --cache C --parts tune synthetic --minutes 20 -o F

`cache` draws augmented views (flips, quarter turns, zooms, warps, changed light, mosaics of small
images) and writes their embeddings and the maps to predict. `train` fits the decoder to them and
writes a running average of its weights; the same command continues. FOLDER is in the format of
`docs/training.md`. The parts `tune` and `report` are the sources that `benchmarks/automatic.py`
splits the data into: what was trained on `tune` and `synthetic` is measured with
`--split report`.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data_items import INCOMPLETE, REPORT_SOURCES, read_items
from instance_loss import instance_loss, instance_targets, write_decoder
from numpy.typing import NDArray
from safetensors.torch import load_file
from synthetic import draw_movie
from torch import Tensor

from sam2_torch import load_sam2
from sam2_torch.automatic.instance_decoder import STRIDE, InstanceDecoder
from sam2_torch.automatic.instances import ENCODER_PROBE
from sam2_torch.inputs.transforms import MEAN, STD
from sam2_torch.sam2 import SAM2
from sam2_torch.training.data.batches import Clip
from sam2_torch.training.data.clips import ClipCutter
from sam2_torch.training.data.labelled_movies import LabelledMovie, read_dataset

SHARD = 50  # views in a file
MOSAIC_SHARE, MOSAIC_SIDE = 0.25, 300
HALF_LABELLED = 0.02  # of the pixels, at least, or the view is drawn again
LARGEST_SHARE = 0.6  # of the image that an object may cover, or the view is drawn again
BATCH, LEARNING_RATE, WEIGHT_DECAY, WARMUP = 8, 2e-3, 0.02, 50
AVERAGE = 0.995
REFRESH = 50  # steps between two checkpoints
ARRAYS = ("features", "skip4", "skip8", "targets", "inside")


def mosaic(movies: list[LabelledMovie], rng: np.random.Generator) -> LabelledMovie:
    """Join four frames of one size side by side, so that objects are half as large in the input."""
    first = movies[rng.integers(len(movies))]
    shape = first.images.shape[1:]
    alike = [m for m in movies if m.images.shape[1:] == shape]
    images, labels, used = [], [], 0
    for _ in range(4):
        movie = alike[rng.integers(len(alike))]
        frame = rng.integers(movie.n_frames)
        own = movie.labels[frame].astype(np.int32)
        images.append(movie.images[frame])
        labels.append(np.where(own > 0, own + used, 0))
        used += int(own.max(initial=0))
    joined = [
        np.concatenate([np.concatenate(tiles[:2], 1), np.concatenate(tiles[2:], 1)], 0)[None]
        for tiles in (images, labels)
    ]
    return LabelledMovie("mosaic", first.source, "2d", first.modality, *joined)


def chooser(arguments: argparse.Namespace) -> Callable[[np.random.Generator], LabelledMovie]:
    """Return a function that draws a movie of a part of the data."""
    if arguments.part == "synthetic":
        return lambda rng: draw_movie(rng, 1)
    items = read_items(arguments.data)
    sources = {Path(item["file"]).stem: item["source_repo"] for item in items}
    groups: dict[str, list[LabelledMovie]] = defaultdict(list)
    for movie in read_dataset(arguments.data):
        reported = sources[movie.name] in REPORT_SOURCES
        incomplete = any(Path(movie.name).match(pattern) for pattern in INCOMPLETE)
        if reported == (arguments.part == "report") and not incomplete:
            groups[movie.modality].append(movie)
    names = list(groups)
    weights = np.array([min(sum(m.n_frames for m in groups[name]), 200) ** 0.5 for name in names])

    def draw(rng: np.random.Generator) -> LabelledMovie:
        movies = groups[names[rng.choice(len(names), p=weights / weights.sum())]]
        small = [m for m in movies if max(m.images.shape[1:3]) <= MOSAIC_SIDE]
        if small and rng.random() < MOSAIC_SHARE:
            return mosaic(small, rng)
        return movies[rng.integers(len(movies))]

    return draw


def draw_view(
    draw: Callable[[np.random.Generator], LabelledMovie],
    cutter: ClipCutter,
    rng: np.random.Generator,
) -> Clip:
    """Draw views until one shows objects and is not filled by one of them."""
    while True:
        try:
            clip = cutter.cut(draw(rng), 1, rng)
        except ValueError:
            continue
        areas = np.bincount(clip.labels[0].ravel())[1:] / np.prod(clip.content)
        if areas.sum() > HALF_LABELLED and areas.max() < LARGEST_SHARE:
            return clip


@torch.inference_mode()
def encode(model: SAM2, clip: Clip) -> dict[str, NDArray[Any]]:
    """Return the arrays of one view."""
    image = torch.from_numpy(clip.images[0].astype(np.float32)) / 255
    mean, std = (torch.tensor(value)[:, None, None] for value in (MEAN, STD))
    height, width = clip.content
    inside = torch.zeros(image.shape[-2:])
    inside[:height, :width] = 1
    embedding = model.encode_image((image.expand(3, -1, -1) - mean) / std * inside[None, None])
    targets = instance_targets(torch.from_numpy(clip.labels[:1]))[0].numpy()
    return {
        "features": embedding.features[0].half().numpy(),
        "skip4": embedding.skips[0][0].half().numpy(),
        "skip8": embedding.skips[1][0].half().numpy(),
        "targets": (targets * 255).round().astype(np.uint8),
        "inside": np.array(clip.content, np.int32) // STRIDE,
    }


def cache(arguments: argparse.Namespace) -> None:
    """Write the embeddings and targets of the views that are not there yet."""
    model = load_sam2(arguments.model, "cpu", torch.float32)
    cutter = ClipCutter(model.config, 1)
    draw = chooser(arguments)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    for shard in range(arguments.first // SHARD, -(-arguments.views // SHARD)):
        folder = arguments.cache / f"{arguments.part}{shard:04d}"
        if folder.is_dir():
            continue
        began = time.monotonic()
        rngs = [np.random.default_rng([arguments.seed, shard, i]) for i in range(SHARD)]
        views = [encode(model, draw_view(draw, cutter, rng)) for rng in rngs]
        unfinished = folder.with_name(f".{folder.name}")
        unfinished.mkdir(exist_ok=True)
        for name in ARRAYS:
            np.save(unfinished / f"{name}.npy", np.stack([view[name] for view in views]))
        unfinished.rename(folder)
        print(f"{folder.name}: {time.monotonic() - began:.0f} s", flush=True)


class Views:
    """Cached views of some parts, from the disk."""

    def __init__(self, folder: Path, parts: list[str]) -> None:
        shards = [path for part in parts for path in sorted(folder.glob(f"{part}[0-9]*"))]
        self._shards = [
            {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
            for path in shards
        ]

    def __len__(self) -> int:
        return SHARD * len(self._shards)

    def batch(self, chosen: NDArray[np.intp]) -> dict[str, Tensor]:
        """Read some views."""
        rows = [(self._shards[i // SHARD], i % SHARD) for i in chosen.tolist()]
        arrays = {name: np.stack([shard[name][i] for shard, i in rows]) for name in ARRAYS}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {name: t if name == "inside" else t.float() for name, t in tensors.items()}


def crop(batch: dict[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
    """Cut the same random quarter out of all maps, transposed in half of the cases.

    The decoder is local, and a batch of more views teaches more than one of larger ones.
    """
    side = batch["features"].shape[-1] // 2
    shares = batch["inside"].float().mean(0) / batch["targets"].shape[-1]
    # no further than the images of the batch reach on average
    most = [max(0, int(share * 2 * side) - side) for share in shares.tolist()]
    y, x = (int(rng.integers(n + 1)) for n in most)
    cut: dict[str, Tensor] = {}
    for name, maps in batch.items():
        if name == "inside":
            continue
        stride = maps.shape[-1] // (2 * side)
        rows, columns = (slice(n * stride, (n + side) * stride) for n in (y, x))
        cut[name] = maps[..., rows, columns]
    stride = batch["targets"].shape[-1] // (2 * side)
    inside = batch["inside"] - torch.tensor([y, x]) * stride
    if rng.random() < 0.5:
        cut, inside = {n: t.transpose(-1, -2) for n, t in cut.items()}, inside.flip(1)
    return {**{n: t.contiguous() for n, t in cut.items()}, "inside": inside}


class Training:
    """The decoder, a running average of it, its optimizer, and how far it is.

    Parameters
    ----------
    d_model
        Of the network.
    begin
        Weights to begin with.
    """

    def __init__(self, d_model: int, begin: Path | None) -> None:
        torch.manual_seed(0)
        self.decoder, self.average = InstanceDecoder(d_model), InstanceDecoder(d_model)
        if begin:
            weights = {name: tensor.float() for name, tensor in load_file(begin).items()}
            weights.pop(ENCODER_PROBE)
            self.decoder.load_state_dict(weights)
        self.average.load_state_dict(self.decoder.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.decoder.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        self.step, self.spent_s = 0, 0.0

    def load(self, path: Path) -> None:
        """Continue from a checkpoint."""
        saved = torch.load(path, weights_only=True)
        self.decoder.load_state_dict(saved["decoder"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.spent_s = saved["step"], saved["spent_s"]

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {
            "decoder": self.decoder.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "spent_s": self.spent_s,
        }
        torch.save(state, path)

    def learn(self, batch: dict[str, Tensor], rate: float) -> float:
        """Do one step; return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * min(1, (self.step + 1) / WARMUP)
        logits = self.decoder(batch["features"], (batch["skip4"], batch["skip8"]))
        loss = instance_loss(logits, batch["targets"] / 255, batch["inside"])
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        kept = min(AVERAGE, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.decoder.parameters(), strict=True)
            for mean, new in pairs:
                mean.lerp_(new, 1 - kept)
        return loss.item()


def train(arguments: argparse.Namespace) -> None:
    """Train for some minutes; write a checkpoint and the average now and then."""
    model = load_sam2(arguments.model, "cpu", torch.float32)
    training = Training(model.config.d_model, arguments.begin)
    checkpoint = arguments.output.with_suffix(".state.pt")
    if checkpoint.is_file():
        training.load(checkpoint)
    before, began = training.spent_s, time.monotonic()
    losses: list[float] = []
    while (progress := training.spent_s / (60 * arguments.minutes)) < 1:
        if training.step % REFRESH == 0 or not losses:
            views = Views(arguments.cache, arguments.parts)  # more may have been cached meanwhile
        rng = np.random.default_rng([arguments.seed, training.step])
        batch = crop(views.batch(rng.integers(len(views), size=BATCH)), rng)
        rate = arguments.rate * (0.5 + 0.5 * np.cos(np.pi * progress))
        losses.append(training.learn(batch, rate))
        training.spent_s = before + time.monotonic() - began
        if training.step % REFRESH == 0 or training.spent_s >= 60 * arguments.minutes:
            about = {"steps": str(training.step), "parts": " ".join(arguments.parts)}
            training.save(checkpoint)
            write_decoder(
                training.average, model, arguments.output, about | {"licence": "BSD-3-Clause"}
            )
            recent = f"loss {np.mean(losses[-REFRESH:]):.4f}, {len(views)} views"
            print(f"step {training.step}: {recent}, {training.spent_s / 60:.1f} min", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    caching = commands.add_parser("cache", help="write embeddings and targets of views")
    caching.set_defaults(run=cache)
    caching.add_argument("--model", default="cells_nano")
    caching.add_argument("--data", type=Path)
    caching.add_argument("--cache", type=Path, required=True)
    caching.add_argument("--part", choices=("tune", "report", "synthetic"), required=True)
    caching.add_argument("--views", type=int, default=1000)
    caching.add_argument("--first", type=int, default=0)
    caching.add_argument("--seed", type=int, default=0)
    training = commands.add_parser("train", help="fit the decoder to cached views")
    training.set_defaults(run=train)
    training.add_argument("--model", default="cells_nano")
    training.add_argument("--cache", type=Path, required=True)
    training.add_argument("--parts", nargs="+", default=["tune", "synthetic"])
    training.add_argument("--minutes", type=float, default=20)
    training.add_argument("--rate", type=float, default=LEARNING_RATE)
    training.add_argument("--begin", type=Path, help="weights to begin with")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
