"""Measure objects that nobody prompted: average precision, speed, SEG and TRA.

    python benchmarks/automatic.py --model cells_nano --data FOLDER [--limit N] [--json F]

FOLDER is as for accuracy.py. Segment everything on single images, and on the middle frame of each
movie and stack, by the instance decoder and by a grid of points (`--by`), beside Otsu's threshold
with a watershed (scikit-image) as a user would do, and beside cellpose if that is installed and
its weights are on the disk. Average precision is TP / (TP + FP + FN) at an IoU above 0.5 and 0.75,
as for cellpose and StarDist, and mSA its mean over the IoUs 0.5, 0.55, … 0.95: per image, then
averaged over the images of a modality, then over modalities, which count alike.

`--split tune` takes every source but those in `REPORT_SOURCES`, `--split report` only those:
the thresholds were chosen on the first. `--thresholds` lists the precision at other scores,
`--grid` and `--crops` ask at other points.

Parts: `images` as above; `decoder`, seconds for 256 seeds on an image of 1024 x 1024 that is
encoded; `track`, SEG, TRA, DET and LNK of track-everything on the movies (py-ctcmetrics);
`reference`, the time of the `sam2` package's SAM2AutomaticMaskGenerator beside ours.

The file is written after each image or movie; with `--resume` those that are in it are not done
again, and after `--seconds` no other one is begun.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from accuracy import modality_key
from figures import print_report
from labelled_data import REPORT_SOURCES, Item, read_items
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label
from skimage.segmentation import watershed
from tqdm import tqdm

from napari_sam2.api.automatic import track_all
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.movies.movie import Movie
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch import SAM2, EverythingOptions, load_sam2, segment_everything
from sam2_torch.automatic import AutomaticMask
from sam2_torch.automatic.found_masks import share_out
from sam2_torch.automatic.options import MIN_SCORE, FindBy, ObjectRules, SeedGrid

PARTS = ("images", "decoder", "track", "reference")
IOUS = {"ap50": 0.5, "ap75": 0.75}
MSA = "msa"
MSA_IOUS = np.arange(0.5, 1, 0.05)
SCORES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
OTSU = "otsu_watershed"
TIMED_POINTS, TIMED_SIDE = 256, 1024
TRACKED_FRAMES = 20
REFERENCE_TURNS = 3
REFERENCE_LIMITS = (0.5, 0.7, 0.7)  # least IoU and stability, largest box IoU

ITEM = ".item."  # between a figure's name and the image or movie that it is of

Image = NDArray[Any]
Figures = dict[str, float]
Job = tuple[str, dict[str, str]]


def items_of(folder: Path, split: str, limit: int | None) -> list[Item]:
    """List the items of a split; with a limit about so many, evenly from each modality."""
    items = read_items(folder)
    if split != "all":
        reported = split == "report"
        items = [i for i in items if (i.get("source_repo") in REPORT_SOURCES) == reported]
    if not limit:
        return items
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for item in items:
        groups[item["modality"]].append(item)
    each = max(1, round(limit / len(groups)))
    return [i for g in groups.values() for i in g[:: max(1, len(g) // each)][:each]]


def read_image(path: Path, kind: str) -> tuple[Image, Image]:
    """Read an image and its labels; of movies and stacks the middle frame."""
    with np.load(path) as arrays:
        image, labels = arrays["image"], arrays["labels"]
    middle = len(image) // 2
    return (image, labels) if kind == "2d" else (image[middle], labels[middle])


def otsu_watershed(image: Image) -> Image:
    """Segment as with scikit-image's own example: Otsu, distances, watershed."""
    grey = gaussian(image.mean(-1) if image.ndim == 3 else image.astype(float), 1)
    inside = grey > threshold_otsu(grey)
    if inside.mean() > 0.5:  # dark objects on bright background
        inside = ~inside
    distance = distance_transform_edt(inside)
    peaks = peak_local_max(gaussian(distance, 1), min_distance=5, labels=label(inside))
    markers = np.zeros(inside.shape, int)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = watershed(-distance, markers, mask=inside)
    areas = np.bincount(found.ravel())
    return np.where(areas[found] >= 20, found, 0)


@lru_cache
def load_cellpose() -> tuple[Callable[[Image], Image] | None, str]:
    """Get cellpose if it can run here without a download, or the reason why not."""
    try:
        from cellpose import models
    except ImportError:
        return None, "cellpose is not installed"
    known = [Path(p) for p in Path(models.MODEL_DIR).glob("*")] if models.MODEL_DIR else []
    if not known:
        return None, f"cellpose has no weights in {models.MODEL_DIR}"
    network = models.CellposeModel(gpu=torch.cuda.is_available())
    return lambda image: network.eval(image)[0], ""


def labels_of(masks: list[AutomaticMask], shape: tuple[int, ...]) -> Image:
    """Draw masks that do not overlap."""
    labels = np.zeros(shape[:2], np.int32)
    for number, mask in enumerate(masks, start=1):
        labels[mask.sparse.slices][mask.sparse.window()] = number
    return labels


def precision(found: Image, truth: Image) -> dict[str, float]:
    """Count matches: TP / (TP + FP + FN) at each IoU, and the mean over many of them."""
    n_found, n_true = (len(np.unique(labels[labels > 0])) for labels in (found, truth))
    both = (found > 0) & (truth > 0)
    pairs, shared = np.unique(np.stack([found[both], truth[both]]), axis=1, return_counts=True)
    areas = np.bincount(found.ravel()), np.bincount(truth.ravel())
    ious = shared / (areas[0][pairs[0]] + areas[1][pairs[1]] - shared)

    def at(least: float) -> float:
        n = int((ious > least).sum())
        return n / max(n_found + n_true - n, 1)

    figures = {key: at(least) for key, least in IOUS.items()}
    return figures | {MSA: float(np.mean([at(least) for least in MSA_IOUS]))}


def image_options(arguments: argparse.Namespace, by: FindBy) -> EverythingOptions:
    thresholds = arguments.thresholds
    return EverythingOptions(
        SeedGrid(arguments.grid, arguments.crops),
        rules=ObjectRules(overlapping=thresholds),
        min_score=min(SCORES) if thresholds else MIN_SCORE,
        by=by,
    )


def measure_image(
    name: str, model: SAM2, item: dict[str, str], arguments: argparse.Namespace
) -> Figures:
    """Measure all sides on one image."""
    folder = arguments.data
    image, truth = read_image(folder / item["file"], item["kind"])
    if not truth.any():
        return {}
    figures, sides = {}, {OTSU: otsu_watershed(image)}
    for by in arguments.by:
        side = side_of(name, by)
        began = time.perf_counter()
        masks = segment_everything(model, image, image_options(arguments, by))
        figures[f"{side}.seconds_per_image"] = time.perf_counter() - began
        sides[side] = labels_of(at_score(masks, MIN_SCORE), image.shape)
        for score in SCORES if arguments.thresholds else ():
            sides[f"{side}.score{score:g}"] = labels_of(at_score(masks, score), image.shape)
    cellpose, _ = load_cellpose()
    if cellpose is not None:
        sides["cellpose"] = cellpose(image)
    for side, labels in sides.items():
        for key, value in precision(labels, truth).items():
            figures[f"{side}.{key}.{modality_key(item)}"] = value
    return {f"{key}{ITEM}{stem_of(item)}": value for key, value in figures.items()}


def side_of(name: str, by: str) -> str:
    """Name one way of a model in the figures; the model's own name means the default one."""
    return name if by == "grid" else f"{name}-{by}"


def stem_of(item: dict[str, str]) -> str:
    return Path(item["file"]).stem


def at_score(masks: list[AutomaticMask], score: float) -> list[AutomaticMask]:
    """Take the masks of at least a score, without overlaps."""
    return share_out([mask for mask in masks if mask.score >= score], ObjectRules())


def measure_decoder(model: SAM2) -> float:
    """Time 32 x 32 seeds on an image of 1024 x 1024 after it is encoded; seconds for 256."""
    from sam2_torch import Everything, SeedGrid

    noise = np.random.default_rng(0).random((TIMED_SIDE, TIMED_SIDE), np.float32)
    image = gaussian(noise, 12)
    options = EverythingOptions(SeedGrid(32, crop_layers=0))
    times = []
    for _ in range(3):
        everything = Everything(model, image, options)
        run = everything.run()
        next(run)
        next(run)  # the image is encoded, no seed is done
        first = time.perf_counter()
        for _ in run:
            pass
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - first)
    return min(times) * TIMED_POINTS / everything.n_seeds


def measure_reference(name: str, model: SAM2, per_side: int) -> Figures:
    """Time the reference's SAM2AutomaticMaskGenerator beside ours: same weights, image, limits.

    Both start from the pixels and end with masks on the host; sides take turns, the first of
    which warms up. float32 on the CPU; on CUDA the reference's usual autocast to bfloat16, and
    bfloat16 weights of ours.
    """
    import references.protocol  # noqa: F401  # the way to the parity tests' modules
    from reference import build_reference
    from reference_automatic import mask_generator

    network = build_reference(model.config)
    network.load_state_dict(model.state_dict())
    generator = mask_generator(network.to(model.device), per_side, REFERENCE_LIMITS)
    options = EverythingOptions.like_reference(per_side)
    thresholds = replace(
        options.thresholds, min_iou=REFERENCE_LIMITS[0], min_stability=REFERENCE_LIMITS[1]
    )
    options = replace(options, thresholds=thresholds)
    y, x = np.mgrid[:TIMED_SIDE, :TIMED_SIDE]
    image = np.where((y % 128 - 64) ** 2 + (x % 128 - 64) ** 2 < 40**2, 200, 40).astype(np.uint8)
    image = np.repeat(image[:, :, None], 3, axis=2)
    on_gpu = model.device.type == "cuda"
    ours = model.to(torch.bfloat16) if on_gpu else model
    times: dict[str, list[float]] = {"reference": [], "ours": []}
    for _ in range(REFERENCE_TURNS):
        began = time.perf_counter()
        with torch.autocast(model.device.type, torch.bfloat16, enabled=on_gpu):
            n_reference = len(generator.generate(image))
        times["reference"].append(time.perf_counter() - began)
        began = time.perf_counter()
        n_ours = len(segment_everything(ours, image, options, contrast=(0, 255)))
        times["ours"].append(time.perf_counter() - began)
    reference, own = (min(times[side][1:]) for side in ("reference", "ours"))
    return {
        f"{name}.everything_s": own,
        f"{name}.everything_reference_s": reference,
        f"{name}.everything_ratio": reference / own,
        f"{name}.everything_masks": n_ours,
        f"{name}.everything_reference_masks": n_reference,
    }


def measure_tracking(
    name: str, model: SAM2, folder: Path, item: dict[str, str], n_frames: int
) -> Figures:
    """Track everything in a movie, and measure it as the Cell Tracking Challenge does."""
    from tracking import measure  # needs py-ctcmetrics

    with np.load(folder / item["file"]) as arrays:
        movie, labels = (arrays[key][:n_frames] for key in ("image", "labels"))
    movie, truth = Movie(movie, "TYX"), tracked_labels(Movie(labels, "TYX"))
    began = time.perf_counter()
    found = Tracked.of(movie, track_all(model, movie).masklets)
    figures = {"seconds_per_frame": (time.perf_counter() - began) / movie.n_frames}
    with TemporaryDirectory() as place:
        figures |= measure(Path(place), truth, found)
    return {
        f"{name}.track.{key.lower()}{ITEM}{stem_of(item)}": value for key, value in figures.items()
    }


def means_of(figures: Figures) -> Figures:
    """Average over items; precisions over the modalities, too. Figures of no item stay."""
    items: dict[str, list[float]] = defaultdict(list)
    for key, value in figures.items():
        items[key.split(ITEM)[0]].append(value)
    means = {key: float(np.mean(values)) for key, values in items.items()}
    modalities: dict[str, list[float]] = defaultdict(list)
    for key, value in means.items():
        parts = key.split(".")
        at = next((i for i, part in enumerate(parts) if part in (*IOUS, MSA)), None)
        if at is not None and len(parts) > at + 1:
            modalities[".".join(parts[: at + 1])].append(value)
    means |= {key: float(np.mean(values)) for key, values in modalities.items()}
    return {key: round(value, 4) for key, value in sorted(means.items())}


def read_figures(path: Path) -> Figures:
    """Read what is known of each item, and what is of none, from a file that was written before."""
    if not path.is_file():
        return {}
    known: Figures = json.loads(path.read_text())
    names = {key.split(ITEM)[0] for key in known if ITEM in key}
    averaged = {key for key in known if key in names or key.split(".")[-1] in (*IOUS, MSA)}
    return {key: value for key, value in known.items() if key not in averaged}


def write_figures(path: Path, figures: Figures) -> None:
    """Write means, and beside them the figures of each item; never half a file."""
    rounded = {key: round(value, 4) for key, value in sorted(figures.items())}
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(json.dumps(means_of(figures) | rounded, indent=1) + "\n")
    unfinished.replace(path)


def jobs_of(parts: list[str], items: list[dict[str, str]]) -> list[Job]:
    """List what is to be done: an item of a part each, or the part, where it has none."""
    chosen = {"images": items, "track": [item for item in items if item["kind"] == "time"]}
    return [(part, item) for part in parts for item in chosen.get(part, [{}])]


def is_done(job: Job, known: Figures, name: str, arguments: argparse.Namespace) -> bool:
    """Tell whether the figures of a job are known."""
    part, item = job
    if part == "decoder":
        return f"{name}.decoder_s_per_256_points" in known
    if part == "reference":
        return f"{name}.everything_ratio" in known
    of_item = f"{ITEM}{stem_of(item)}"
    if part == "track":
        return f"{name}.track.seconds_per_frame{of_item}" in known
    suffix = f".score{SCORES[-1]:g}" if arguments.thresholds else ""
    sides = [side_of(name, by) + suffix for by in arguments.by]
    return all(f"{side}.{MSA}.{modality_key(item)}{of_item}" in known for side in sides)


def measured(job: Job, name: str, model: SAM2, arguments: argparse.Namespace) -> Figures:
    """Do one job."""
    part, item = job
    if part == "images":
        return measure_image(name, model, item, arguments)
    if part == "track":
        n_frames = TRACKED_FRAMES if arguments.limit else 10**9
        return measure_tracking(name, model, arguments.data, item, n_frames)
    if part == "decoder":
        return {f"{name}.decoder_s_per_256_points": measure_decoder(model)}
    return measure_reference(name, model, arguments.points)


def arguments_of(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("float32", "fast"), default="float32")
    parser.add_argument("--split", choices=("all", "tune", "report"), default="all")
    parser.add_argument("--limit", type=int, help="about so many images, and 20 frames of movies")
    parser.add_argument("--thresholds", action="store_true", help="measure other scores, too")
    parser.add_argument(
        "--by", nargs="+", choices=("decoder", "grid"), default=["decoder", "grid"], help="ways"
    )
    parser.add_argument("--grid", type=int, default=32, help="points along each side (default: 32)")
    parser.add_argument("--crops", type=int, help="layers of crops (default: by the image's size)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["images", "decoder"])
    parser.add_argument(
        "--points", type=int, default=32, help="of part reference, along each side (default: 32)"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--resume", action="store_true", help="go on with that file")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then stop")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    arguments = arguments_of(argv)
    deadline = time.monotonic() + arguments.seconds
    dtype = torch.float32 if arguments.precision == "float32" else "fast"
    name = Path(arguments.model).stem
    resumed = arguments.resume and arguments.json
    figures = read_figures(arguments.json) if resumed else {}
    items = items_of(arguments.data, arguments.split, arguments.limit)
    jobs = jobs_of(arguments.parts, items)
    jobs = [job for job in jobs if not is_done(job, figures, name, arguments)]
    cellpose, reason = load_cellpose()
    if cellpose is None:
        print(f"cellpose: left out, {reason}", file=sys.stderr)
    model = load_sam2(arguments.model, arguments.device, dtype)
    left = len(jobs)
    for job in tqdm(jobs, file=sys.stderr):
        if time.monotonic() > deadline:
            break
        figures |= measured(job, name, model, arguments)
        left -= 1
        if arguments.json:
            write_figures(arguments.json, figures)
    print_report(means_of(figures), left, len(jobs))


if __name__ == "__main__":
    main()
