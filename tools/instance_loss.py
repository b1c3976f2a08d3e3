"""What the instance decoder has to predict of label images, how wrong it is, and its file."""

from collections.abc import Collection
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from sam2_torch.automatic.instance_decoder import STRIDE, InstanceDecoder
from sam2_torch.automatic.instances import (
    ENCODER_PROBE,
    PROBED,
    load_instance_decoder,
    probe_encoder,
)
from sam2_torch.sam2 import SAM2, ImageEmbedding
from sam2_torch.training.data.batches import Batch

INSTANCES = "instances"  # the decoder's name in a network that is trained together with it
SYNTHETIC = "synthetic"  # how the names of drawn movies begin
REACH = 64  # pixels of the maps; what is farther from a boundary counts as this far


def instance_targets(labels: Tensor) -> Tensor:
    """Return foreground, centre and depth of label images, (B, 3, H / 2, W / 2), 0 to 1.

    Parameters
    ----------
    labels
        (B, H, W) whole numbers, 0 = background; H and W are even.
    """
    foreground = F.avg_pool2d((labels > 0).float()[:, None], STRIDE)[:, 0]
    coarse = labels[:, ::STRIDE, ::STRIDE].long()
    inside = coarse > 0
    images = torch.arange(len(coarse), device=coarse.device)[:, None, None]
    keys = torch.where(inside, images * (coarse.max() + 1) + coarse, 0)
    ids = torch.unique(keys, return_inverse=True)[1]
    n = int(ids.max()) + 1

    def largest(values: Tensor) -> Tensor:
        found = values.new_zeros(n).scatter_reduce(0, ids.flatten(), values.flatten(), "amax")
        return found[ids].clamp(min=1)

    away = _from_centres(ids, n)
    depth = boundary_distance(coarse)
    maps = torch.stack((foreground, 1 - away / largest(away), depth / largest(depth)), dim=1)
    maps[:, 1:] *= inside[:, None]
    return maps


def _from_centres(ids: Tensor, n: int) -> Tensor:
    """Return the distance of each pixel to the pixel of its region nearest to the centroid."""
    y, x = (torch.arange(size, device=ids.device, dtype=torch.float32) for size in ids.shape[-2:])
    places = torch.stack(torch.broadcast_tensors(y[:, None], x[None, :]), dim=-1)
    places = places.expand(*ids.shape, 2).flatten(0, -2)
    flat = ids.flatten()
    counts = torch.bincount(flat, minlength=n).clamp(min=1)
    centroids = places.new_zeros(n, 2).index_add(0, flat, places) / counts[:, None]
    away = (places - centroids[flat]).norm(dim=1)
    least = away.new_full((n,), torch.inf).scatter_reduce(0, flat, away, "amin")
    at = (away == least[flat]).nonzero()[:, 0]
    centres = centroids.clone()
    centres[flat[at]] = places[at]
    return (places - centres[flat]).norm(dim=1).view(ids.shape)


def boundary_distance(labels: Tensor) -> Tensor:
    """Return the distance of each pixel to the nearest one of another label, (B, H, W).

    Parameters
    ----------
    labels
        (B, H, W). Beyond the image lies another label.
    """
    down, up = _run_length(labels), _run_length(labels.flip(1)).flip(1)
    column = torch.minimum(down, up).float().clamp(max=REACH) ** 2
    width = labels.shape[2]
    x = torch.arange(width, device=labels.device)
    edge = torch.minimum(x + 1, width - x).float() ** 2
    nearest = torch.minimum(column, edge)
    for step in range(1, min(REACH, width)):
        here, there = slice(None, width - step), slice(step, None)
        same = labels[:, :, here] == labels[:, :, there]
        for own, other in ((here, there), (there, here)):
            found = torch.where(same, column[:, :, other], 0) + step**2
            nearest[:, :, own] = torch.minimum(nearest[:, :, own], found)
    return nearest.sqrt()


def _run_length(labels: Tensor) -> Tensor:
    """Count the pixels of one label from each pixel upwards, with itself."""
    rows = torch.arange(labels.shape[1], device=labels.device)[:, None]
    begins = torch.zeros_like(labels, dtype=torch.bool)
    begins[:, 1:] = labels[:, 1:] != labels[:, :-1]
    return rows - torch.where(begins, rows, 0).cummax(dim=1).values + 1


def instance_loss(logits: Tensor, targets: Tensor, content: Tensor) -> Tensor:
    """Return cross-entropy and dice of the foreground, and the error of both distances.

    Parameters
    ----------
    logits, targets
        (B, 3, h, w); the logits as of `InstanceDecoder`.
    content
        (B, 2) height and width of each image on the grid of the maps.
    """
    side = torch.arange(logits.shape[-1], device=logits.device)
    height, width = content.T
    weight = (side[None, :, None] < height[:, None, None]) & (side < width[:, None, None])
    weight = weight[:, None].float()
    truth, probability = targets[:, :1], logits[:, :1].sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits[:, :1], truth, reduction="none")
    both = (probability * truth * weight).sum((1, 2, 3))
    sizes = ((probability + truth) * weight).sum((1, 2, 3))
    dice = 1 - (2 * both + 1) / (sizes + 1)
    error = (logits[:, 1:].sigmoid() - targets[:, 1:]).abs() * weight
    area = weight.sum((1, 2, 3)).clamp(min=1)
    in_objects = (error * truth).sum((1, 2, 3)) / (truth * weight).sum((1, 2, 3)).clamp(min=1)
    entropy = (entropy * weight).sum((1, 2, 3)) / area
    return (entropy + dice + 2 * in_objects + 2 * error.sum((1, 2, 3)) / area).mean()


def attach_decoder(model: SAM2) -> InstanceDecoder:
    """Make the network's instance decoder, or a new one, a part of the network."""
    decoder = load_instance_decoder(model) or InstanceDecoder(model.config.d_model)
    model.add_module(INSTANCES, decoder.to(model.device).float().requires_grad_(True))
    return decoder


class InstanceLoss:
    """Loss of an instance decoder in the first frame of clips.

    Parameters
    ----------
    decoder
        Of the network that is trained.
    taught
        Names of the movies to use; synthetic ones are used too.
    """

    def __init__(self, decoder: InstanceDecoder, taught: Collection[str]) -> None:
        self._decoder = decoder
        self._taught = taught

    def __call__(self, batch: Batch, embedding: ImageEmbedding) -> Tensor:
        """Return the loss for a batch."""
        kept = [
            i
            for i, name in enumerate(batch.names)
            if name.startswith(SYNTHETIC) or name in self._taught
        ]
        if not kept:
            return embedding.features.new_zeros(())
        clips = torch.tensor(kept, device=batch.labels.device)
        first = clips * batch.n_frames
        features, skips = embedding.features[first], [skip[first] for skip in embedding.skips]
        logits = self._decoder(features, (skips[0], skips[1])).float()
        targets = instance_targets(batch.labels[clips, 0])
        return instance_loss(logits, targets, batch.content[clips] // STRIDE)


def write_decoder(decoder: InstanceDecoder, model: SAM2, path: Path, about: dict[str, str]) -> None:
    """Write a decoder with a probe of the encoder that it belongs to."""
    tensors = {name: t.detach().half().contiguous() for name, t in decoder.state_dict().items()}
    probe = probe_encoder(model)
    if probe is None:
        raise ValueError(f"expected an encoder like that of cells_nano, with {PROBED}")
    tensors[ENCODER_PROBE] = probe.half()
    save_file(tensors, path, about)
