"""The rules by which two objects are the daughters of one, and proposals made with them.

All that detects divisions uses these limits: track everything, linking, suggestions, and the
first guess of daughters when a user divides an object.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sam2_torch.masks import SparseMask

ALIKE = 0.5
"""Smallest ratio of the daughters' areas, the smaller by the larger one."""

PARTS_ALIKE = 0.3
"""The same where both are parts of one mask, whose outlines are rough."""

TOGETHER = (0.5, 2.0)
"""Smallest and largest area of both daughters, by the mother's."""

LARGEST = 0.8
"""Largest area of one daughter, by the mother's."""

ONE = 0.7
"""Largest area of a mask that shows one daughter only, by the mother's."""

REACH, MIDDLE, APART = 1.8, 0.6, 1.5
"""Largest distance of a daughter from the mother, of the middle of both from the mother, and of
the daughters from each other, in diameters of the mother."""

BEFORE = 4
"""The mother's area is the largest of so many frames: nuclei condense before they divide."""

INSIDE = 0.7
"""Smallest share of a daughter inside the mask of a mother that still covers both."""


class Body(NamedTuple):
    """Area in pixels and centroid of an object in one frame."""

    area: float
    y: float
    x: float

    @classmethod
    def of(cls, mask: SparseMask) -> "Body":
        """Measure a mask that is not empty."""
        return cls(mask.area, *mask.centroid_yx)


class Division(NamedTuple):
    """A division that may have happened: a proposal.

    Attributes
    ----------
    frame
        The mother's last frame; the daughters' first one is the next.
    mother, daughters
        Object ids; one of the daughters may have the mother's.
    score
        0 to 1: how well the daughters cover where the mother was, times how alike they are in
        size.
    """

    frame: int
    mother: int
    daughters: tuple[int, int]
    score: float


def daughter_distance(
    mother: Body, daughters: tuple[Body, Body], alike: float = ALIKE
) -> float | None:
    """Return how far the middle of two objects is from a mother if they can be her daughters.

    Parameters
    ----------
    mother
        Where she was last, with her largest area in the `BEFORE` frames up to then.
    daughters
        In their first frame.
    alike
        Smallest ratio of their areas: `ALIKE` or `PARTS_ALIKE`.

    Returns
    -------
    In diameters of the mother; None if they cannot be her daughters.
    """
    areas = np.array([daughter.area for daughter in daughters], float)
    places = np.array([(daughter.y, daughter.x) for daughter in daughters])
    place, diameter = np.array((mother.y, mother.x)), 2 * np.sqrt(mother.area / np.pi)
    if not areas.all() or not diameter:
        return None
    middle = float(np.linalg.norm(np.average(places, axis=0, weights=areas) - place) / diameter)
    least, most = (bound * mother.area for bound in TOGETHER)
    are_daughters = (
        areas.min() >= alike * areas.max()
        and areas.max() <= LARGEST * mother.area
        and least <= areas.sum() <= most
        and middle <= MIDDLE
        and np.linalg.norm(places - place, axis=1).max() <= REACH * diameter
        and np.linalg.norm(places[0] - places[1]) <= APART * diameter
    )
    return middle if are_daughters else None


def division_score(mother: SparseMask, daughters: tuple[SparseMask, SparseMask]) -> float:
    """Return the IoU of a mother with both daughters, times the ratio of their areas, 0 to 1."""
    small, large = sorted(daughter.area for daughter in daughters)
    return mother.iou(SparseMask.union(daughters)) * small / large if large else 0.0


def find_splits(
    masks: list[SparseMask], shares: NDArray[np.float32], others: Mapping[int, SparseMask]
) -> dict[int, tuple[int, int]]:
    """Find objects whose mask contains two masks that can be their daughters.

    Parameters
    ----------
    masks
        N masks that were found in a frame.
    shares
        (N, M) share of each of them that each object covers.
    others
        The M objects' masks in this frame.

    Returns
    -------
    The indices of the two masks by object id.
    """
    splits = {}
    for column, (object_id, mother) in enumerate(others.items()):
        inside = (shares[:, column] >= INSIDE).nonzero()[0].tolist()
        parts = [i for i in inside if masks[i].area <= LARGEST * mother.area]
        largest = sorted(parts, key=lambda i: masks[i].area, reverse=True)[:2]
        if len(largest) < 2:
            continue
        one, other = largest
        bodies = Body.of(masks[one]), Body.of(masks[other])
        if daughter_distance(Body.of(mother), bodies) is not None:
            splits[object_id] = one, other
    return splits
