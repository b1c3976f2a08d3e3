"""Measure what tuning gains on a movie that no network has seen: rods in interference contrast.

    python benchmarks/tuning.py [--train everything] [--steps 150] [--rate 2e-4] [--run FOLDER]

The generator makes a movie of 25 frames; three early frames are learnt from, four later ones
are held out. Prints the mean IoU before and after by kind of prompt, and the time.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from labelled_data import draw_movie

from sam2_torch.training.config import TrainingConfig
from sam2_torch.training.data.labelled_movies import LabelledMovie, Split
from sam2_torch.training.finetuning import NewModel, Watcher, Workshop, tune
from sam2_torch.training.loop import Budget

SEED, FRAMES = 3008, 25
LEARNT, HELD_OUT = (0, 4, 8), (15, 18, 21, 24)


def split_movie() -> Split:
    """Make the movie, and single images of it."""
    movie = draw_movie(np.random.default_rng(SEED), FRAMES, "rods")

    def still(t: int) -> LabelledMovie:
        part = slice(t, t + 1)
        return LabelledMovie(
            f"frame {t}", "rods", "2d", movie.modality, movie.images[part], movie.labels[part]
        )

    return Split(tuple(map(still, LEARNT)), tuple(map(still, HELD_OUT)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", default="everything", help="or decoder, adapters")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--run", type=Path, help="folder for log and pictures")
    arguments = parser.parse_args()
    config = TrainingConfig(
        trained=arguments.train,
        steps=arguments.steps,
        frames=(1,),
        images=2,
        objects=3,
        max_clicks=2,
        learning_rate=arguments.rate,
        warmup=10,
        average=0.98,
        picture_every=0,
        seed=1,
    )
    split = split_movie()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.run or Path(scratch)
        product = NewModel(folder / "tuned.safetensors", "tuned")
        result = tune(
            split, config, Workshop(folder, arguments.device), product, Budget(), Watcher()
        )
    masks = [
        sum(movie.count_masks() for movie in part) for part in (split.training, split.held_out)
    ]
    print(f"{masks[0]} masks learnt from, {masks[1]} held out; {result.steps} steps")
    for key, before in result.before.items():
        print(f"{key:16s} {before:.3f} -> {result.after[key]:.3f}")
    print(f"{time.monotonic() - begin:.0f} s in all")


if __name__ == "__main__":
    main()
