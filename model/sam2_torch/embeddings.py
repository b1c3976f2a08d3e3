"""Frames on their way to the network: read one at a time, normalised, encoded, kept for a while."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeAlias

from sam2_torch.sam2 import SAM2, ImageEmbedding
from sam2_torch.transforms import (
    Contrast,
    FrameGeometry,
    check_frame,
    image_to_input,
    measure_contrast,
)

Frames: TypeAlias = Sequence[Any]
"""Anything with a length whose items are (H, W) or (H, W, 3) arrays: numpy, dask, zarr, a list."""

CACHE_BYTES = 1 << 30


class FrameEncoder:
    """Image embeddings of a movie's frames, the latest used of them kept.

    Parameters
    ----------
    model
        The network.
    frames
        The movie; a frame is read when it is encoded and not kept.
    contrast
        Intensities that become black and white; measured on a few frames if None.
    cache_bytes
        How many bytes of embeddings to keep on the model's device.

    Raises
    ------
    ValueError
        If the movie is empty or its first frame is no image.
    """

    def __init__(
        self,
        model: SAM2,
        frames: Frames,
        contrast: Contrast | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        if len(frames) == 0:
            raise ValueError("frames: expected at least one frame, found none")
        height, width = check_frame(frames[0]).shape[:2]
        self.model = model
        self.geometry = FrameGeometry.fit((height, width), model.config)
        self.contrast = contrast if contrast is not None else measure_contrast(frames)
        self._frames = frames
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[int, ImageEmbedding] = OrderedDict()
        self._used_bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, frame: int) -> ImageEmbedding:
        """Get a frame's embedding, encoding it if need be."""
        if frame in self._cache:
            self._cache.move_to_end(frame)
            return self._cache[frame]
        pixels = check_frame(self._frames[frame])
        if pixels.shape[:2] != self.geometry.shape:
            raise ValueError(
                f"frame {frame}: expected shape {self.geometry.shape} as in frame 0, "
                f"found {pixels.shape[:2]}"
            )
        image = image_to_input(pixels, self.contrast, self.model.config)
        embedding = self.model.encode_image(image)
        self._keep(frame, embedding)
        return embedding

    def _keep(self, frame: int, embedding: ImageEmbedding) -> None:
        self._cache[frame] = embedding
        self._used_bytes += embedding.nbytes
        while self._used_bytes > self._cache_bytes and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._used_bytes -= oldest.nbytes
