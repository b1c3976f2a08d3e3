"""Frames on their way to the network: read ahead, normalised, encoded, kept for a while."""

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.frames import Frames, check_frame, shape_of_frames
from sam2_torch.sam2 import SAM2, ImageEmbedding
from sam2_torch.transforms import (
    Contrast,
    FrameGeometry,
    image_to_input,
    measure_contrast,
)

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
        self._cache: OrderedDict[int, ImageEmbedding] = OrderedDict()
        self._used_bytes = 0
        self._order: range = range(0)
        self._ahead: dict[int, Future[NDArray[Any] | Tensor]] = {}
        self._reader: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, frame: int) -> ImageEmbedding:
        """Get a frame's embedding, encoding it (and some that follow) if need be."""
        if frame not in self._cache:
            self._encode(self._batch(frame))
        self._cache.move_to_end(frame)
        return self._cache[frame]

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

    def _batch(self, frame: int) -> list[int]:
        """Choose the frames to encode together with one: those that a run will ask for next."""
        at_once = ENCODED_AT_ONCE.get(self.model.device.type, 1)
        return [frame, *(f for f in self._following(frame, at_once - 1) if f not in self._cache)]

    def _following(self, frame: int, n: int) -> range:
        if frame not in self._order:
            return range(0)
        place = self._order.index(frame)
        return self._order[place + 1 : place + 1 + n]

    def _encode(self, frames: list[int]) -> None:
        images = torch.cat([self._input(frame) for frame in frames])
        self._read_on(frames[-1])
        features, skips = self.model.encode_image(images)
        for i, frame in enumerate(frames):
            one = slice(i, i + 1)
            self._keep(frame, ImageEmbedding(features[one], (skips[0][one], skips[1][one])))

    def _input(self, frame: int) -> Tensor:
        ahead = self._ahead.pop(frame, None)
        found = self._read(frame) if ahead is None else ahead.result()
        return found if isinstance(found, Tensor) else self._normalise(found)

    def _read_on(self, frame: int) -> None:
        if self._reader is None:
            return
        # on the CPU a second thread's arithmetic would only take the network's cores
        job = self._read if self.model.device.type == "cpu" else self._read_normalised
        for following in self._following(frame, READ_AHEAD):
            if following not in self._ahead and following not in self._cache:
                self._ahead[following] = self._reader.submit(job, following)

    def _read(self, frame: int) -> NDArray[Any]:
        with self._reading:
            pixels = check_frame(self._frames[frame])
        if pixels.shape[:2] != self.geometry.shape:
            raise ValueError(
                f"frame {frame}: expected shape {self.geometry.shape} as in frame 0, "
                f"found {pixels.shape[:2]}"
            )
        return pixels

    def _read_normalised(self, frame: int) -> Tensor:
        return self._normalise(self._read(frame))

    def _normalise(self, pixels: NDArray[Any]) -> Tensor:
        return image_to_input(pixels, self.contrast, self.model.config)

    def _keep(self, frame: int, embedding: ImageEmbedding) -> None:
        self._cache[frame] = embedding
        self._used_bytes += embedding.nbytes
        while self._used_bytes > self._cache_bytes and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._used_bytes -= oldest.nbytes
