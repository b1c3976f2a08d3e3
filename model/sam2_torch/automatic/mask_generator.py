"""Segment everything: by the instance decoder, or by prompting a grid of points."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sam2_torch.automatic.candidates import Candidates, find_candidates
from sam2_torch.automatic.found_masks import (
    AutomaticMask,
    drop_duplicates,
    keep_rules,
    share_out,
)
from sam2_torch.automatic.instances import (
    find_instances,
    load_instance_decoder,
    prompt_boxes,
)
from sam2_torch.automatic.non_max_suppression import box_ious, intersections, mask_ious, suppress
from sam2_torch.automatic.options import EverythingOptions, FindBy
from sam2_torch.automatic.seeds import grid_seeds, to_grey
from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.inputs.frames import Crop, check_frame
from sam2_torch.inputs.transforms import (
    Contrast,
    InputGeometry,
    logits_to_masks,
    measure_contrast,
)
from sam2_torch.masks import SparseMask
from sam2_torch.nn.point_decoder import PointDecoder
from sam2_torch.runtime.thread_pool import count_at_once, side_by_side
from sam2_torch.sam2 import SAM2, ImageEmbedding

POINTS_AT_ONCE = {"cuda": 128}
OTHERWISE_AT_ONCE = 32  # on a CPU for each core

PointsDone = Callable[[int, int], None]


class SeedsDone(NamedTuple):
    """Number of finished seeds, and of all; for the instance decoder, of crops."""

    done: int
    total: int


class Everything:
    """Segment everything in one image, a crop or a batch of seeds at a time.

    Parameters
    ----------
    model
        From `load_sam2`.
    image
        (H, W) or (H, W, 3) of any real dtype.
    options
        Seeds, thresholds and rules; the defaults if None.
    seeds_yx
        (N, 2) rows and columns in pixels to click at, instead of the grid or the decoder.
    contrast
        Intensities that become black and white; the percentiles 0.1 and 99.9 if None.
    embedding
        Of the whole image with this contrast, where a session has it; encoded if None.

    Attributes
    ----------
    by
        "decoder" or "grid": what finds the objects. A network without an instance decoder uses
        the grid.

    Raises
    ------
    ValueError
        If the image has another shape, or a seed is outside of it.
    """

    def __init__(
        self,
        model: SAM2,
        image: Any,
        options: EverythingOptions | None = None,
        *,
        seeds_yx: ArrayLike | None = None,
        contrast: Contrast | None = None,
        embedding: ImageEmbedding | None = None,
    ) -> None:
        self.options = options or EverythingOptions()
        self._model = model
        self._image = check_frame(image)
        self._contrast = contrast or measure_contrast([self._image])
        self._embedding = embedding
        self.shape = (self._image.shape[0], self._image.shape[1])
        grid = self.options.grid
        layers = grid.crop_layers
        if layers is None:
            layers = layers_for(self.shape, model.config.image_size)
        crops = crops_of(self.shape, layers, grid.crop_overlap)
        given = None if seeds_yx is None else self._checked(seeds_yx)
        wanted = self.options.by == "decoder" and given is None
        self._instances = load_instance_decoder(model) if wanted else None
        self.by: FindBy = "grid" if self._instances is None else "decoder"
        self._work = [(crop, self._seeds_in(crop, given)) for crop in crops]
        self._found: list[AutomaticMask] = []

    @property
    def n_seeds(self) -> int:
        """Return the number of prompts to the network, or of crops to decode."""
        return len(self._work) if self._instances else sum(len(seeds) for _, seeds in self._work)

    def run(self) -> Iterator[SeedsDone]:
        """Segment, yielding the progress; closing the generator stops and keeps what was found."""
        done = 0
        yield SeedsDone(0, self.n_seeds)
        for crop, seeds in self._work:
            steps = self._decode_crop(crop) if self._instances else self._prompt_crop(crop, seeds)
            for finished in steps:
                done += finished
                yield SeedsDone(done, self.n_seeds)

    def masks(self) -> list[AutomaticMask]:
        """Return the objects among the masks found so far, best first."""
        options, rules = self.options, self.options.rules
        image = None if rules.contrast == "any" else to_grey(self._image)
        masks = keep_rules(self._found, rules, image)
        if len(self._work) > 1:  # one crop's duplicates are gone already
            thresholds = options.thresholds
            masks = drop_duplicates(masks, thresholds.max_box_iou, thresholds.max_mask_iou)
        masks.sort(key=lambda mask: mask.score, reverse=True)
        return masks if rules.overlapping else share_out(masks, rules)

    def _checked(self, seeds_yx: ArrayLike) -> NDArray[np.float32]:
        seeds = np.asarray(seeds_yx, np.float32).reshape(-1, 2)
        inside = (seeds >= -0.5) & (seeds <= np.array(self.shape) - 0.5)
        if not inside.all():
            y, x = seeds[~inside.all(1)][0]
            raise ValueError(
                f"seed (row {y:g}, column {x:g}) is outside of the image of "
                f"{self.shape[0]} x {self.shape[1]} pixels"
            )
        return seeds

    def _seeds_in(self, crop: Crop, given: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Return the seeds in a crop, (N, 2) in its own pixels."""
        if given is None:
            return grid_seeds(crop.shape, self.options.grid.points_per_side)
        own = given - np.array(crop.origin_yx, np.float32)
        return own[((own >= -0.5) & (own <= np.array(crop.shape) - 0.5)).all(1)]

    def _encode(self, crop: Crop) -> tuple[ImageEmbedding, InputGeometry]:
        if self._embedding is not None and crop.shape == self.shape:
            return self._embedding, InputGeometry.fit(self.shape, self._model.config)
        encoder = FrameEncoder(self._model, [self._image[crop.window]], self._contrast)
        return encoder[0], encoder.geometry

    @torch.inference_mode()
    def _decode_crop(self, crop: Crop) -> Iterator[int]:
        assert self._instances is not None
        embedding, geometry = self._encode(crop)
        found = list(find_instances(self._instances, embedding, geometry))
        decoder = self._model.point_decoder(embedding)
        for batch in self._batches(len(found)):
            answers = prompt_boxes(self._model, decoder, found[batch], geometry)
            chosen = [mask for mask in answers if mask.score >= self.options.min_score]
            self._found.extend(self._in_image(chosen, crop))
        yield 1

    def _prompt_crop(self, crop: Crop, seeds: NDArray[np.float32]) -> Iterator[int]:
        """Prompt all seeds of a crop; yield the number of each batch. Closing keeps its masks."""
        if len(seeds) == 0:
            return
        with torch.inference_mode():
            embedding, geometry = self._encode(crop)
            decoder = self._model.point_decoder(embedding)
        points_xy = geometry.to_input_xy(seeds)
        yield 0  # encoded
        batches = self._batches(len(seeds))
        parts: list[Candidates] = []

        def ask(batch: slice) -> Candidates:
            return self._ask(decoder, points_xy[batch], batch.start)

        try:
            with closing(side_by_side(ask, batches, self._model.device)) as answers:
                for batch, part in zip(batches, answers, strict=True):
                    parts.append(part)
                    yield batch.stop - batch.start
        finally:
            if parts:
                found = self._judge(geometry, Candidates.join(parts), seeds)
                self._found.extend(self._in_image(found, crop))

    def _batches(self, n_seeds: int) -> list[slice]:
        device = self._model.device
        at_once = self.options.grid.points_at_once
        if at_once is None:
            most = POINTS_AT_ONCE.get(device.type, OTHERWISE_AT_ONCE)
            at_once = max(1, min(most, math.ceil(n_seeds / count_at_once(device))))
        return [slice(i, min(i + at_once, n_seeds)) for i in range(0, n_seeds, at_once)]

    @torch.inference_mode()
    def _ask(self, decoder: PointDecoder, points_xy: torch.Tensor, first: int) -> Candidates:
        thresholds = self.options.thresholds
        if self.options.min_score > thresholds.min_iou:  # no score is above the predicted IoU
            thresholds = replace(thresholds, min_iou=self.options.min_score)
        decoded = decoder.decode(self._model.embed_clicks(points_xy))
        return find_candidates(decoder, decoded, first, thresholds)

    def _judge(
        self, geometry: InputGeometry, candidates: Candidates, seeds_yx: NDArray[np.float32]
    ) -> Iterator[AutomaticMask]:
        """Score the candidates of a crop and yield all but duplicates, in the crop's pixels."""
        thresholds, rules = self.options.thresholds, self.options.rules
        pixels = candidates.pixels()
        ious = mask_ious(intersections(pixels))
        scores = candidates.ious * candidates.stabilities
        content = np.prod(geometry.content) * (candidates.grid / geometry.size) ** 2
        areas = np.array([len(places) for places in pixels])
        usable = (scores >= self.options.min_score) & (areas <= thresholds.max_coverage * content)
        if rules.one_per_seed:
            usable &= _best_of_each(candidates.seeds, np.where(usable, scores, -1))
        usable_rows = usable.nonzero()[0]
        ranks = scores if self.options.ranking == "score" else candidates.ious
        here = np.ix_(usable_rows, usable_rows)
        too_close = ious[here] > thresholds.max_mask_iou
        too_close |= box_ious(candidates.boxes[usable_rows]) > thresholds.max_box_iou
        for i in usable_rows[suppress(ranks[usable_rows], too_close)].tolist():
            (mask,) = logits_to_masks(candidates.logits(i)[None], geometry)
            y, x = seeds_yx[candidates.seeds[i]].tolist()
            yield AutomaticMask(
                mask,
                float(scores[i]),
                float(candidates.ious[i]),
                float(candidates.stabilities[i]),
                (y, x),
            )

    def _in_image(self, masks: Iterable[AutomaticMask], crop: Crop) -> Iterator[AutomaticMask]:
        """Move the masks of a crop to the image, without those that its borders cut."""
        top, left = crop.origin_yx
        for one in masks:
            mask, (y, x) = one.sparse, one.seed_yx
            if not mask or self._is_cut_off(mask, crop):
                continue
            origin = (mask.origin_yx[0] + top, mask.origin_yx[1] + left)
            sparse = SparseMask(self.shape, origin, mask.extent_yx, mask.bits)
            yield replace(one, sparse=sparse, seed_yx=(y + top, x + left))

    def _is_cut_off(self, mask: SparseMask, crop: Crop) -> bool:
        """Return whether a mask touches a border of its crop inside the image."""
        return any(
            (own.start == 0 and part.start > 0) or (own.stop == extent and part.stop < whole)
            for own, extent, part, whole in zip(
                mask.slices, crop.shape, crop.window, self.shape, strict=True
            )
        )


def segment_everything(  # noqa: PLR0913  # as `Everything`
    model: SAM2,
    image: Any,
    options: EverythingOptions | None = None,
    *,
    seeds_yx: ArrayLike | None = None,
    contrast: Contrast | None = None,
    embedding: ImageEmbedding | None = None,
    progress: PointsDone = lambda done, total: None,
) -> list[AutomaticMask]:
    """Find all objects of an image without a prompt.

    Parameters
    ----------
    model, image, options, seeds_yx, contrast, embedding
        As for `Everything`.
    progress
        Called with the number of finished seeds and of all.

    Returns
    -------
    list of AutomaticMask
        Best first.

    Raises
    ------
    ValueError
        As for `Everything`.

    Notes
    -----
    Reference: `SAM2AutomaticMaskGenerator`; `docs/automatic.md` lists the differences.
    """
    everything = Everything(
        model, image, options, seeds_yx=seeds_yx, contrast=contrast, embedding=embedding
    )
    for step in everything.run():
        progress(*step)
    return everything.masks()


def crops_of(shape: tuple[int, int], layers: int, overlap: float) -> list[Crop]:
    """Return the whole image as a crop, then 2**i x 2**i crops for each layer i.

    Parameters
    ----------
    shape
        (H, W) of the image.
    layers
        Number of layers beside the whole.
    overlap
        Overlap of the first layer's crops as a share of the shorter side; half as much for each
        further layer.

    Notes
    -----
    Reference: `generate_crop_boxes`.
    """
    crops = [Crop((0, 0), shape)]
    for layer in range(layers):
        n = 2 ** (layer + 1)
        shared = int(overlap * min(shape) * (2 / n))
        sides = [math.ceil((shared * (n - 1) + side) / n) for side in shape]
        starts = [[(side - shared) * i for i in range(n)] for side in sides]
        crops += [
            Crop((y, x), (min(sides[0], shape[0] - y), min(sides[1], shape[1] - x)))
            for x, y in product(starts[1], starts[0])
        ]
    return crops


def layers_for(shape: tuple[int, int], input_size: int) -> int:
    """Return how many layers of crops an image needs so that its crops are hardly downsampled."""
    return max(0, math.ceil(math.log2(max(shape) / input_size) - 0.5))


def _best_of_each(groups: NDArray[np.int64], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return a mask of the entries with the highest score in each group, (N,)."""
    order = np.lexsort((-scores, groups))
    _, first = np.unique(groups[order], return_index=True)
    best = np.zeros(len(groups), bool)
    best[order[first]] = True
    return best
