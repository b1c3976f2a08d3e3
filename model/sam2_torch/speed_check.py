"""Measure how fast a network is where it is."""

import time
from collections.abc import Iterator

import numpy as np

from sam2_torch.devices import describe_device
from sam2_torch.image import ImageSession
from sam2_torch.prompts import PointPrompt
from sam2_torch.sam2 import SAM2
from sam2_torch.speeds import Speed

_SIDE = 512
_LONG_ENOUGH_S = 1.0


def measure_speed(model: SAM2) -> Speed:
    """Time a network; a second, or as long as three images take."""
    *_, speed = speed_rounds(model)
    assert speed is not None, "only the first round has no result"
    return speed


def speed_rounds(model: SAM2) -> Iterator[Speed | None]:
    """Time a network, image by image: between two of them it is free for other work.

    Yields
    ------
    The best of the rounds so far; None after the first one, which only warms up.
    """
    device = describe_device(model.device)
    dtype = str(model.dtype).removeprefix("torch.")
    _time_image(model)
    yield None
    times: list[tuple[float, float]] = []
    while len(times) < 2 or sum(map(sum, times)) < _LONG_ENOUGH_S:
        times.append(_time_image(model))
        encode_s, click_s = (min(column) for column in zip(*times, strict=True))
        yield Speed(str(model.device), device.product, dtype, encode_s, click_s)


def _time_image(model: SAM2) -> tuple[float, float]:
    """Time the embedding of an image and a click on it, in seconds."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    image = 200.0 * ((y - 200) ** 2 + (x - 300) ** 2 < 40**2) + 20 * np.sin(y / 9) * np.cos(x / 7)
    session = ImageSession(model, image)
    click = PointPrompt([(200, 300)], [1])
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        session.predict(click)  # its answer is on the host: the device is done
        seconds.append(time.perf_counter() - start)
    whole, click_s = seconds
    return max(whole - click_s, 0.0), click_s
