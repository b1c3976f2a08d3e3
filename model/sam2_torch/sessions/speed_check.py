"""Measure the speed of a network on its device."""

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from sam2_torch.memory.selection import FULL_MEMORY
from sam2_torch.models.speed_records import Speed
from sam2_torch.prompts import PointPrompt
from sam2_torch.runtime.devices import describe_device
from sam2_torch.sam1.sam1 import SAM1
from sam2_torch.sam2 import MAX_POINTERS, SAM2, ImageEmbedding, Memories
from sam2_torch.sessions.image_session import ImageSession

_SIDE = 512
_LONG_ENOUGH_S = 1.0
_TOGETHER = {
    "cuda": 16
}  # objects; elsewhere one object keeps the device busy, and more cost as much each


def measure_speed(model: SAM2 | SAM1) -> Speed:
    """Measure a network for a second, or for two rounds if these take longer."""
    *_, speed = speed_rounds(model)
    assert speed is not None, "only the first round has no result"
    return speed


def speed_rounds(model: SAM2 | SAM1) -> Iterator[Speed | None]:
    """Measure a network round by round; between two rounds it is free for other work.

    Yields
    ------
    Speed or None
        The best of the rounds so far; None after the first one, which only warms up.
    """
    device = describe_device(model.device)
    dtype = str(model.dtype).removeprefix("torch.")
    _time_round(model)
    yield None
    rounds: list[tuple[float, ...]] = []
    while sum(map(sum, rounds)) < _LONG_ENOUGH_S:
        rounds.append(_time_round(model))
        best = (min(times) for times in zip(*rounds, strict=True))
        yield Speed(str(model.device), device.product, dtype, *best)


def _time_round(model: SAM2 | SAM1) -> tuple[float, ...]:
    """Measure seconds in the order of the fields of `Speed`."""
    first, alone = _time_following(model, 1, 1), _time_following(model, 1, FULL_MEMORY)
    more, together = alone, _TOGETHER.get(model.device.type, 1)
    if together > 1:
        whole = _time_following(model, together, FULL_MEMORY)
        more = max(whole - alone, 0.0) / (together - 1)
    return *_time_image(model), first, alone, more


def _time_image(model: SAM2 | SAM1) -> tuple[float, float]:
    """Measure the embedding of an image and a click on it, in seconds."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    image = 200.0 * ((y - 200) ** 2 + (x - 300) ** 2 < 40**2) + 20 * np.sin(y / 9) * np.cos(x / 7)
    session = ImageSession(model, image)
    click = PointPrompt([(200, 300)], [1])
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        session.predict(click)  # the mask is on the host: the device is done
        seconds.append(time.perf_counter() - start)
    whole, click_s = seconds
    return max(whole - click_s, 0.0), click_s


@torch.inference_mode()
def _time_following(model: SAM2 | SAM1, n_objects: int, n_memories: int) -> float:
    """Measure one frame of N objects with M memories, without its embedding, in seconds."""
    size, config = model.config.embedding_size, model.config
    zeros = partial(torch.zeros, device=model.device, dtype=model.dtype)
    embedding = ImageEmbedding(
        zeros(1, config.d_model, size, size),
        (
            zeros(1, config.d_model // 8, 4 * size, 4 * size),
            zeros(1, config.d_model // 4, 2 * size, 2 * size),
        ),
    )
    n_pointers = MAX_POINTERS if n_memories == FULL_MEMORY else n_memories
    masks = zeros(n_objects, config.logits_size, config.logits_size)
    spatial = model.encode_memory(embedding.features, masks, zeros(n_objects), binarize=False)
    memories = Memories(
        [spatial] * n_memories,
        range(n_memories),
        zeros(n_objects, n_pointers, config.d_model),
        range(n_pointers),
        MAX_POINTERS - 1,
    )
    start = time.perf_counter()
    model.track(embedding, memories)[1].cpu()
    return time.perf_counter() - start
