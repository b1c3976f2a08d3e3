"""Records of how fast networks are on the devices of this computer."""

import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sam2_torch.config import NetworkConfig
from sam2_torch.models.local_files import cache_folder, replacing


@dataclass(frozen=True)
class Speed:
    """Measured speed of a network on a device.

    Parameters
    ----------
    device, product
        The device, "cuda:0", and its product name.
    dtype
        Precision of the weights, "float32".
    encode_s
        Seconds to encode an image; the same for images of any size.
    click_s
        Seconds for the mask of a click on an encoded image.
    propagate_first_s, propagate_s
        Seconds to propagate one object to one more frame, with the memory of one frame and
        with a full memory bank.
    propagate_more_s
        Seconds for each further object with a full memory bank in the same batch.
    """

    device: str
    product: str
    dtype: str
    encode_s: float
    click_s: float
    propagate_first_s: float
    propagate_s: float
    propagate_more_s: float

    def __str__(self) -> str:
        return (
            f"{_milliseconds(self.encode_s)} an image, {_milliseconds(self.click_s)} a click, "
            f"{_milliseconds(self.propagate_s)} an object and frame on {self.device} "
            f"in {self.dtype}"
        )


def read_speeds(config: NetworkConfig) -> tuple[Speed, ...]:
    """Return the speeds of a network on this computer, one for each device and precision."""
    wanted = (platform.node(), _digest(config))
    return tuple(
        Speed(**record["speed"])
        for record in _records()
        if (record["machine"], record["network"]) == wanted
    )


def write_speed(config: NetworkConfig, speed: Speed) -> None:
    """Store a speed, replacing the one of this device and precision.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    new = {"machine": platform.node(), "network": _digest(config), "speed": asdict(speed)}
    others = [record for record in _records() if _place(record) != _place(new)]
    with replacing(speeds_file()) as part:
        part.write_text(json.dumps([*others, new], indent=1), "utf-8")


def speeds_file() -> Path:
    """Return the path of the file with all speeds."""
    return cache_folder() / "speeds.json"


def _records() -> Iterator[dict[str, Any]]:
    """Yield the records; broken ones and those of other versions are skipped."""
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


def _digest(config: NetworkConfig) -> str:
    text = json.dumps(config.to_dict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def duration(seconds: float) -> str:
    """Format a duration in the unit that fits."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _milliseconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
