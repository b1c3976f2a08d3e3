"""Measure divisions: how well daughters are followed, and how well divisions are suggested.

    python benchmarks/divisions.py --data FOLDER --json F [--resume] [--limit S] [--seeds N ...]
                                   [--parts P ...] [--followed FOLDER]

Movies: the plugin's synthetic dividing nuclei, from the seeds N, of which the parents are known,
as they are and with `fates` (some leave, come and die); and of FOLDER (as for accuracy.py) the
movies of kind time. Divisions are read off the true masks, which of the synthetic ones gives the
known ones: an object ends where, up to three frames later, two begin that are alike, together
about as large, and lie around where it was.

daughters    The mother is followed from her true mask, up to ten frames before her division; then
             the daughters are seeded as the key does, in each of its ways, without the mother's
             memories and with them, and followed for eight frames. Mean IoU with the true
             daughters in the first frame, and in those after it.
suggestions  All objects are followed to the end of the movie from one click: `mask0` those of
             frame 0 and no others, `click` each where it appears. Precision and recall of what
             is found then, each within a frame (`near`: three): divisions, exits, deaths, both as
             ends, entries, and losses: from then on the mask does not lie on its object any more.

Each of the three parts of a movie is a job; what is in the file is not done again with --resume,
and after --limit seconds no other one is begun. With --followed, masks are kept in that folder,
and where they are there suggestions are found anew: for a rule that changed.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from labelled_data import read_items
from numpy.typing import NDArray
from propagated import Propagated, load, save
from tqdm import tqdm
from tracking import prompts_of

from napari_sam2.annotation.daughters import (
    Seeding,
    daughter_masks,
    disjoint_pair,
    seed_prompts,
)
from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.tracks.label_movies import tracked_labels
from napari_sam2.masks.mask_statistics import StatisticsTable
from napari_sam2.masks.masklets import Confidence, Masklets
from napari_sam2.movies.movie import Movie
from napari_sam2.sample_data import (
    coming_and_going_nuclei_with_truth,
    dividing_nuclei_with_truth,
)
from napari_sam2.tracks.lineage import Lineage
from napari_sam2.tracks.suggestions import Kind, Suggestion, suggest
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch import SAM2, MaskPrompt, PointPrompt, VideoSession, load_sam2
from sam2_torch.automatic.seeds import deepest_pixel

BEFORE, LATER = 10, 8  # frames
WITHIN, NEAR = 1, 3  # frames that a suggestion may be off, and may be to count as near
LATEST = 3  # frames after the mother's last one
ALIKE, TOGETHER, OFF, REACH = 0.5, (0.4, 2.2), 0.6, 1.8  # of areas, and of her diameter

DAUGHTERS = "daughters"
SCENES = {"synthetic": dividing_nuclei_with_truth, "fates": coming_and_going_nuclei_with_truth}
NAMES = {
    "divisions": (Kind.DIVISION,),
    "exits": (Kind.EXIT,),
    "deaths": (Kind.DEATH,),
    "ends": (Kind.EXIT, Kind.DEATH),  # either for the other is right
    "entries": (Kind.ENTRY,),
    "losses": (Kind.LOST,),
}
PARTS = (DAUGHTERS, "mask0", "click")

Scores = dict[str, list[float]]


class Division(NamedTuple):
    """Who divides into whom, and the first frame of the daughters."""

    mother: int
    frame: int
    daughters: tuple[int, int]


def divisions_of(truth: Tracked) -> list[Division]:
    """Read divisions off true masks."""
    found = []
    tracks = list(truth.tracks)
    for track in tracks:
        last = track.end or 0
        begun = [t.object_id for t in tracks if last < (t.begin or 0) <= last + LATEST]
        pairs = {
            off: pair
            for pair in combinations(begun, 2)
            if (off := _off(truth, track.object_id, pair)) is not None
        }
        if pairs:
            pair = pairs[min(pairs)]
            found.append(Division(track.object_id, truth.tracks[pair[0]].begin or 0, pair))
    return sorted(found, key=lambda division: division.frame)


def _off(truth: Tracked, mother: int, pair: tuple[int, int]) -> float | None:
    """Measure how far the middle of two objects is from a third, in its diameters; None if not."""
    begins = [truth.tracks[i].begin or 0 for i in pair]
    masks = [truth.masklets.get(i, begin) for i, begin in zip(pair, begins, strict=True)]
    before = truth.masklets.get(mother, truth.tracks[mother].end or 0)
    if begins[0] != begins[1] or before is None or not all(masks):
        return None
    sizes = np.array([mask.area for mask in masks if mask])
    at = np.array([mask.centroid_yx for mask in masks if mask])
    centre = np.array(before.centroid_yx)
    diameter = 2 * np.sqrt(before.area / np.pi)
    off = float(np.linalg.norm(np.average(at, axis=0, weights=sizes) - centre) / diameter)
    is_near = np.linalg.norm(at - centre, axis=1).max() <= REACH * diameter
    is_alike = sizes.min() >= ALIKE * sizes.max()
    is_whole = TOGETHER[0] <= sizes.sum() / before.area <= TOGETHER[1]
    return off if off <= OFF and is_near and is_alike and is_whole else None


def iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))


def measure_daughters(
    session: VideoSession, labels: NDArray[Any], division: Division
) -> Iterator[tuple[str, float, float]]:
    """Seed and follow the daughters in all ways: name of the way, IoU at first and later."""
    mother, frame, _ = division
    known = np.flatnonzero((labels == mother).any(axis=(1, 2)))
    begin = max(int(known[0]), frame - BEFORE)
    session.reset()
    session.add_prompt(1, begin, MaskPrompt(labels[begin] == mother))
    masklets = Masklets(*_size(labels))
    for result in session.propagate("forward", frames=(begin, frame + 1)):
        masklets.set(1, result.frame, result.predictions[0].sparse)
    try:
        halves = daughter_masks(masklets, 1, frame)
    except ValueError:  # the mother is lost: there is nothing to divide
        return
    for seeding in Seeding:
        choices = None
        if seeding is Seeding.NETWORK:
            clicks = (PointPrompt([deepest_pixel(half)], [1]) for half in halves)
            choices = disjoint_pair(*(session.predict(frame, click) for click in clicks))
        seeds = seed_prompts(seeding, halves, choices)
        for remember in (False, True):
            name = f"{seeding.name.lower()}.{'remembered' if remember else 'fresh'}"
            if remember:
                session.inherit_memories(1, frame, (2, 3))
            shape = session.frame_shape
            for i, drawn in zip((2, 3), seeds, strict=True):
                session.set_prompts(i, frame, drawn.prompts(shape), drawn.choice or 0)
            stop = min(len(labels), frame + LATER)
            masklets, _ = _propagated(session, (frame, stop), (2, 3))
            yield name, *_agreement(masklets, labels, division, stop)
            for i in (2, 3):
                session.remove_object(i)


def _propagated(
    session: VideoSession,
    frames: tuple[int, int] | None = None,
    object_ids: tuple[int, ...] | None = None,
) -> tuple[Masklets, dict[tuple[int, int], Confidence]]:
    """Propagate objects forward; returns masks, and confidence by object id and frame."""
    masklets, confidence = Masklets(session.n_frames, session.frame_shape), {}
    for result in session.propagate("forward", frames=frames, object_ids=object_ids):
        for i, found in zip(result.object_ids, result.predictions, strict=True):
            masklets.set_found(i, result.frame, found)
            confidence[i, result.frame] = Confidence(found.iou, found.object_score)
    return masklets, confidence


def _size(labels: NDArray[Any]) -> tuple[int, tuple[int, int]]:
    return len(labels), (labels.shape[1], labels.shape[2])


def _agreement(
    masklets: Masklets, labels: NDArray[Any], division: Division, stop: int
) -> tuple[float, float]:
    """Compare two objects with two daughters, each with the one that it fits in the first frame."""

    def of(daughters: tuple[int, int], frames: range) -> float:
        values = [
            iou(masklets.labels(frame, (i,)) > 0, labels[frame] == daughter)
            for i, daughter in zip((2, 3), daughters, strict=True)
            for frame in frames
            if (labels[frame] == daughter).any()
        ]
        return float(np.mean(values)) if values else float("nan")

    frame, (one, other) = division.frame, division.daughters
    first = range(frame, frame + 1)
    pair = max(((one, other), (other, one)), key=lambda pair: of(pair, first))
    return of(pair, first), of(pair, range(frame + 1, stop))


def prompts_in(truth: Tracked, way: str) -> list[ObjectPrompts]:
    """Say what a user would to begin: a click into each object of frame 0, or into each."""
    prompts = prompts_of("click", truth)
    return [each for each in prompts if way == "click" or each.frame == 0]


def propagate(session: VideoSession, prompts: list[ObjectPrompts]) -> Propagated:
    """Follow objects to the end of the movie as a user would."""
    session.reset()
    for each in prompts:
        session.set_prompts(each.object_id, each.frame, each.prompts)
    return Propagated(*_propagated(session))


def found_in(propagated: Propagated, prompts: list[ObjectPrompts]) -> list[Suggestion]:
    """Look for suggestions in what was propagated."""
    masklets = propagated.masklets
    table = StatisticsTable(masklets, propagated.confidence)
    for object_id in table.set_objects(masklets.object_ids):
        table.read(object_id)
    table.set_given({(each.object_id, each.frame) for each in prompts})
    return suggest(table, Lineage())


def happened_in(truth: Tracked) -> dict[Kind, list[tuple[int, int]]]:
    """Read off true masks what happened: by kind, to whom, and the first frame after it."""
    known = divisions_of(truth)
    mothers = {division.mother for division in known}
    daughters = {i for division in known for i in division.daughters}
    happened: dict[Kind, list[tuple[int, int]]] = {kind: [] for kind in Kind}
    happened[Kind.DIVISION] = [(division.mother, division.frame) for division in known]
    for track in truth.tracks:
        object_id, begin, end = track.object_id, track.begin or 0, track.end or 0
        if object_id not in mothers and end + 1 < truth.n_frames:
            kind = Kind.EXIT if _is_at_border(truth, object_id, end) else Kind.DEATH
            happened[kind].append((object_id, end + 1))
        if object_id not in daughters and begin > 0 and _is_at_border(truth, object_id, begin):
            happened[Kind.ENTRY].append((object_id, begin))
    return happened


def losses_in(propagated: Propagated, truth: Tracked) -> list[tuple[int, int]]:
    """List objects whose masks lie beside them from a frame on: who, and that frame."""
    mothers = {division.mother for division in divisions_of(truth)}
    losses = []
    for object_id in sorted(set(propagated.masklets.object_ids) - mothers):
        known = [
            f
            for f in propagated.masklets.frames(object_id)
            if propagated.masklets.get(object_id, f)
        ]
        on_it = [frame for frame in known if _touches(propagated, truth, object_id, frame)]
        after = [frame for frame in known if on_it and frame > on_it[-1]]
        losses += [(object_id, after[0])] if after else []
    return losses


def _touches(propagated: Propagated, truth: Tracked, object_id: int, frame: int) -> bool:
    """Tell whether a mask lies on the object that it is of, with a tenth of it at least."""
    mask, true = (each.get(object_id, frame) for each in (propagated.masklets, truth.masklets))
    if not mask or not true:
        return False
    return mask.overlap(true) >= 0.1 * mask.area


def _is_at_border(truth: Tracked, object_id: int, frame: int) -> bool:
    mask = truth.masklets.get(object_id, frame)
    assert mask is not None
    return mask.touches_border


def measure_suggestions(propagated: Propagated, truth: Tracked, way: str) -> dict[str, int]:
    """Count suggestions, the right ones, and the events that are to be found."""
    prompts = prompts_in(truth, way)
    suggested, ids = found_in(propagated, prompts), {each.object_id for each in prompts}
    happened = happened_in(truth) | {Kind.LOST: losses_in(propagated, truth)}
    counts: dict[str, int] = {}
    for name, kinds in NAMES.items():
        true = [each for kind in kinds for each in happened[kind] if each[0] in ids]
        named = [(s.object_ids[0], s.frame) for s in suggested if s.kind in kinds]
        counts[f"{name}.said"] = len(named)
        counts[f"{name}.true"] = len(true)
        for how, within in (("", WITHIN), ("_near", NEAR)):
            right = [any(_is_same(s, t, within) for t in true) for s in named]
            found = [any(_is_same(s, t, within) for s in named) for t in true]
            counts[f"{name}.right{how}"], counts[f"{name}.found{how}"] = sum(right), sum(found)
    return counts


def _is_same(one: tuple[int, int], true: tuple[int, int], within: int) -> bool:
    return one[0] == true[0] and abs(one[1] - true[1]) <= within


def movies_of(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """List the movies: family and name."""
    for scene in SCENES:
        for seed in arguments.seeds:
            yield scene, f"seed{seed}"
    for item in read_items(arguments.data, kinds=("time",)):
        yield "real", Path(item["file"]).stem


def read(data: Path, family: str, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if family in SCENES:
        return SCENES[family](int(name.removeprefix("seed")))
    with np.load(data / f"{name}.npz") as arrays:
        return arrays["image"], arrays["labels"]


def measured(
    model: SAM2, pixels: tuple[NDArray[Any], NDArray[Any]], part: str, kept: Path | None
) -> dict[str, Any] | None:
    """Do a part of what is measured of a movie; None if nothing happens in it."""
    image, labels = pixels
    truth = tracked_labels(Movie(labels, "TYX"))
    if not any(happened_in(truth).values()):
        return None
    divisions = divisions_of(truth)
    if part != DAUGHTERS:
        if kept and kept.is_file():
            propagated = load(kept)
        else:
            propagated = propagate(VideoSession(model, image), prompts_in(truth, part))
            if kept:
                save(kept, propagated)
        return {"suggestions": {part: measure_suggestions(propagated, truth, part)}}
    session = VideoSession(model, image)
    daughters: dict[str, Any] = defaultdict(list)
    for division in divisions:
        for way, first, later in measure_daughters(session, labels, division):
            daughters[way].append([round(first, 4), round(later, 4)])
    return {"divisions": len(divisions), "daughters": daughters}


def _kept(folder: Path | None, family: str, name: str, part: str) -> Path | None:
    """Say where a part keeps what it follows; None if it does not."""
    return folder / f"{family}-{name}-{part}.npz" if folder and part != DAUGHTERS else None


def _is_there(kept: Path | None) -> bool:
    return bool(kept and kept.is_file())


def summary(jobs: dict[str, Any]) -> dict[str, float]:
    """Average over divisions, and add up counts, of each family and of all."""
    values: Scores = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for job, figures in jobs.items():
        for family in (job.split("/")[0], "all") if figures else ():
            counts[f"{family}.divisions"] += figures.get("divisions", 0)
            for way, pairs in figures.get("daughters", {}).items():
                for first, later in pairs:
                    values[f"{family}.daughters.{way}.first_iou"].append(first)
                    values[f"{family}.daughters.{way}.later_iou"].append(later)
            for way, of_way in figures.get("suggestions", {}).items():
                for name, count in of_way.items():
                    counts[f"{family}.suggestions.{way}.{name}"] += count
    means = {key: round(float(np.nanmean(each)), 4) for key, each in values.items()}
    for key in [key for key in counts if key.endswith(".said")]:
        stem = key.removesuffix(".said")
        for share, part, whole in (("precision", "right", "said"), ("recall", "found", "true")):
            if counts[f"{stem}.{whole}"]:
                value = counts[f"{stem}.{part}"] / counts[f"{stem}.{whole}"]
                means[f"{stem}.{share}"] = round(value, 4)
    return dict(sorted((means | counts).items()))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="cells_nano", help="name or checkpoint file")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, nargs="*", default=range(6), help="synthetic movies")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    parser.add_argument("--followed", type=Path, help="folder that keeps what was followed")
    parser.add_argument("--resume", action="store_true", help="go on with that file")
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds; then stop")
    arguments = parser.parse_args(argv)
    deadline = time.monotonic() + arguments.limit
    jobs: dict[str, Any] = {}
    if arguments.resume and arguments.json.is_file():
        jobs = json.loads(arguments.json.read_text())["jobs"]
    movies = list(movies_of(arguments))
    wanted = [(*movie, part) for movie in movies for part in arguments.parts]
    kept = {each: _kept(arguments.followed, *each) for each in wanted}
    wanted = [each for each in wanted if "/".join(each) not in jobs or _is_there(kept[each])]
    model = load_sam2(arguments.model, arguments.device)
    for family, name, part in tqdm(wanted, file=sys.stderr):
        if time.monotonic() > deadline:
            break
        pixels = read(arguments.data, family, name)
        jobs[f"{family}/{name}/{part}"] = measured(model, pixels, part, kept[family, name, part])
        document = {"summary": summary(jobs), "jobs": jobs}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    for key, value in summary(jobs).items():
        print(f"{key:56} {value:.4g}")


if __name__ == "__main__":
    main()
