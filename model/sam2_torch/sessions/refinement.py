"""Refine the masks of prompted frames: corrections act on the mask that is there.

Beyond the reference, which takes the network's masks as they are. Pure functions of masks in
image pixels; `benchmarks/corrections.py` measures them.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from sam2_torch.inputs.frames import Box, Window
from sam2_torch.masks import SparseMask
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt, clicks_of

DISC_SHARE = 0.15  # of the object's radius: what a click changes that the network ignores
HOLE_SHARE = 0.1  # of the object's area: larger holes are not filled
SPECK_SHARE = 0.1  # of the object's area: larger pieces of tracked masks stay
GIVEN_SHARE = 0.25  # of a given mask, that one click can change
GIVEN_MARGIN = 0.1  # of its sides, by which a given mask may be too small
EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def averages_flips(device: torch.device, plain: bool, flips: bool | None) -> bool:
    """Return whether a session averages over flips: on GPUs, unless the caller decides."""
    return not plain and (device.type == "cuda" if flips is None else flips)


def refine(
    found: SparseMask,
    prompts: Sequence[Prompt],
    present: SparseMask | None = None,
    is_given: bool = False,
) -> SparseMask:
    """Refine the network's answer to prompts.

    A mask prompt by itself is the mask. A box bounds its mask. Clicks correct the mask that is
    there; where there is none, the answer is cleaned.

    Parameters
    ----------
    found
        The network's mask.
    prompts
        All prompts of the object on the frame; without any, `found` is returned.
    present
        The mask that is there; None or empty to start afresh.
    is_given
        Whether that was given: what a click changes of it is limited to `GIVEN_SHARE`.
    """
    clicks = clicks_of(prompts)
    if not len(clicks) and any(isinstance(prompt, MaskPrompt) for prompt in prompts):
        return next(prompt.sparse for prompt in prompts if isinstance(prompt, MaskPrompt))
    if not prompts:
        return found
    inside = clicks[clicks[:, 2] == 1, :2]
    boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
    if len(boxes) == 1:  # the parts of several have been bounded one by one
        found = bound_by_box(found, boxes[0], inside)
    if not present:
        return clean(found, inside)
    return correct(present, found, clicks, GIVEN_SHARE if is_given else math.inf)


def context(
    present: SparseMask | None, prompts: Sequence[Prompt], is_given: bool
) -> tuple[Prompt, ...]:
    """Return prompts that tell the network of the mask that is there, beside its logits.

    Networks that were trained on clicks and boxes lose a mask that they get with a negative
    click alone.

    Parameters
    ----------
    present
        The mask that is there; None or empty if there is none.
    prompts
        All prompts of the object on the frame, clicks among them.
    is_given
        Whether the mask was given, and is no answer of the network.

    Returns
    -------
    tuple of Prompt
        A loose box around a given mask and positive clicks. Around another mask without a box or
        a positive click, a positive click far from its rim and from negative clicks. Else none.
    """
    clicks = clicks_of(prompts)
    inside = clicks[clicks[:, 2] == 1, :2]
    if not present or any(isinstance(prompt, BoxPrompt) for prompt in prompts):
        return ()
    if is_given:
        corners = np.reshape(present.box, (2, 2)).astype(float)
        sides = GIVEN_MARGIN * np.diff(corners, axis=0)
        around = np.concatenate([corners[:1] - sides, corners[1:] + sides, inside])
        return (BoxPrompt(*around.min(0).tolist(), *around.max(0).tolist()),)
    if len(inside):
        return ()
    pixels, (y, x) = np.pad(present.window(), 1), present.origin_yx
    rows, columns = _pixels(
        clicks[:, :2], (slice(y - 1, y + len(pixels) - 1), slice(x - 1, x + pixels.shape[1] - 1))
    )
    pixels[rows, columns] = False
    if not pixels.any():
        return ()
    depth = ndimage.distance_transform_edt(pixels)
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return (PointPrompt([(row - 1 + y, column - 1 + x)], [1]),)


def bound_by_box(mask: SparseMask, box: BoxPrompt, inside_yx: NDArray[np.floating]) -> SparseMask:
    """Drop what lies outside of a box, extended to the positive clicks.

    Parameters
    ----------
    mask
        The network's mask.
    box
        Edges in image pixels.
    inside_yx
        (P, 2) positive clicks.

    Returns
    -------
    SparseMask
        `mask` itself if nothing of it is in the box.
    """
    corners = np.array([[box.y0, box.x0], [box.y1, box.x1]])
    # pixels whose centres are inside; a click brings its own
    all_yx = np.concatenate([corners, np.floor(inside_yx + 0.5), np.floor(inside_yx + 1.5)])
    first = np.maximum(np.floor(all_yx.min(0) + 0.5), 0).astype(int)
    stop = np.minimum(np.ceil(all_yx.max(0)), mask.shape).astype(int)
    if (first >= stop).any():
        return mask
    window = slice(int(first[0]), int(stop[0])), slice(int(first[1]), int(stop[1]))
    bounded = SparseMask.from_window(mask.shape, mask.part(*window), _origin(window))
    return bounded or mask


def clean(mask: SparseMask, inside_yx: NDArray[np.floating]) -> SparseMask:
    """Keep the pieces that hold a positive click, or the largest one, and fill small holes.

    Parameters
    ----------
    mask
        The network's mask.
    inside_yx
        (P, 2) positive clicks.
    """
    if not mask:
        return mask
    pixels = mask.window()
    pieces, n = ndimage.label(pixels, EIGHT_NEIGHBOURS)
    if n > 1:
        at = _pixels(inside_yx, mask.slices)
        kept = set(pieces[at].tolist()) - {0} or {int(np.bincount(pieces[pixels]).argmax())}
        pixels = np.isin(pieces, list(kept))
    return SparseMask.from_window(mask.shape, _filled(pixels, HOLE_SHARE), mask.origin_yx)


def without_specks(mask: SparseMask, share: float = SPECK_SHARE) -> SparseMask:
    """Drop small pieces of a mask, and fill small holes.

    Parameters
    ----------
    mask
        The network's mask of a tracked frame.
    share
        Pieces and holes below this share of the mask's area are small; the largest piece stays.
    """
    if not mask or not share:
        return mask
    pixels = mask.window()
    pieces, n = ndimage.label(pixels, EIGHT_NEIGHBOURS)
    if n > 1:
        areas = np.bincount(pieces[pixels])  # 0 is the background: none
        large = areas >= min(share * areas.sum(), areas.max())
        pixels = large[pieces]
    return SparseMask.from_window(mask.shape, _filled(pixels, share), mask.origin_yx)


def _filled(pixels: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Fill the holes that are no larger than a share of the area."""
    numbered, n = ndimage.label(ndimage.binary_fill_holes(pixels) & ~pixels)
    if not n:
        return pixels
    small = np.bincount(numbered.ravel()) <= share * pixels.sum()
    small[0] = False
    return pixels | small[numbered]


def correct(
    present: SparseMask,
    found: SparseMask,
    clicks: NDArray[np.floating],
    limit: float = math.inf,
) -> SparseMask:
    """Change the mask that is there by clicks, each in its direction and at its place.

    Of what the network changed, only the connected piece that holds the click is taken: pixels
    are added at a positive click, removed at a negative one. A click that the network ignores,
    or that would change too much, changes a small disc. A positive click inside of the mask takes
    all that the network added.

    Parameters
    ----------
    present
        The mask that is there, not empty.
    found
        The network's answer to all clicks.
    clicks
        (P, 3) of the frame: y, x, label. Those that the mask meets already change nothing.
    limit
        The largest piece that is taken, as a share of the object's area.

    Returns
    -------
    SparseMask
        Never empty.

    Notes
    -----
    Progressive merge: FocalClick (Chen et al. 2022, arXiv 2204.02574), section 3.3.
    """
    radius = max(1.0, DISC_SHARE * math.sqrt(present.area / math.pi))
    window = _around((present, found), clicks, math.ceil(radius))
    mask, answer = present.part(*window), found.part(*window)
    places = _pixels(clicks[:, :2], window, clip=True)
    wanted = clicks[:, 2] == 1
    if wanted[-1] and (mask[places] == wanted).all():
        mask |= answer
    for y, x, positive in zip(*places, wanted, strict=True):
        if mask[y, x] == positive:
            continue
        piece = _piece(answer & ~mask if positive else mask & ~answer, (y, x))
        kept = mask[places] & wanted  # positive clicks that are met
        changed = mask | piece if positive else mask & ~piece
        is_sound = 0 < piece.sum() <= limit * present.area and changed.any()
        if not is_sound or not changed[places][kept].all():
            disc = _disc(mask.shape, (y, x), radius)
            changed = mask | disc if positive else mask & ~disc
        if changed.any():
            mask = changed
    return SparseMask.from_window(present.shape, mask, _origin(window))


def _piece(region: NDArray[np.bool_], place: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the connected piece of a region that holds a pixel; empty if none does."""
    if not region[place]:
        return np.zeros_like(region)
    pieces, _ = ndimage.label(region)
    return np.asarray(pieces == pieces[place], bool)


def _disc(shape: tuple[int, ...], centre: tuple[int, int], radius: float) -> NDArray[np.bool_]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2, bool)


def _around(masks: Sequence[SparseMask], clicks: NDArray[np.floating], margin: int) -> Window:
    """Return the part of the image that holds masks and clicks with a margin."""
    shape = masks[0].shape
    boxes: list[Box] = [mask.box for mask in masks if mask]
    boxes += [(y - margin, x - margin, y + margin + 1, x + margin + 1) for y, x, _ in clicks]
    first = np.floor(np.maximum(np.min(boxes, axis=0)[:2], 0)).astype(int).tolist()
    stop = np.ceil(np.minimum(np.max(boxes, axis=0)[2:], shape)).astype(int).tolist()
    return slice(first[0], stop[0]), slice(first[1], stop[1])


def _pixels(
    places_yx: NDArray[np.floating], window: Window, clip: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns in a window of the pixels at (P, 2) places; those inside only."""
    pixels = np.round(places_yx).astype(np.intp) - _origin(window)
    last = np.array([part.stop - part.start - 1 for part in window])
    if clip:
        pixels = pixels.clip(0, last)
    pixels = pixels[((pixels >= 0) & (pixels <= last)).all(1)]
    return pixels[:, 0], pixels[:, 1]


def _origin(window: Window) -> tuple[int, int]:
    return window[0].start, window[1].start
