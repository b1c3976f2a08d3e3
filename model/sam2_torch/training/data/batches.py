"""Clips and batches of clips as the network's input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.inputs.transforms import MEAN, STD


@dataclass(frozen=True, eq=False)
class Clip:
    """A few frames in the network's input, and the objects to segment in them.

    Parameters
    ----------
    images
        (T, C, S, S) uint8, C = 1 or 3; the image in the top left corner.
    labels
        (T, S, S) int32, 0 = background; the same id is the same object in all frames.
    content
        Height and width of the image in the input.
    object_ids
        (N,) the objects to prompt; all of them are in the first frame.
    name
        Of the movie.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    content: tuple[int, int]
    object_ids: NDArray[np.int32]
    name: str = ""


@dataclass(frozen=True, eq=False)
class Batch:
    """B clips of one length with N objects in all.

    Parameters
    ----------
    images
        (B, T, C, S, S) uint8.
    labels
        (B, T, S, S) int32.
    content
        (B, 2) height and width of each image in the input.
    owner
        (N,) index of each object's clip.
    object_ids
        (N,) each object's label there.
    stride
        Input pixels to one pixel of the grid of losses and clicks.
    names
        Name of each clip's movie.
    """

    images: Tensor
    labels: Tensor
    content: Tensor
    owner: Tensor
    object_ids: Tensor
    stride: int
    names: tuple[str, ...]

    @classmethod
    def of(cls, clips: Sequence[Clip], stride: int) -> "Batch":
        """Combine clips of one length; grey ones become RGB if any other is.

        Raises
        ------
        ValueError
            If there is no clip, or they differ in length or size.
        """
        shapes = {(len(clip.images), *clip.images.shape[2:]) for clip in clips}
        if len(shapes) != 1:
            raise ValueError(
                f"clips: expected at least one, all of one shape, found {sorted(shapes)}"
            )
        channels = max(clip.images.shape[1] for clip in clips)
        images = [np.broadcast_to(c.images, _with_channels(c.images, channels)) for c in clips]
        counts = [len(clip.object_ids) for clip in clips]
        return cls(
            torch.from_numpy(np.stack(images)),
            torch.from_numpy(np.stack([clip.labels for clip in clips])),
            torch.tensor([clip.content for clip in clips]),
            torch.repeat_interleave(torch.arange(len(clips)), torch.tensor(counts)),
            torch.from_numpy(np.concatenate([clip.object_ids for clip in clips])),
            stride,
            tuple(clip.name for clip in clips),
        )

    @property
    def n_frames(self) -> int:
        """Return the length of the clips."""
        return self.images.shape[1]

    @property
    def n_objects(self) -> int:
        """Return the number of objects of all clips."""
        return len(self.owner)

    def to(self, device: torch.device) -> "Batch":
        """Copy to a device, without waiting for it if the memory is pinned."""
        return self._each(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Pin the memory for asynchronous copies to a GPU; `DataLoader` calls this."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(
            self,
            images=change(self.images),
            labels=change(self.labels),
            content=change(self.content),
            owner=change(self.owner),
            object_ids=change(self.object_ids),
        )

    def inputs(self) -> Tensor:
        """Normalise the images, (B * T, 3, S, S) float32, with zeros outside of the content."""
        images = self.images.flatten(0, 1).float() / 255
        mean, std = (images.new_tensor(value)[:, None, None] for value in (MEAN, STD))
        size = images.shape[-1]
        inside = torch.arange(size, device=images.device) < self.content[:, :, None]  # (B, 2, S)
        content = inside[:, 0, :, None] & inside[:, 1, None, :]
        content = content.repeat_interleave(self.n_frames, dim=0)[:, None]
        return (images - mean) / std * content

    def masks(self, frame: int) -> Tensor:
        """Return the objects' true masks in a frame, (N, 1, S, S) float32 of 0 and 1."""
        labels = self.labels[self.owner, frame]
        return (labels == self.object_ids[:, None, None])[:, None].float()

    def truth(self, frame: int) -> Tensor:
        """Return the true masks on the grid of the losses, (N, S / stride, S / stride), 0 to 1."""
        return F.avg_pool2d(self.masks(frame), self.stride)[:, 0]

    def present(self, frame: int) -> Tensor:
        """Return which objects are in a frame, (N,) bool."""
        labels = self.labels[self.owner, frame]
        return (labels == self.object_ids[:, None, None]).flatten(1).any(dim=1)


def _with_channels(images: NDArray[np.uint8], channels: int) -> tuple[int, ...]:
    return (len(images), channels, *images.shape[2:])
