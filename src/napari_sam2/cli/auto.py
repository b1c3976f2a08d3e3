"""`napari-sam2 auto`: everything, without prompts."""

import argparse
import csv
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.api.automatic import (
    AutomaticResult,
    accept_divisions,
    in_pixels,
    segment_all,
    track_all,
)
from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import Report
from napari_sam2.cli.jobs import run_jobs, write_output
from napari_sam2.cli.options import (
    SEVERAL,
    add_appearance,
    add_input,
    add_model,
    appearance_of,
    jobs_of,
    load_model,
    read_range,
    resolved_frames,
)
from napari_sam2.io.files import replacing, stem
from napari_sam2.io.read import read_movie
from napari_sam2.io.tracks.formats import check_holds
from napari_sam2.movies.movie import Calibration, Movie
from napari_sam2.tracks.tracked_movie import Tracked
from sam2_torch.automatic.options import TEXT_MODEL

if TYPE_CHECKING:
    from sam2_torch import SAM2, EverythingOptions
    from sam2_torch.automatic import TrackOptions
    from sam2_torch.automatic.words import Words

HELP = "segment all objects without prompts, and track them"
DESCRIPTION = "Segment everything in images, movies or stacks, or track everything."

EPILOG = (
    """\
Without --track every frame is segmented on its own, and objects get new numbers in each.
With it objects are found in the seed frames, propagated to all others, and keep their number.

Diameters are in the unit of the file's pixel size (for example um), or in pixels if it is
unknown; the diameter is that of a disc of an object's area.

"""
    + SEVERAL
)
_SCORE_COLUMNS = ("object", "frame", "score")
_DIVISION_COLUMNS = ("frame", "mother", "daughter1", "daughter2", "score")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_input(parser)
    _add_objects(parser)
    _add_tracking(parser)
    add_appearance(parser)
    add_model(parser)


def _add_objects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--diameter", metavar="A:B", type=number_range, help="smallest and largest diameter"
    )
    parser.add_argument(
        "--speck", metavar="D", type=float, help="fill holes and remove specks below this diameter"
    )
    parser.add_argument(
        "--brightness",
        choices=("any", "bright", "dark"),
        default="any",
        help="only objects brighter or darker than what is around them (default: any)",
    )
    parser.add_argument(
        "--exclude-border", action="store_true", help="leave out objects that touch the border"
    )
    parser.add_argument(
        "--min-score",
        metavar="S",
        type=share,
        help="leave out objects of a lower score, 0 to 1 (default: 0.35)",
    )
    parser.add_argument(
        "--by",
        choices=("decoder", "grid"),
        help="find objects by the model's instance decoder, or by prompts on a grid; a model "
        "without such a decoder uses the grid (default: decoder with --track, else grid)",
    )
    parser.add_argument(
        "--points",
        metavar="N",
        type=int,
        default=32,
        help="points along each side of the grid (default: 32)",
    )
    parser.add_argument(
        "--crops",
        metavar="L",
        type=int,
        help="go over the image again in 2 x 2 crops (1), and 4 x 4 (2), for small objects "
        "(default: by the size of the image)",
    )
    parser.add_argument(
        "--words",
        metavar="TEXT",
        help="only objects that fit these words, by a CLIP-type model; what else there is after "
        "commas: 'dividing cell, resting cell' (weak for microscopy)",
    )
    parser.add_argument(
        "--text-model",
        metavar="NAME",
        default=TEXT_MODEL,
        help="with --words: a CLIP-type model of the Hugging Face Hub, or a folder (default: "
        f"{TEXT_MODEL})",
    )
    parser.add_argument(
        "--min-similarity",
        metavar="S",
        type=share,
        default=0.5,
        help="with --words: leave out objects that fit them less, 0 to 1 (default: 0.5)",
    )
    parser.add_argument(
        "--scores",
        action="store_true",
        help="also write NAME.scores.csv, and NAME.divisions.csv of proposed divisions",
    )


def _add_tracking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--track", action="store_true", help="track what is found")
    parser.add_argument(
        "--seed-frames",
        choices=("first", "every", "coverage"),
        default="every",
        help="look for new objects in the first frame only, in every N-th one, or of these where "
        "the tracked objects cover less than before (default: every)",
    )
    parser.add_argument(
        "--accept-divisions",
        metavar="S",
        type=share,
        help="put proposed divisions of at least this score, 0 to 1, into the lineage",
    )
    parser.add_argument(
        "--every", metavar="N", type=int, default=10, help="distance of seed frames (default: 10)"
    )


def number_range(text: str) -> tuple[float | None, float | None]:
    """Read A:B; either may be left out.

    Parameters
    ----------
    text
        For example 8:30 or 8:.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    return read_range(text, float, "8:30 or 8:")


def share(text: str) -> float:
    """Read a number from 0 to 1.

    Parameters
    ----------
    text
        A number.

    Raises
    ------
    ArgumentTypeError
        If it is something else.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 auto`."""
    jobs = jobs_of(arguments, beside=partial(_tables, arguments=arguments))
    if arguments.by is None:
        arguments.by = "decoder" if arguments.track else "grid"
    _options(arguments, Calibration())  # wrong ones are found before a model is loaded
    appearance_of(arguments)
    if arguments.words is not None and arguments.track:
        raise ValueError(
            "--words: expected single images, or frames on their own, found --track; track all, "
            "and choose in napari"
        )
    return run_jobs(jobs, arguments, find)


def _load(arguments: argparse.Namespace, report: Report) -> "SAM2":
    from sam2_torch.automatic.instances import load_instance_decoder
    from sam2_torch.automatic.options import NO_DECODER

    model = load_model(arguments)
    if arguments.by == "decoder" and load_instance_decoder(model) is None:
        report.write(f"{arguments.model}: {NO_DECODER}")
    return model


def _words(arguments: argparse.Namespace, network: "SAM2") -> "Words | None":
    from sam2_torch.automatic.words import Words

    if arguments.words is None:
        return None
    least = arguments.min_similarity
    return Words(arguments.words, arguments.text_model, network.device, least)


def find(job: Job, arguments: argparse.Namespace, report: Report) -> str:
    """Segment or track everything in one input; return the line about its result."""
    movie = read_movie(job.source, arguments.axes, arguments.channel)
    for output in job.outputs:
        check_holds(output, movie.layout.label_axes)
    frames = resolved_frames(arguments.frames, movie)
    report.write(f"{job.source}: {movie}")
    options = _options(arguments, movie.calibration)
    look = appearance_of(arguments)
    network = _load(arguments, report)
    if arguments.track:
        with report.progress("frame") as progress:
            track_options = _track_options(arguments, options)
            found = track_all(
                network, movie, track_options, frames=frames, progress=progress, appearance=look
            )
    else:
        with report.progress("seed") as progress:
            found = segment_all(
                network,
                movie,
                options,
                frames=frames,
                progress=progress,
                appearance=look,
                words=_words(arguments, network),
            )
    _write(job, movie, found, arguments, report)
    n = len(found.masklets.object_ids) if arguments.track else len(found.scores)
    return f"{job.named_outputs}: {n} object{'s' * (n != 1)} in {movie.n_frames} frames"


def _tables(path: Path, arguments: argparse.Namespace) -> list[Path]:
    """Return the files of --scores: scores, and divisions with --track."""
    kinds = ["scores"] * arguments.scores + ["divisions"] * (arguments.scores and arguments.track)
    return [path.with_name(f"{stem(path)}.{kind}.csv") for kind in kinds]


def _write(
    job: Job,
    movie: Movie,
    found: AutomaticResult,
    arguments: argparse.Namespace,
    report: Report,
) -> None:
    tracked = Tracked.of(movie, found.masklets)
    if arguments.accept_divisions is not None and arguments.track:
        tracked, n = accept_divisions(tracked, found.divisions, arguments.accept_divisions)
        report.write(f"{n} of {len(found.divisions)} proposed divisions are in the lineage")
    write_output(job, tracked, report)
    scores = [(i, frame, f"{score:.4f}") for (i, frame), score in found.scores.items()]
    divisions = [(d.frame, d.mother, *d.daughters, f"{d.score:.4f}") for d in found.divisions]
    contents: list[list[tuple[object, ...]]] = [
        [_SCORE_COLUMNS, *scores],
        [_DIVISION_COLUMNS, *divisions],
    ]
    for table, rows in zip(_tables(job.outputs[0], arguments), contents, strict=False):
        with replacing(table) as partial_table, open(partial_table, "w", newline="") as file:
            csv.writer(file).writerows(rows)


def _options(arguments: argparse.Namespace, calibration: Calibration) -> "EverythingOptions":
    from sam2_torch import EverythingOptions, ObjectRules, SeedGrid

    rules = ObjectRules(contrast=arguments.brightness, exclude_border=arguments.exclude_border)
    rules = in_pixels(
        rules,
        calibration,
        diameter=arguments.diameter or (None, None),
        part_diameter=arguments.speck,
    )
    options = EverythingOptions(
        SeedGrid(arguments.points, arguments.crops), rules=rules, by=arguments.by
    )
    if arguments.min_score is None:
        return options
    return replace(options, min_score=arguments.min_score)


def _track_options(arguments: argparse.Namespace, options: "EverythingOptions") -> "TrackOptions":
    from sam2_torch.automatic import TrackOptions

    return TrackOptions(options, arguments.seed_frames, arguments.every)
