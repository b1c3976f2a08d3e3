"""Frames on their way to the network: read ahead, normalised, encoded, kept for a while."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.frames import (
    Crop,
    Frames,
    check_frame,
    has_large_parts,
    read_window,
    shape_of_frames,
)
from sam2_torch.sam2 import SAM2, ImageEmbedding
from sam2_torch.transforms import (
    Contrast,
    FrameGeometry,
    image_to_input,
    measure_contrast,
)

Part: TypeAlias = tuple[int, Crop | None]
"""A frame and what is seen of it; None for the whole."""

CACHE_BYTES = 1 << 30
READ_AHEAD = 4
ENCODED_AT_ONCE = {"cuda": 4}  # elsewhere one: a batch is no faster there


class FrameEncoder:
    """Image embeddings of a movie's frames, the latest used of them kept.

    Parameters
    ----------
    model
        The network.
    frames
        The movie; a frame is read when it is encoded, and not kept.
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
        self.model = model
        self.geometry = FrameGeometry.fit(shape_of_frames(frames), model.config)
        self.contrast = contrast if contrast is not None else measure_contrast(frames)
        self._frames = frames
        self._reading = Lock()  # readers of files are seldom safe to share
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[Part, ImageEmbedding] = OrderedDict()
        self._used_bytes = 0
        self._order: range = range(0)
        self._ahead: dict[Part, Future[NDArray[Any] | Tensor]] = {}
        self._reader: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, frame: int) -> ImageEmbedding:
        """Get a frame's embedding, encoding it (and some that follow) if need be."""
        return self.embedding(frame)

    def embedding(self, frame: int, crop: Crop | None = None) -> ImageEmbedding:
        """Get the embedding of a frame, or of a part of it, encoding it if need be."""
        part = frame, crop
        if part not in self._cache:
            self._encode(self._batch(part))
        self._cache.move_to_end(part)
        return self._cache[part]

    def prepare(self, frame: int, crops: Iterable[Crop | None]) -> None:
        """Encode some of the parts of a frame that will be asked for, together."""
        parts = [(frame, crop) for crop in dict.fromkeys(crops)]
        missing = [part for part in parts if part not in self._cache]
        if len(missing) > 1 and self._at_once > 1:
            self._encode(missing[: self._at_once])

    def n_known(self, frames: Iterable[int]) -> int:
        """Count those of some frames whose embeddings are there."""
        return sum((frame, None) in self._cache for frame in frames)

    def bytes_with(self, n_images: int) -> int:
        """Estimate the bytes of the cache once so many images have been encoded."""
        config = self.model.config
        # features of stride 16, and an eighth and a quarter of their width at 4 and 8
        numbers = config.embedding_size**2 * config.d_model * (1 + 16 / 8 + 4 / 4)
        return min(self._cache_bytes, round(n_images * numbers * self.model.dtype.itemsize))

    def seen(self, crop: Crop | None) -> FrameGeometry:
        """Tell how a part of the frames lies in the network's input."""
        if crop is None:
            return self.geometry
        return FrameGeometry.fit(self.geometry.image_shape, self.model.config, crop)

    @contextmanager
    def reading_ahead(self, order: range) -> Iterator[None]:
        """Read the frames of a run on a thread while the network works on those before."""
        with ThreadPoolExecutor(1, "sam2-reader") as reader:
            self._order, self._reader = order, reader
            try:
                yield
            finally:
                self._order, self._reader = range(0), None
                reader.shutdown(cancel_futures=True)
                self._ahead.clear()

    @property
    def _at_once(self) -> int:
        return ENCODED_AT_ONCE.get(self.model.device.type, 1)

    def _batch(self, part: Part) -> list[Part]:
        """Choose what to encode together with a part: the same of the frames that follow."""
        frame, crop = part
        following = [(f, crop) for f in self._following(frame, self._at_once - 1)]
        return [part, *(other for other in following if other not in self._cache)]

    def _following(self, frame: int, n: int) -> range:
        if frame not in self._order:
            return range(0)
        place = self._order.index(frame)
        return self._order[place + 1 : place + 1 + n]

    def _encode(self, parts: list[Part]) -> None:
        images = torch.cat([self._input(part) for part in parts])
        self._read_on(parts[-1])
        features, skips = self.model.encode_image(images)
        for i, part in enumerate(parts):
            one = slice(i, i + 1)
            self._keep(part, ImageEmbedding(features[one], (skips[0][one], skips[1][one])))

    def _input(self, part: Part) -> Tensor:
        ahead = self._ahead.pop(part, None)
        found = self._read(part) if ahead is None else ahead.result()
        return found if isinstance(found, Tensor) else self._normalise(found, part[1])

    def _read_on(self, part: Part) -> None:
        """Read the same part of the frames that follow; an object may have moved on, though."""
        if self._reader is None:
            return
        # on the CPU a second thread's arithmetic would only take the network's cores
        job = self._read if self.model.device.type == "cpu" else self._read_normalised
        frame, crop = part
        for following in self._following(frame, READ_AHEAD):
            other = following, crop
            if other not in self._ahead and other not in self._cache:
                self._ahead[other] = self._reader.submit(job, other)

    def _read(self, part: Part) -> NDArray[Any]:
        frame, crop = part
        geometry = self.seen(crop)
        with self._reading:
            if crop is None and not has_large_parts(self._frames):
                pixels = check_frame(self._frames[frame])
            else:
                window = Crop(geometry.origin_yx, geometry.shape).window
                return read_window(self._frames, frame, window, geometry.content)
        if pixels.shape[:2] != geometry.shape:
            raise ValueError(
                f"frame {frame}: expected shape {geometry.shape} as in frame 0, "
                f"found {pixels.shape[:2]}"
            )
        return pixels

    def _read_normalised(self, part: Part) -> Tensor:
        return self._normalise(self._read(part), part[1])

    def _normalise(self, pixels: NDArray[Any], crop: Crop | None) -> Tensor:
        content = self.seen(crop).content
        return image_to_input(pixels, self.contrast, self.model.config, content)

    def _keep(self, part: Part, embedding: ImageEmbedding) -> None:
        self._cache[part] = embedding
        self._used_bytes += embedding.nbytes
        while self._used_bytes > self._cache_bytes and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._used_bytes -= oldest.nbytes
