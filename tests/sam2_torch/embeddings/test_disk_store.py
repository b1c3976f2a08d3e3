import errno
import os
import time

import pytest
import torch

from sam2_torch import EmbeddingStore
from sam2_torch.embeddings.frame_encoder import fingerprint_input, fingerprint_model
from sam2_torch.sam2 import ImageEmbedding

KEY = "ab" + "0" * 38


def embedding(value, dtype=torch.float32):
    shapes = ((1, 8, 4, 4), (1, 1, 16, 16), (1, 2, 8, 8))
    features, *skips = (torch.full(shape, value, dtype=dtype) for shape in shapes)
    return ImageEmbedding(features, tuple(skips))


def equal(one, other):
    pairs = zip((one.features, *one.skips), (other.features, *other.skips), strict=True)
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "deep" / "store")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_put_is_found_by_another_process(store, dtype):
    assert store.get(KEY) is None and KEY not in store and len(store) == store.nbytes == 0
    store.put(KEY, embedding(0.1, dtype))
    again = EmbeddingStore(store.folder)
    assert equal(again.get(KEY), embedding(0.1, dtype))
    assert KEY in again and len(again) == 1 and again.nbytes > embedding(0.1, dtype).nbytes
    assert [path.name for path in (store.folder / "ab").iterdir()] == [f"{KEY}.embedding"]


def test_slices_of_a_batch_are_written_alone(store):
    batch = embedding(0.0)
    many = ImageEmbedding(
        batch.features.repeat(9, 1, 1, 1), tuple(s.repeat(9, 1, 1, 1) for s in batch.skips)
    )
    store.put(KEY, ImageEmbedding(many.features[4:5], tuple(s[4:5] for s in many.skips)))
    assert store.nbytes < 2 * batch.nbytes


def test_tensors_lie_in_memory_as_before(store):
    """Convolutions of both orders of axes differ in the last bit."""
    last = embedding(0.5)
    last = last._replace(features=torch.rand(1, 8, 4, 4).to(memory_format=torch.channels_last))
    store.put(KEY, last)
    found = store.get(KEY)
    assert equal(found, last)
    assert found.features.is_contiguous(memory_format=torch.channels_last)
    assert found.skips[0].is_contiguous()


@pytest.mark.parametrize("content", [b"", b"broken", bytes(1000)])
def test_a_broken_file_is_as_good_as_none(store, content):
    store.put(KEY, embedding(1.0))
    path = store.folder / "ab" / f"{KEY}.embedding"
    path.write_bytes(content)
    assert store.get(KEY) is None
    assert not path.exists()
    store.put(KEY, embedding(2.0))
    assert equal(store.get(KEY), embedding(2.0))


def test_what_was_not_used_for_longest_makes_room(tmp_path):
    size = EmbeddingStore(tmp_path / "one")
    size.put(KEY, embedding(0.0))
    store = EmbeddingStore(tmp_path / "few", max_bytes=4 * size.nbytes)
    keys = [f"{i:02d}" + "0" * 38 for i in range(6)]
    for age, key in enumerate(keys[:4]):
        store.put(key, embedding(float(age)))
        past = time.time() - 1000 + age
        os.utime(store.folder / key[:2] / f"{key}.embedding", (past, past))
    store.get(keys[0])  # used just now
    store.put(keys[4], embedding(4.0))
    assert store.nbytes <= 4 * size.nbytes
    assert [key in store for key in keys[:5]] == [True, False, False, True, True]


def test_a_full_disk_is_told_once_and_harms_nothing(store, monkeypatch, caplog):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    for key in (KEY, "cd" + KEY[2:]):
        store.put(key, embedding(0.0))
    assert [record.message for record in caplog.records] == [
        f"Embeddings are not kept on disk any more: expected to write in {store.folder}, found: "
        "[Errno 28] No space left on device. All else goes on"
    ]
    monkeypatch.undo()
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    store.clear()  # the user has made room
    store.put(KEY, embedding(0.0))
    assert KEY in store


def test_clearing_says_what_it_freed(store):
    store.put(KEY, embedding(0.0))
    size = store.nbytes
    left = store.folder / "ab" / f".{KEY}.embedding.77.part"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    (store.folder / "notes.txt").write_text("not ours")
    assert store.clear() == size and len(store) == 0
    assert not left.exists() and (store.folder / "notes.txt").exists()
    assert store.clear() == 0


def test_fingerprints_tell_networks_and_inputs_apart(model):
    before = fingerprint_model(model)
    assert fingerprint_model(model) == before
    image = torch.rand(1, 3, 8, 8)
    mark = fingerprint_input(image, before)
    assert fingerprint_input(image.clone(), before) == mark
    image[0, 0, 0, 0] += 1e-6
    assert fingerprint_input(image, before) != mark
    weight = next(model.parameters())
    kept = weight.view(-1)[0].clone()
    weight.view(-1)[0] += 1e-3
    other = fingerprint_model(model)
    weight.view(-1)[0] = kept
    assert other != before == fingerprint_model(model)
    assert fingerprint_input(image, before) != fingerprint_input(image, other)
