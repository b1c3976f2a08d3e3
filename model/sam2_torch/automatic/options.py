"""What is looked for when nothing is prompted, and what counts as an object."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Contrast: TypeAlias = Literal["any", "bright", "dark"]

MIN_SCORE = 0.35  # for cells_nano, see docs/automatic.md
Ranking: TypeAlias = Literal["score", "iou"]
SeedFrames: TypeAlias = Literal["first", "every", "coverage"]


@dataclass(frozen=True)
class SeedGrid:
    """Where to click.

    Parameters
    ----------
    points_per_side
        Clicks along each side of the image, and of each crop.
    crop_layers
        How often to go over the image again in smaller crops, for objects that are small in
        it: layer i cuts it into 2**i x 2**i crops. None decides by the image's size: once, if
        it has to be shrunk for the network, else not at all.
    crop_overlap
        Overlap of neighbouring crops of the first layer, as a share of the shorter side.
    points_at_once
        How many clicks go through the network together; None for what suits the device.

    Raises
    ------
    ValueError
        If there is no point, or a number is negative.
    """

    points_per_side: int = 32
    crop_layers: int | None = None
    crop_overlap: float = 512 / 1500
    points_at_once: int | None = None

    def __post_init__(self) -> None:
        if self.points_per_side < 1 or (self.points_at_once or 1) < 1:
            raise ValueError(
                f"points: expected 1 or more, found {self.points_per_side} on each side and "
                f"{self.points_at_once} at once"
            )
        if (self.crop_layers or 0) < 0 or not 0 <= self.crop_overlap < 1:
            raise ValueError(
                f"crops: expected 0 or more layers and an overlap of 0 to below 1, found "
                f"{self.crop_layers} and {self.crop_overlap}"
            )


@dataclass(frozen=True)
class Thresholds:
    """When a candidate is too doubtful, or a duplicate.

    Parameters
    ----------
    min_iou
        Least predicted IoU.
    min_stability
        Least stability: the IoU of the masks at logits above `stability_offset` and above
        minus it.
    stability_offset
        See `min_stability`.
    max_box_iou, max_mask_iou
        Of two candidates of which boxes or masks have a larger IoU, the one of the lower
        score is dropped.
    max_coverage
        Largest share of the frame that a mask may cover.
    """

    min_iou: float = 0.3
    min_stability: float = 0.5
    stability_offset: float = 1.0
    max_box_iou: float = 0.7
    max_mask_iou: float = 0.5
    max_coverage: float = 0.95


@dataclass(frozen=True)
class ObjectRules:
    """What counts as an object, in image pixels.

    Parameters
    ----------
    min_area, max_area
        Smallest and largest area in pixels; None for no limit.
    min_part_area
        Holes and separate specks of a mask that are smaller are filled and removed.
    contrast
        "bright" or "dark": only objects whose mean intensity is above or below that of a ring
        around them.
    exclude_border
        Whether to leave out objects that touch the border of the image.
    one_per_seed
        Whether to take of each seed's three candidates the best only.
    overlapping
        Whether masks may overlap. If not, each pixel belongs to the mask of the highest
        score; a mask that loses more than 30 % of its area to better ones is dropped.

    Raises
    ------
    ValueError
        If the range of areas is empty or `contrast` is none of the three words.
    """

    min_area: float = 0.0
    max_area: float | None = None
    min_part_area: float = 0.0
    contrast: Contrast = "any"
    exclude_border: bool = False
    one_per_seed: bool = True
    overlapping: bool = False

    def __post_init__(self) -> None:
        if self.max_area is not None and self.max_area < self.min_area:
            raise ValueError(
                f"area: expected a smallest below the largest, found {self.min_area:g} and "
                f"{self.max_area:g}"
            )
        if self.contrast not in ("any", "bright", "dark"):
            raise ValueError(f"contrast: expected any, bright or dark, found {self.contrast!r}")


@dataclass(frozen=True)
class EverythingOptions:
    """How to segment everything.

    Parameters
    ----------
    grid, thresholds, rules
        Where to click, what is too doubtful, and what counts as an object.
    min_score
        Least score of an object; `AutomaticMask.score` says what it is.
    ranking
        By what the better of two duplicates is told: by score, or by predicted IoU alone.
    """

    grid: SeedGrid = field(default_factory=SeedGrid)
    thresholds: Thresholds = field(default_factory=Thresholds)
    rules: ObjectRules = field(default_factory=ObjectRules)
    min_score: float = MIN_SCORE
    ranking: Ranking = "score"

    @classmethod
    def like_reference(cls, points_per_side: int = 32) -> "EverythingOptions":
        """Choose what the reference's `SAM2AutomaticMaskGenerator` does by default.

        Masks then overlap, and a seed may give up to three of them: whole, part and sub-part.
        """
        return cls(
            SeedGrid(points_per_side, crop_layers=0),
            Thresholds(0.8, 0.95, max_mask_iou=1.0, max_coverage=1.0),
            ObjectRules(one_per_seed=False, overlapping=True),
            min_score=0.0,
            ranking="iou",
        )


@dataclass(frozen=True)
class TrackOptions:
    """How to track everything.

    Parameters
    ----------
    everything
        How to segment the seed frames.
    seed_frames
        Where to look for new objects: in the "first" frame only, in "every" n-th one (`every`),
        or of these only where "coverage" drops: where the followed objects cover less than
        `least_coverage` of what they covered in the seed frame before.
    every
        Distance of the seed frames.
    least_coverage
        See `seed_frames`.
    max_covered
        What is found in a seed frame is a new object if the known ones cover at most this
        share of it.
    patience
        After how many frames in a row an object that is not seen has left, or one that is the
        same as another is dropped.

    Raises
    ------
    ValueError
        If `seed_frames` is none of the three words, or a count is below 1.
    """

    everything: EverythingOptions = field(default_factory=EverythingOptions)
    seed_frames: SeedFrames = "every"
    every: int = 10
    least_coverage: float = 0.9
    max_covered: float = 0.3
    patience: int = 3

    def __post_init__(self) -> None:
        if self.seed_frames not in ("first", "every", "coverage"):
            raise ValueError(
                f"seed frames: expected first, every or coverage, found {self.seed_frames!r}"
            )
        if min(self.every, self.patience) < 1:
            raise ValueError(
                f"seed frames: expected a distance and a patience of 1 or more, found "
                f"{self.every} and {self.patience}"
            )
