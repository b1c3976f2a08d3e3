"""How fast networks were on the devices of this machine: measured once, and remembered."""

import hashlib
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sam2_torch.config import SAM2Config
from sam2_torch.models.cache_folder import cache_folder


@dataclass(frozen=True)
class Speed:
    """What was measured of a network on a device.

    Parameters
    ----------
    device, product
        Which one: "cuda:0", and its maker's name for it.
    dtype
        The precision of the weights: "float32".
    encode_s
        Seconds for the embedding of an image; the same for every image, whatever its size.
    click_s
        Seconds for the mask of a click on an image that has its embedding.
    follow_first_s, follow_s
        Seconds to follow one object into one more frame, with the memory of one frame and
        with a full memory.
    follow_more_s
        Seconds for each further object with a full memory that is followed along with it.
    """

    device: str
    product: str
    dtype: str
    encode_s: float
    click_s: float
    follow_first_s: float
    follow_s: float
    follow_more_s: float

    def __str__(self) -> str:
        return (
            f"{_milliseconds(self.encode_s)} an image, {_milliseconds(self.click_s)} a click, "
            f"{_milliseconds(self.follow_s)} an object and frame on {self.device} in {self.dtype}"
        )


def recall_speeds(config: SAM2Config) -> tuple[Speed, ...]:
    """List what was measured of a network on this machine, one for each device and precision."""
    wanted = (platform.node(), _digest(config))
    return tuple(
        Speed(**record["speed"])
        for record in _records()
        if (record["machine"], record["network"]) == wanted
    )


def remember_speed(config: SAM2Config, speed: Speed) -> None:
    """Keep what was measured, instead of what was known of this device in this precision.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    new = {"machine": platform.node(), "network": _digest(config), "speed": asdict(speed)}
    others = [record for record in _records() if _place(record) != _place(new)]
    path = speeds_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps([*others, new], indent=1), "utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def speeds_file() -> Path:
    """Give the path of the file with all that was measured."""
    return cache_folder() / "speeds.json"


def _records() -> Iterator[dict[str, Any]]:
    """Read what is known; what is broken or of another version is as good as nothing."""
    try:
        content = json.loads(speeds_file().read_text("utf-8"))
    except (OSError, ValueError):
        return
    for record in content if isinstance(content, list) else ():
        try:
            Speed(**record["speed"])
            _place(record)
        except (TypeError, KeyError):
            continue
        yield record


def _place(record: dict[str, Any]) -> tuple[str, ...]:
    speed = record["speed"]
    return record["machine"], record["network"], speed["device"], speed["dtype"]


def _digest(config: SAM2Config) -> str:
    text = json.dumps(config.to_dict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def duration(seconds: float) -> str:
    """Say how long something takes, in the unit that fits."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _milliseconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
