"""Store embeddings on disk, within a number of bytes; they survive a restart."""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from sam2_torch.models.local_files import cache_folder, replacing
from sam2_torch.sam2 import ImageEmbedding

logger = logging.getLogger(__name__)

STORE_BYTES = 20 * 10**9
SUFFIX = ".embedding"
PART = ".part"
OLD_PART_S = 3600.0  # what is still being written is younger
_NAMES = ("features", "skip_4", "skip_8")
ROOM = 0.9  # of the bytes, that a cleaning leaves


def default_store_folder() -> Path:
    """Return the folder in the user's cache, which need not exist."""
    return cache_folder() / "embeddings"


class EmbeddingStore:
    """A folder of image embeddings by fingerprint; several processes may share it.

    It is a cache: a broken or missing file counts as absent, and a full disk costs time, not
    results.

    Parameters
    ----------
    folder
        Where; in the user's cache by default. Made when something is put into it.
    max_bytes
        How much may lie there; the embeddings that were not used for longest go first.

    Notes
    -----
    A file holds the tensors of an `ImageEmbedding` in safetensors' format, and the order
    of their axes in memory, under a name made of the fingerprint: what is found is what was
    looked for.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = STORE_BYTES) -> None:
        self.folder = default_store_folder() if folder is None else Path(folder)
        self._max_bytes = max_bytes
        self._used_bytes: int | None = None  # unknown until something is written
        self._is_broken = False

    def __contains__(self, fingerprint: str) -> bool:
        return self._path(fingerprint).is_file()

    def __len__(self) -> int:
        return sum(1 for _ in self._files())

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return sum(size for _, size, _ in self._entries())

    def get(self, fingerprint: str) -> ImageEmbedding | None:
        """Read an embedding, on the CPU; None if it is not there."""
        path = self._path(fingerprint)
        try:
            tensors = load(path.read_bytes())  # not mapped: the file can be deleted meanwhile
            features, *skips = (_laid_out(tensors, name) for name in _NAMES if name in tensors)
            found = ImageEmbedding(features, tuple(skips))
        except OSError:
            return None
        except (SafetensorError, KeyError, RuntimeError):
            logger.info("%s is no embedding: deleted", path)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # it was used just now
        return found

    def put(self, fingerprint: str, embedding: ImageEmbedding) -> None:
        """Write an embedding; the file is there whole or not at all.

        If it cannot be written, that is said once, and nothing more is written.
        """
        if self._is_broken or fingerprint in self:
            return
        path = self._path(fingerprint)
        tensors: dict[str, Tensor] = {}
        for name, tensor in zip(_NAMES, (embedding.features, *embedding.skips), strict=False):
            tensors |= _as_laid_out(name, tensor)
        try:
            with replacing(path) as part:
                save_file(tensors, part)
                n_bytes = part.stat().st_size
            self._make_room(n_bytes)
        except (OSError, SafetensorError) as error:  # the latter where the disk is full
            self._is_broken = True
            logger.warning(
                "Embeddings are not kept on disk any more: expected to write in %s, found: %s. "
                "All else goes on",
                self.folder,
                error,
            )

    def clear(self) -> int:
        """Delete all embeddings and return the bytes freed."""
        freed = 0
        for path, size, _ in self._entries():
            with suppress(FileNotFoundError):
                path.unlink()
                freed += size
        self._remove_old_parts()
        self._used_bytes, self._is_broken = None, False
        return freed

    def _remove_old_parts(self) -> None:
        """Remove what dead processes did not write to its end."""
        for part in self.folder.glob(f"??/.*{PART}"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > OLD_PART_S:
                    part.unlink()

    def _path(self, fingerprint: str) -> Path:
        return self.folder / fingerprint[:2] / f"{fingerprint}{SUFFIX}"

    def _files(self) -> list[Path]:
        return list(self.folder.glob(f"??/*{SUFFIX}"))

    def _entries(self) -> list[tuple[Path, int, float]]:
        """Return files with their sizes and times of last use, the oldest first."""
        entries = []
        for path in self._files():
            with suppress(OSError):  # another process has deleted it
                stat = path.stat()
                entries.append((path, stat.st_size, stat.st_mtime))
        return sorted(entries, key=lambda entry: entry[2])

    def _make_room(self, added: int) -> None:
        """Delete the least recently used embeddings once there are too many bytes."""
        if self._used_bytes is None:
            self._remove_old_parts()
            self._used_bytes = self.nbytes
        else:
            self._used_bytes += added
        if self._used_bytes <= self._max_bytes:
            return
        entries = self._entries()  # other processes have written, too
        self._used_bytes = sum(size for _, size, _ in entries)
        for path, size, _ in entries[:-1]:  # the newest was just asked for
            if self._used_bytes <= ROOM * self._max_bytes:
                break
            with suppress(FileNotFoundError):
                path.unlink()
            self._used_bytes -= size


def _as_laid_out(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Permute a tensor to its order in memory, and add that order.

    Results depend, to the last bit, on the order of the axes in memory.
    """
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    # a slice of a batch is written without the rest
    turned = tensor.detach().cpu().permute(order).contiguous().clone()
    return {name: turned, f"{name}.axes": torch.tensor(order)}


def _laid_out(tensors: dict[str, Tensor], name: str) -> Tensor:
    order: list[int] = tensors[f"{name}.axes"].tolist()
    return tensors[name].permute([order.index(axis) for axis in range(len(order))])
