"""Encode frames: read and uploaded ahead on a thread, embeddings cached."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from operator import itemgetter
from threading import Lock
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_torch.embeddings.disk_store import EmbeddingStore
from sam2_torch.embeddings.memory_cache import EmbeddingCache, Part
from sam2_torch.inputs.frames import (
    Crop,
    Frames,
    check_frame,
    has_large_parts,
    read_window,
    shape_of_frames,
)
from sam2_torch.inputs.transforms import (
    Contrast,
    InputGeometry,
    measure_contrast,
    pixels_to_input,
)
from sam2_torch.runtime.inference_steps import FLIPS, InferenceSteps
from sam2_torch.runtime.pending import Pending
from sam2_torch.sam2 import SAM2, ImageEmbedding

logger = logging.getLogger(__name__)

CACHE_BYTES = 1 << 30
HOST_BYTES = 2 << 30
READ_AHEAD = 4
ENCODED_AT_ONCE = {"cuda": 4}  # elsewhere one: a batch is no faster there


class FrameEncoder:
    """Image embeddings of a movie's frames; the most recently used are cached.

    Parameters
    ----------
    model
        The network.
    frames
        The movie; a frame is read when it is encoded, and not kept.
    contrast
        Intensities that become black and white; measured on a few frames if None.
    cache_bytes, host_bytes
        How many bytes of embeddings to keep on the model's device, and how many of those that
        do not fit there in the computer's memory (see `EmbeddingCache`).
    store
        Where to keep them on disk, too; nowhere if None.
    graphs
        As for `InferenceSteps`.

    Raises
    ------
    ValueError
        If the movie is empty or its first frame is no image.
    """

    def __init__(  # noqa: PLR0913  # the network, the movie, and what to keep where
        self,
        model: SAM2,
        frames: Frames,
        contrast: Contrast | None = None,
        cache_bytes: int = CACHE_BYTES,
        *,
        host_bytes: int = HOST_BYTES,
        store: EmbeddingStore | None = None,
        graphs: bool = True,
    ) -> None:
        self.model = model
        self.steps = InferenceSteps(model, graphs)
        self.geometry = InputGeometry.fit(shape_of_frames(frames), model.config)
        self.contrast = contrast if contrast is not None else measure_contrast(frames)
        self._frames = frames
        self._reading = Lock()  # readers of files are seldom safe to share
        self._cache_bytes = cache_bytes
        self._cache = EmbeddingCache(self.steps.copies, cache_bytes, host_bytes)
        self._most_at_once = ENCODED_AT_ONCE.get(model.device.type, 1)
        self.store = store
        self._order: range = range(0)
        self._ahead: dict[Part, Future[Pending[Tensor]]] = {}
        self._reader: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, frame: int) -> ImageEmbedding:
        """Return a frame's embedding; encode it, and some that follow, if necessary."""
        return self.embedding(frame)

    def embedding(self, frame: int, crop: Crop | None = None) -> ImageEmbedding:
        """Return the embedding of a frame or a crop window; encode it if necessary."""
        return self._embedding(Part(frame, crop))

    def flipped(self, frame: int, crop: Crop | None = None) -> ImageEmbedding:
        """Return the embeddings of all `FLIPS` of a frame or a crop window as one batch."""
        found = [self._embedding(Part(frame, crop, flip)) for flip in FLIPS]
        skips = zip(*(each.skips for each in found), strict=True)
        features = torch.cat([each.features for each in found])
        return ImageEmbedding(features, tuple(torch.cat(level) for level in skips))

    def _embedding(self, part: Part) -> ImageEmbedding:
        if part not in self._cache:
            self._encode([part] if part.flip else self._batch(part))
        return self._cache[part]

    def prepare(self, frame: int, crops: Iterable[Crop | None]) -> None:
        """Encode the crop windows of a frame that are needed next in one batch."""
        parts = [Part(frame, crop) for crop in dict.fromkeys(crops)]
        missing = [part for part in parts if part not in self._cache]
        if len(missing) > 1 and self._most_at_once > 1:
            self._encode(missing[: self._most_at_once])

    def encode_ahead(self, frames: range) -> Iterator[int]:
        """Encode whole frames before they are asked for, and write them to the store.

        Yields
        ------
        int
            Each frame that is done. Closing the generator stops; what is done stays.
        """
        with self.reading_ahead(frames):
            for frame in frames:
                part = Part(frame)
                with torch.inference_mode():
                    if part in self._cache and self.store is not None:
                        self.store.put(self._fingerprint(self._input(part)), self._cache[part])
                    else:
                        self.embedding(frame)
                yield frame

    def n_known(self, frames: Iterable[int]) -> int:
        """Count the frames whose embeddings are cached."""
        return sum(Part(frame) in self._cache for frame in frames)

    def bytes_with(self, n_images: int) -> int:
        """Estimate the bytes of the cache after `n_images` images."""
        config = self.model.config
        # features of stride 16, and an eighth and a quarter of their width at 4 and 8
        numbers = config.embedding_size**2 * config.d_model * (1 + 16 / 8 + 4 / 4)
        return min(self._cache_bytes, round(n_images * numbers * self.model.dtype.itemsize))

    def geometry_of(self, crop: Crop | None) -> InputGeometry:
        """Return how a crop window, or the whole frame, lies in the network's input."""
        if crop is None:
            return self.geometry
        return InputGeometry.fit(self.geometry.image_shape, self.model.config, crop)

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

    def _batch(self, part: Part) -> list[Part]:
        """Return a part and the same part of the next frames, which are encoded in one batch."""
        frames = self._following(part.frame, self._most_at_once - 1)
        following = [part._replace(frame=frame) for frame in frames]
        return [part, *(other for other in following if other not in self._cache)]

    def _following(self, frame: int, n: int) -> range:
        if frame not in self._order:
            return range(0)
        place = self._order.index(frame)
        return self._order[place + 1 : place + 1 + n]

    def _encode(self, parts: list[Part]) -> None:
        inputs = {part: self._input(part) for part in parts}
        self._read_on(parts[-1])
        if self.store is None:
            self._encode_together(inputs)
            return
        fingerprints = {part: self._fingerprint(image) for part, image in inputs.items()}
        for part, fingerprint in fingerprints.items():
            found = self.store.get(fingerprint)
            if found is not None:
                self._cache[part] = found.map(self.steps.upload)
                del inputs[part]
        for part, embedding in self._encode_together(inputs).items():
            self.store.put(fingerprints[part], embedding)

    def _encode_together(self, inputs: dict[Part, Tensor]) -> dict[Part, ImageEmbedding]:
        """Encode and cache images, in as many batches as the device's memory allows."""
        done: dict[Part, ImageEmbedding] = {}
        waiting = list(inputs)
        while waiting:
            chunk = waiting[: self._most_at_once]
            try:
                encoded = self.steps.encode_image(torch.cat([inputs[p] for p in chunk]))
            except torch.OutOfMemoryError:
                if len(chunk) == 1:
                    raise
                self._most_at_once = len(chunk) // 2
                torch.cuda.empty_cache()
                logger.warning(
                    "The device's memory is full: going on with %d images at a time",
                    self._most_at_once,
                )
                continue
            waiting = waiting[len(chunk) :]
            for i, part in enumerate(chunk):
                self._cache[part] = done[part] = encoded.map(itemgetter(slice(i, i + 1)))
        return done

    @cached_property
    def _model_fingerprint(self) -> str:
        return fingerprint_model(self.model)

    def _fingerprint(self, image: Tensor) -> str:
        return fingerprint_input(image, self._model_fingerprint)

    def _input(self, part: Part) -> Tensor:
        ahead = self._ahead.pop(part, None)
        sent = self._send(part) if ahead is None else ahead.result()
        content = self.geometry_of(part.crop).content
        image = pixels_to_input(sent.result(), self.contrast, self.model.config, content)
        return image.flip(part.flip) if part.flip else image

    def _read_on(self, part: Part) -> None:
        """Begin to read the same part of the next frames, though an object may move out of it."""
        if self._reader is None or part.flip:
            return
        for following in self._following(part.frame, READ_AHEAD):
            other = part._replace(frame=following)
            if other not in self._ahead and other not in self._cache:
                self._ahead[other] = self._reader.submit(self._send, other)

    def _send(self, part: Part) -> Pending[Tensor]:
        """Read a part and begin to copy it to the device."""
        return self.steps.copies.send(self._read(part))

    def _read(self, part: Part) -> NDArray[Any]:
        frame, crop = part.frame, part.crop
        geometry = self.geometry_of(crop)
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


EMBEDDING_VERSION = "1"
"""Counts up when `encode_image` gives other numbers for the same weights and image."""


def fingerprint_model(model: SAM2) -> str:
    """Compute the fingerprint of a network: its weights, and what else its numbers depend on.

    Networks of the same weights have different ones in another precision, on another kind of
    device, and with another PyTorch: their embeddings are not the same to the last bit.
    """
    digest = _hash()
    about = (EMBEDDING_VERSION, model.config.to_dict(), model.device.type, torch.__version__)
    digest.update(repr(about).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def fingerprint_input(image: Tensor, model: str) -> str:
    """Compute the fingerprint of an input and a network.

    Parameters
    ----------
    image
        As `image_to_input` returns it: pixels, contrast, crop and resolution are all in it.
    model
        The network's fingerprint.
    """
    digest = _hash()
    digest.update(f"{model} {image.dtype} {tuple(image.shape)}".encode())
    digest.update(_bytes(image))
    return digest.hexdigest()


def _hash() -> Any:
    return hashlib.blake2b(digest_size=20)


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    pixels: Any = flat.view(torch.uint8).numpy()
    return memoryview(pixels)
