"""Frames on their way to the network, kept in memory and on disk."""

import logging

import numpy as np
import pytest
import torch

from sam2_torch import EmbeddingStore, PointPrompt, VideoSession
from sam2_torch.embeddings.frame_encoder import FrameEncoder
from sam2_torch.embeddings.memory_cache import EmbeddingCache
from sam2_torch.runtime.host_copies import Copies
from sam2_torch.sam2 import ImageEmbedding

CENTRE_YX = (40.0, 50.0)  # of the disc that moves, in frame 0; in frame 1 it covers it still


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path)


@pytest.fixture
def encoded(model, monkeypatch):
    """Count the images in each batch that the network encodes."""
    batches = []
    real = type(model).encode_image

    def encode_image(self, images):
        batches.append(len(images))
        return real(self, images)

    monkeypatch.setattr(type(model), "encode_image", encode_image)
    return batches


def masks(model, frames, **options):
    """Follow the first disc through the movie."""
    session = VideoSession(model, frames, **options)
    session.add_prompt(1, 1, PointPrompt([CENTRE_YX], [1]))
    results = [*session.propagate("both")]
    return [(r.frame, r.predictions[0].mask, r.predictions[0].logits) for r in results]


def assert_same(one, other):
    assert [frame for frame, *_ in one] == [frame for frame, *_ in other]
    for (_, mask, logits), (_, its_mask, its_logits) in zip(one, other, strict=True):
        np.testing.assert_array_equal(mask, its_mask)
        assert torch.equal(torch.as_tensor(logits), torch.as_tensor(its_logits))


def test_masks_are_equal_without_a_store_with_a_new_and_with_a_full_one(
    model, movie, store, encoded
):
    frames = movie[0][:4]
    plain = masks(model, frames)
    assert encoded == [1] * 4
    assert_same(masks(model, frames, embeddings=store), plain)
    assert encoded == [1] * 8 and len(store) == 4
    again = EmbeddingStore(store.folder)  # as after a restart
    assert_same(masks(model, frames, embeddings=again), plain)
    assert encoded == [1] * 8


def test_other_pixels_contrast_or_network_are_not_taken_for_the_same(model, movie, store, encoded):
    frames = movie[0][:1]
    list(VideoSession(model, frames, contrast=(0, 4000), embeddings=store).embed())
    del encoded[:]
    changed = frames.copy()
    changed[0, 60, 60] += 900
    for pixels, contrast in ((frames, (0, 4001)), (changed, (0, 4000)), (frames, (0, 4000))):
        assert [*VideoSession(model, pixels, contrast=contrast, embeddings=store).embed()] == [0]
    assert encoded == [1, 1] and len(store) == 3


def test_embedding_ahead_can_be_stopped_and_goes_on(model, movie, store, encoded):
    session = VideoSession(model, movie[0], embeddings=store)
    steps = session.embed((2, 7))
    assert [next(steps), next(steps)] == [2, 3]
    steps.close()
    assert len(store) == 2
    assert [*VideoSession(model, movie[0], embeddings=store).embed()] == list(range(8))
    assert encoded == [1] * 8 and len(store) == 8
    with pytest.raises(ValueError, match="expected 0 <= first < stop <= 8"):
        session.embed((5, 5))


def test_a_store_that_comes_later_gets_what_is_in_memory(model, movie, store, encoded):
    session = VideoSession(model, movie[0][:3])
    list(session.embed())
    session.keep_embeddings(store)
    list(session.embed())
    assert encoded == [1] * 3 and len(store) == 3
    session.keep_embeddings(None)


def test_embeddings_of_a_lazy_movie(model, movie, store, encoded):
    """Each frame is read once, when it is needed, and found again by its pixels."""

    class Lazy:
        def __init__(self):
            self.read = []

        def __len__(self):
            return 4

        def __getitem__(self, frame):
            self.read.append(frame)
            return movie[0][frame]

    lazy = Lazy()
    session = VideoSession(model, lazy, contrast=(400, 4000), embeddings=store)
    del lazy.read[:]
    list(session.embed())
    assert sorted(lazy.read) == [0, 1, 2, 3]
    list(VideoSession(model, movie[0][:4], contrast=(400, 4000), embeddings=store).embed())
    assert encoded == [1] * 4


def tiny(value):
    return ImageEmbedding(
        torch.full((1, 4, 2, 2), value), (torch.full((1, 1, 8, 8), value), torch.ones(1, 1, 4, 4))
    )


def test_what_leaves_the_device_stays_on_the_host_within_its_budget():
    """The meta device stands for a card: its tensors are told apart by where they are."""
    size = tiny(0.0).nbytes
    cache = EmbeddingCache(Copies(torch.device("meta")), 2 * size, 3 * size)
    for frame in range(7):
        cache[frame, None] = tiny(float(frame))
    assert cache.nbytes == (2 * size, 3 * size)
    assert [(frame, None) in cache for frame in range(7)] == [False, False, *[True] * 5]
    assert cache[3, None].features.device.type == "meta"  # brought back
    assert cache.nbytes == (2 * size, 3 * size)
    with pytest.raises(KeyError):
        cache[0, None]


def test_on_a_cpu_there_is_one_budget_and_room_for_one():
    size = tiny(0.0).nbytes
    cache = EmbeddingCache(Copies(torch.device("cpu")), size // 2, 100 * size)
    for frame in range(3):
        cache[frame, None] = tiny(float(frame))
    assert cache.nbytes == (size, 0)
    assert (2, None) in cache and (1, None) not in cache
    assert cache[2, None].features[0, 0, 0, 0] == 2


def test_images_are_encoded_in_smaller_batches_where_memory_is_short(
    model, movie, monkeypatch, caplog
):
    real, batches = type(model).encode_image, []

    def encode_image(self, images):
        batches.append(len(images))
        if len(images) > 1:
            raise torch.OutOfMemoryError("no room")
        return real(self, images)

    monkeypatch.setattr(type(model), "encode_image", encode_image)
    monkeypatch.setattr("sam2_torch.embeddings.frame_encoder.ENCODED_AT_ONCE", {"cpu": 4})
    encoder = FrameEncoder(model, movie[0])
    with caplog.at_level(logging.WARNING), encoder.reading_ahead(range(8)):
        for frame in range(8):
            assert encoder[frame].features.shape[0] == 1
    assert batches == [4, 2, *[1] * 8]
    assert [record.message for record in caplog.records] == [
        f"The device's memory is full: going on with {n} images at a time" for n in (2, 1)
    ]
