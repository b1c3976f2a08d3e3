"""What the user reviewed, and how many of the other masks a random sample finds to be wrong."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from napari_sam2.masks.masklets import Masklets

WHOLE_TRACK = -1
"""The frame of a review that counts for all frames of an object."""

SAMPLE_SIZE = 20


@dataclass(frozen=True)
class Review:
    """What the user checked of an object in a frame, or of a whole track.

    Parameters
    ----------
    reasons
        The events and checks that were decided on; of a whole track none are named.
    """

    reasons: tuple[str, ...] = ()


Place: TypeAlias = tuple[int, int]
"""Object id and frame, or `WHOLE_TRACK`."""

Reviews: TypeAlias = Mapping[Place, Review]


def is_decided(reviews: Reviews, place: Place, reason: str) -> bool:
    """Return whether the user decided on an event or check, or accepted the whole track."""
    is_whole = (place[0], WHOLE_TRACK) in reviews
    return is_whole or reason in reviews.get(place, Review()).reasons


def with_reason(reviews: Reviews, place: Place, reason: str) -> Review:
    """Return the review of a place with one more reason."""
    return Review(tuple(sorted({*reviews.get(place, Review()).reasons, str(reason)})))


def unreviewed_masks(
    masklets: Masklets, reviewed: Collection[Place], left_out: Collection[int]
) -> list[Place]:
    """List the (object id, frame) of masks that nobody reviewed.

    Parameters
    ----------
    masklets
        All masks.
    reviewed
        What the user reviewed, prompted or locked.
    left_out
        Objects that are to be checked one by one.
    """
    ids = [i for i in masklets.object_ids if i not in left_out and (i, WHOLE_TRACK) not in reviewed]
    return [
        (i, frame)
        for i in ids
        for frame in masklets.frames(i)
        if (i, frame) not in reviewed and (known := masklets.outline(i, frame)) and known.area
    ]


def draw_sample(
    masks: list[Place], random: np.random.Generator, size: int = SAMPLE_SIZE
) -> list[Place]:
    """Draw masks at random, without replacement; by object and frame."""
    if not masks:
        return []
    return sorted(masks[i] for i in random.choice(len(masks), min(size, len(masks)), replace=False))


def error_rate(n_wrong: int, n: int) -> tuple[float, float, float]:
    """Return the share of wrong masks in a sample, with its exact 95 % interval.

    Parameters
    ----------
    n_wrong, n
        Wrong and all masks of the sample; at least one.

    Notes
    -----
    Clopper and Pearson, Biometrika 26:404 (1934).
    """
    from scipy.special import betaincinv

    low = betaincinv(n_wrong, n - n_wrong + 1, 0.025) if n_wrong else 0.0
    high = betaincinv(n_wrong + 1, n - n_wrong, 0.975) if n_wrong < n else 1.0
    return n_wrong / n, float(low), float(high)
