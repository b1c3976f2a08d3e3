"""Options of segment everything and track everything."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Contrast: TypeAlias = Literal["any", "bright", "dark"]

MIN_SCORE = 0.35  # for cells_nano, see docs/automatic.md

COVERED = 0.5
"""A mask of which another one covers more than this share lies on the same object."""

OWN_SHARE = 0.7
"""Smallest share of its pixels that a mask keeps where masks may not overlap."""

Ranking: TypeAlias = Literal["score", "iou"]
TEXT_MODEL = "openai/clip-vit-base-patch32"
"""A CLIP-type model by which objects are compared with words, see `Words`."""

NO_DECODER = "this model has no instance decoder: a grid of points was prompted"
"""Note where `EverythingOptions.by` cannot be met."""

FindBy: TypeAlias = Literal["decoder", "grid"]
SeedFrames: TypeAlias = Literal["first", "every", "coverage"]


@dataclass(frozen=True)
class SeedGrid:
    """Places of the clicks.

    Parameters
    ----------
    points_per_side
        Clicks along each side of the image, and of each crop.
    crop_layers
        Number of passes over smaller crops, for objects that are small in the image: layer i cuts
        it into 2**i x 2**i crops. None chooses by the image's size: one layer if it has to be
        downsampled for the network, else none.
    crop_overlap
        Overlap of neighbouring crops of the first layer, as a share of the shorter side.
    points_at_once
        Number of clicks in a batch; None for what suits the device.

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
    """Limits that a candidate has to pass.

    Parameters
    ----------
    min_iou
        Smallest predicted IoU.
    min_stability
        Smallest stability: the IoU of the masks at logits above `stability_offset` and above
        its negative.
    stability_offset
        See `min_stability`.
    max_box_iou, max_mask_iou
        Where boxes or masks of two candidates have a larger IoU, the one of the lower score is
        dropped.
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
    """Properties that an object has to have, in image pixels.

    Parameters
    ----------
    min_area, max_area
        Smallest and largest area in pixels; None for no limit.
    min_part_area
        Holes and separate specks of a mask below this area in pixels are filled and removed.
    contrast
        "bright" or "dark": only objects whose mean intensity is above or below that of a ring
        around them; "any" for all.
    exclude_border
        Whether to exclude objects that touch the border of the image.
    one_per_seed
        Whether to take only the best of each seed's three candidates.
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
    """Options of segment everything.

    Parameters
    ----------
    grid, thresholds, rules
        Where to click, which candidates to drop, and what counts as an object.
    min_score
        Smallest score of an object, see `AutomaticMask.score`.
    ranking
        How the better of two duplicates is chosen: by score, or by predicted IoU alone.
    by
        Whether the instance decoder finds the objects, or a grid of clicks; a network without an
        instance decoder uses the grid.
    """

    grid: SeedGrid = field(default_factory=SeedGrid)
    thresholds: Thresholds = field(default_factory=Thresholds)
    rules: ObjectRules = field(default_factory=ObjectRules)
    min_score: float = MIN_SCORE
    ranking: Ranking = "score"
    by: FindBy = "grid"

    @classmethod
    def like_reference(cls, points_per_side: int = 32) -> "EverythingOptions":
        """Return the defaults of the reference's `SAM2AutomaticMaskGenerator`.

        Masks then overlap, and a seed may give up to three of them: whole, part and sub-part.
        """
        return cls(
            SeedGrid(points_per_side, crop_layers=0),
            Thresholds(0.8, 0.95, max_mask_iou=1.0, max_coverage=1.0),
            ObjectRules(one_per_seed=False, overlapping=True),
            min_score=0.0,
            ranking="iou",
            by="grid",
        )


@dataclass(frozen=True)
class TrackOptions:
    """Options of track everything.

    Parameters
    ----------
    everything
        How to segment the seed frames; by default with the instance decoder, if there is one.
    seed_frames
        Where to look for new objects: in the "first" frame only, in "every" n-th one (`every`),
        or in those of them where "coverage" drops: where the tracked objects cover less than
        `least_coverage` of what they covered in the seed frame before.
    every
        Distance of the seed frames.
    least_coverage
        See `seed_frames`, 0 to 1.
    max_covered
        A mask found in a seed frame is a new object if the known ones cover at most this share
        of it.
    patience
        Number of consecutive frames after which an object that is not seen has left, or one that
        coincides with another is dropped.

    Raises
    ------
    ValueError
        If `seed_frames` is none of the three words, or a count is below 1.
    """

    everything: EverythingOptions = field(default_factory=lambda: EverythingOptions(by="decoder"))
    seed_frames: SeedFrames = "every"
    every: int = 10
    least_coverage: float = 0.9
    max_covered: float = 1 - OWN_SHARE
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
