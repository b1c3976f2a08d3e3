"""Find the objects of an image with the instance decoder of the network."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter, label
from skimage.segmentation import watershed
from torch import Tensor

from sam2_torch.automatic.candidates import find_candidates
from sam2_torch.automatic.found_masks import AutomaticMask
from sam2_torch.automatic.instance_decoder import STRIDE, InstanceDecoder
from sam2_torch.automatic.options import Thresholds
from sam2_torch.checkpoints.checkpoint_files import CheckpointError, read_checkpoint
from sam2_torch.inputs.transforms import InputGeometry, logits_to_mask, logits_to_masks
from sam2_torch.nn.point_decoder import PointDecoder
from sam2_torch.sam2 import SAM2, ImageEmbedding

WEIGHTS = Path(__file__).parents[1] / "weights" / "cells_nano_instances.safetensors"
"""The decoder of the embedded network's features."""

ENCODER_PROBE = "encoder_probe"
"""Tensor of a decoder's file: weights of the image encoder whose features it was trained on."""

PROBED = "image_encoder.trunk.blocks.9.attn.qkv.weight"
PROBED_EVERY = 288  # rows
PROBE_TOLERANCE = (
    0.005  # of the largest weight: bfloat16 rounds by 0.004 of it, tuning changes more
)

MIN_FOREGROUND = 0.5
MIN_SEED = 0.4
MIN_AREA = 10  # in pixels of the maps
ABSENT = -32.0


def load_instance_decoder(model: SAM2, path: Path = WEIGHTS) -> InstanceDecoder | None:
    """Load the instance decoder that was trained on the features of a network.

    Parameters
    ----------
    model
        The network.
    path
        A file of `tools/train_instance_decoder.py`.

    Returns
    -------
    None if the image encoder's weights are not those that the decoder was trained with.

    Raises
    ------
    CheckpointError
        If the file holds no instance decoder.
    FileNotFoundError
        If there is no such file.
    """
    state, _ = read_checkpoint(path)
    probe = state.pop(ENCODER_PROBE, None)
    features = state.get("lateral.0.0.weight")
    if probe is None or features is None:
        raise CheckpointError(
            f"{path.name}: expected an instance decoder with its {ENCODER_PROBE}, found "
            f"{', '.join(sorted(state)[:3]) or 'no tensors'}, …"
        )
    decoder = InstanceDecoder(len(features))
    try:
        decoder.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        raise CheckpointError(f"{path.name}: expected an instance decoder, found {error}") from None
    own = probe_encoder(model)
    if own is None or own.shape != probe.shape or len(features) != model.config.d_model:
        return None
    if (own - probe.float()).abs().max() > PROBE_TOLERANCE * probe.abs().max():
        return None
    return decoder.to(model.device, model.dtype).eval().requires_grad_(False)


def probe_encoder(model: SAM2) -> Tensor | None:
    """Return some weights of the image encoder by which it is recognised; None if it has others."""
    weights = dict(model.named_parameters()).get(PROBED)
    return None if weights is None else weights[::PROBED_EVERY].detach().float().cpu()


@torch.inference_mode()
def find_instances(
    decoder: InstanceDecoder, embedding: ImageEmbedding, geometry: InputGeometry
) -> Iterator[AutomaticMask]:
    """Yield the objects of one image.

    Parameters
    ----------
    decoder, embedding
        Of the same network.
    geometry
        How the image lies in the network's input.
    """
    logits = decoder(embedding.features, embedding.skips)[0].float().cpu()
    height, width = (math.ceil(n / STRIDE) for n in geometry.content)
    logits[:, height:] = logits[:, :, width:] = ABSENT  # beyond the image
    foreground, centre, depth = logits.sigmoid().numpy()
    hills = seed_hills(centre, depth)
    labels = label_instances(foreground, hills)
    certainty = logits[0].abs()
    for number, window in enumerate(find_objects(labels), start=1):
        own = labels == number
        # an object ends half-way between its last pixel and the first one of a neighbour
        signed = torch.where(torch.from_numpy(own), certainty, -certainty)
        (y0, x0), (y1, x1) = ([axis.start for axis in window], [axis.stop for axis in window])
        mask = logits_to_mask(signed, geometry, (y0, x0, y1, x1))
        inside, distinct = float(foreground[own].mean()), float(hills[own].max())
        top = np.flatnonzero(own & (hills == distinct))[0]
        y, x = np.unravel_index(top, own.shape)
        place = torch.tensor([x, y]) * STRIDE + (STRIDE - 1) / 2
        seed = geometry.to_image_yx(place)
        yield AutomaticMask(
            mask, inside * distinct, inside, distinct, (seed[0].item(), seed[1].item())
        )


@torch.inference_mode()
def prompt_boxes(
    model: SAM2, decoder: PointDecoder, found: Sequence[AutomaticMask], geometry: InputGeometry
) -> Iterator[AutomaticMask]:
    """Prompt the network with the boxes of objects; yield its best mask of each.

    Parameters
    ----------
    model, decoder
        The network, and its decoder for one image.
    found
        Objects in image pixels.
    geometry
        How the image lies in the network's input.

    Yields
    ------
    The candidate with the highest score: half of it is the network's (predicted IoU times
    stability), half the IoU with the object. The object itself where the network sees nothing.
    """
    boxes = np.array([one.sparse.box for one in found], np.float32).reshape(-1, 2, 2) - 0.5
    decoded = decoder.decode(model.embed_boxes(geometry.to_input_xy(boxes)))
    candidates = find_candidates(decoder, decoded, 0, Thresholds(min_iou=0.0, min_stability=0.0))
    best = list(found)
    for i, seed in enumerate(candidates.seeds.tolist()):
        iou, stability = float(candidates.ious[i]), float(candidates.stabilities[i])
        (mask,) = logits_to_masks(candidates.logits(i)[None], geometry)
        score = (iou * stability + mask.iou(found[seed].sparse)) / 2
        if score > best[seed].score or best[seed] is found[seed]:
            best[seed] = AutomaticMask(mask, score, iou, stability, found[seed].seed_yx)
    yield from best


def seed_hills(centre: NDArray[np.float32], depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a map with one hill on each object, (h, w), 0 to 1.

    Parameters
    ----------
    centre, depth
        (h, w), as in `InstanceMaps`.
    """
    return np.asarray(gaussian_filter(np.sqrt(centre * depth), 1.0), np.float32)


def label_instances(
    foreground: NDArray[np.float32], hills: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Separate objects by a watershed from the tops of their hills.

    Parameters
    ----------
    foreground
        (h, w) probability, 0 to 1.
    hills
        (h, w), of `seed_hills`.

    Returns
    -------
    (h, w), 0 is background.
    """
    inside = foreground > MIN_FOREGROUND
    seeds, _ = label(inside & (hills > MIN_SEED))
    labels = watershed(-hills, seeds, mask=inside)  # type: ignore[no-untyped-call]
    areas = np.bincount(labels.ravel())
    large = (areas >= MIN_AREA) & (np.arange(len(areas)) > 0)
    return np.where(large, np.cumsum(large), 0).astype(np.int32)[labels]
