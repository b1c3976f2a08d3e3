"""Measure tracking on labelled movies by the Cell Tracking Challenge: SEG, TRA, DET, LNK.

    python benchmarks/tracking.py --data FOLDER --json F [--resume] [--frames N] [--limit S]

FOLDER is as for accuracy.py; its items of kind time count. Six ways to begin:

mask0   the masks of all cells in the first frame, and nothing else
mask    the mask of each cell in the frame in which it appears
click   one click into the middle of each cell in the frame in which it appears
link    all masks of all frames, without identities (`napari-sam2 link`)
all     nothing, by the instance decoder (`napari-sam2 auto --track --by decoder`)
grid    nothing, by the grid of points (`napari-sam2 auto --track`)

The first three run forward from there. Nothing is corrected. KEPT is the share of the true tracks
of which one object covers at least 80 % of the frames, with an IoU of at least 0.5. The other
figures are py-ctcmetrics', and beside them `traccuracy`'s if it is installed (how: see
ctc_figures.py), from the folders that `napari-sam2 export` writes. Parents are not in the data, so
none are compared; of `link`, SEG says nothing: the masks are the true ones. Cells that come later
are not in `mask0`: for the metric they are missed, as they are for a user who does nothing more.

A movie in one of the ways is a job. The file is written after each; with `--resume` those that
are in it are not done again, and after `--limit` seconds no other one is begun.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ctc_figures import Figures, by_ctcmetrics, by_traccuracy, has_traccuracy, write_folders
from figures import print_report
from labelled_data import read_items
from numpy.typing import NDArray
from tqdm import tqdm

from napari_sam2.api import prompted
from napari_sam2.api.automatic import track_all
from napari_sam2.api.linking import link_labels
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch import SAM2, EverythingOptions, MaskPrompt, PointPrompt, Prompt, load_sam2
from sam2_torch.automatic.options import FindBy, TrackOptions
from sam2_torch.automatic.seeds import deepest_pixel

WAYS = ("mask0", "mask", "click", "link", "all", "grid")
KEPT_SHARE, KEPT_IOU = 0.8, 0.5
ITEM = ".item."


def prompts_of(way: str, truth: Tracked) -> list[ObjectPrompts]:
    """Say what a user would to begin."""
    prompts = []
    for track in truth.tracks:
        frame = track.begin or 0
        mask = truth.masklets.get(track.object_id, frame)
        assert mask is not None
        if way == "mask0" and frame:
            continue
        prompt: Prompt = MaskPrompt(mask)
        if way == "click":
            prompt = PointPrompt([deepest_pixel(mask)], [1])
        prompts.append(ObjectPrompts(track.object_id, frame, (prompt,)))
    return prompts


def without_identities(labels: NDArray[Any]) -> Tracked:
    """Number the objects of each frame anew, at random."""
    rng = np.random.default_rng(0)
    shuffled = np.zeros_like(labels)
    for frame, image in enumerate(labels):
        ids = np.unique(image[image > 0])
        for old, new in zip(ids, rng.permutation(len(ids)) + 1, strict=True):
            shuffled[frame][image == old] = new
    return tracked_labels(Movie(shuffled, "TYX"))


def track(model: SAM2, movie: Movie, truth: Tracked, labels: NDArray[Any], way: str) -> Tracked:
    """Track a movie in one of the ways."""
    if way == "link":
        return link_labels(model, movie, without_identities(labels))
    if way in ("all", "grid"):
        by: FindBy = "decoder" if way == "all" else "grid"
        options = TrackOptions(EverythingOptions(by=by))
        return Tracked.of(movie, track_all(model, movie, options).masklets)
    masklets = prompted.track(model, movie, prompts_of(way, truth), direction="forward")
    return Tracked.of(movie, masklets)


def measure(folder: Path, truth: Tracked, found: Tracked) -> Figures:
    """Compare two tracked movies by all programs that are there; 0 where nothing was found."""
    gold, result = write_folders(folder, truth, found)
    figures = by_ctcmetrics(gold, result)
    if has_traccuracy():
        others = by_traccuracy(gold, result)
        figures |= {f"traccuracy_{metric}": value for metric, value in others.items()}
    return figures


def kept_identities(truth: Tracked, found: Tracked) -> float:
    """Return the share of the true tracks that one found object covers."""
    kept = []
    for track in truth.tracks:
        matches: Counter[int] = Counter()
        frames = truth.masklets.frames(track.object_id)
        for frame in frames:
            mask = truth.masklets.get(track.object_id, frame)
            here = {i: found.masklets.get(i, frame) for i in found.masklets.object_ids}
            matches.update(i for i, m in here.items() if m and mask and m.iou(mask) >= KEPT_IOU)
        kept.append(max(matches.values(), default=0) >= KEPT_SHARE * len(frames))
    return float(np.mean(kept))


def measured(model: SAM2, file: Path, way: str, n_frames: int | None) -> Figures:
    """Do one job: the figures, and the frames and seconds that it took."""
    with np.load(file) as arrays:
        image, labels = (arrays[key][:n_frames] for key in ("image", "labels"))
    movie, truth = Movie(image, "TYX"), tracked_labels(Movie(labels, "TYX"))
    began = time.perf_counter()
    found = track(model, movie, truth, labels, way)
    seconds = time.perf_counter() - began
    with TemporaryDirectory() as folder:
        figures = measure(Path(folder), truth, found)
    figures["KEPT"] = kept_identities(truth, found)
    return figures | {"frames": movie.n_frames, "seconds": seconds}


def flat(way: str, item: str, figures: Figures) -> Figures:
    """Name the figures of a job as in the file."""
    return {
        f"tracking.{way}.{name.lower()}{ITEM}{Path(item).stem}": round(value, 4)
        for name, value in figures.items()
    }


def is_done(known: Figures, way: str, item: str) -> bool:
    """Tell whether a job is in the file, with all programs that are there now."""
    last = "traccuracy_TRA" if has_traccuracy() else "TRA"
    return all(key in known for key in flat(way, item, {last: 0}))


def with_means(items: Figures) -> Figures:
    """Put the means over all items beside the figures of each."""
    together: dict[str, list[float]] = defaultdict(list)
    for key, value in items.items():
        together[key.split(ITEM)[0]].append(value)
    means = {key: round(float(np.mean(values)), 4) for key, values in together.items()}
    return dict(sorted((means | items).items()))


def read_figures(path: Path) -> Figures:
    """Read the figures of each item out of a file that was written before."""
    if not path.is_file():
        return {}
    return {key: value for key, value in json.loads(path.read_text()).items() if ITEM in key}


def arguments_of(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--fast", action="store_true", help="the precision of the command line")
    parser.add_argument("--frames", type=int, help="of each movie the first ones only")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--items", nargs="+", help="names of some of the movies, without suffix")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument("--resume", action="store_true", help="go on with that file")
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds; then stop")
    return parser.parse_args(argv)


def _model(arguments: argparse.Namespace) -> SAM2:
    return load_sam2(arguments.model, arguments.device, "fast" if arguments.fast else None)


def main(argv: list[str] | None = None) -> None:
    arguments = arguments_of(argv)
    deadline = time.monotonic() + arguments.limit
    names = ",".join(arguments.items or "*")
    items = [item["file"] for item in read_items(arguments.data, names, ("time",))]
    known = read_figures(arguments.json) if arguments.resume else {}
    jobs = [(item, way) for item in items for way in arguments.ways]
    jobs = [(item, way) for item, way in jobs if not is_done(known, way, item)]
    if not has_traccuracy():
        print("traccuracy is not installed: its figures are left out", file=sys.stderr)
    model = _model(arguments) if jobs else None
    left = len(jobs)
    for item, way in tqdm(jobs, file=sys.stderr):
        if time.monotonic() > deadline or model is None:
            break
        known |= flat(way, item, measured(model, arguments.data / item, way, arguments.frames))
        arguments.json.write_text(json.dumps(with_means(known), indent=1) + "\n")
        left -= 1
    print_report(with_means(known), left, len(jobs))


if __name__ == "__main__":
    main()
