"""`napari-sam2 doctor`: what is installed, what computes, how fast, and what is missing."""

import argparse
import importlib.metadata
import importlib.util
import platform
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2 import __version__
from napari_sam2.cli.errors import DONE, EXPECTED, FAILED

if TYPE_CHECKING:
    import torch

    from sam2_torch import SAM2

_NEEDED = ("numpy", "scipy", "scikit-image", "tifffile", "pillow", "tqdm", "safetensors", "torch")
_QT = ("PyQt6", "PySide6", "PyQt5")
_FIXES = {
    "napari": 'the command line works without; for the widget: pip install "napari[all]"',
    "Qt": 'napari needs one: pip install "napari[all]", or pip install pyqt6',
    "imagecodecs": "only for TIFFs compressed with LZW, JPEG and the like: pip install imagecodecs",
}
_SIDE = 512
_SPEED_CHECK_S = 1.0


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed, what would compute, how fast, and what is missing",
        description="Print versions, devices, a short speed check and what is missing.",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 doctor`; the exit code is 1 if tracking cannot work."""
    missing = [name for name in _NEEDED if _version(name) is None]
    _print_versions()
    works = not missing
    if "torch" not in missing:
        works &= _print_section("devices", lambda: _devices(arguments.device))
        works &= _print_section("cells_nano, the embedded model", lambda: _speed(arguments.device))
    fixes = [f"{name}: pip install {name}" for name in missing]
    fixes += [f"{name}: {fix}" for name, fix in _FIXES.items() if not _found(name)]
    print("missing")
    for line in fixes or ["nothing"]:
        print(f"  {line}")
    print("tracking works" if works else "tracking does not work: see above")
    return DONE if works else FAILED


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _found(name: str) -> bool:
    names = _QT if name == "Qt" else (name,)
    return any(_version(one) is not None for one in names)


def _print_versions() -> None:
    print(f"napari-sam2 {__version__}")
    print(f"  Python {platform.python_version()} ({sys.executable}) on {platform.platform()}")
    for name in (*_NEEDED, "imagecodecs", "napari", *_QT):
        version = _version(name)
        if version is not None or name not in _QT:
            print(f"  {name} {version or '- not installed'}")


def _print_section(title: str, lines: Callable[[], Iterator[str]]) -> bool:
    """Print some findings and say whether all went well."""
    print(title)
    try:
        for line in lines():
            print(f"  {line}")
    except EXPECTED as error:
        print(f"  {error}")
        return False
    return True


def _devices(wanted: str) -> Iterator[str]:
    import torch

    from sam2_torch.devices import choose_device, describe_devices

    for device in describe_devices():
        yield str(device)
    if not torch.cuda.is_available():
        built_for = torch.version.cuda or torch.version.hip
        yield "no cuda: " + (
            "no card or no driver is found"
            if built_for
            else "this PyTorch is built without it (see pytorch.org)"
        )
    chosen = choose_device(wanted)
    yield f"would use {chosen}, {_why(wanted, chosen)}"


def _why(wanted: str, chosen: "torch.device") -> str:
    if wanted != "auto":
        return "as --device says"
    if chosen.type == "cpu":
        return "as neither CUDA nor MPS is there"
    return "as it is the fastest that is there"


def _speed(device: str) -> Iterator[str]:
    from sam2_torch.checkpoints import load_sam2
    from sam2_torch.registry import find_model

    path = find_model("cells_nano").path
    if path is not None and path.is_file():
        yield f"{path} ({path.stat().st_size / 1e6:.0f} MB)"
    model = load_sam2("cells_nano", device)
    _time_image(model)  # the first one also warms up
    times = [_time_image(model)]
    while sum(sum(pair) for pair in times) < _SPEED_CHECK_S:
        times.append(_time_image(model))
    whole, click = (min(column) for column in zip(*times, strict=True))
    encode_ms, click_ms = 1000 * (whole - click), 1000 * click
    yield f"{encode_ms:.0f} ms for an image of {_SIDE} x {_SIDE}, {click_ms:.0f} ms for a click"


def _time_image(model: "SAM2") -> tuple[float, float]:
    """Time an image with a click, and one more click, in seconds."""
    from sam2_torch import ImageSession, PointPrompt

    y, x = np.mgrid[:_SIDE, :_SIDE]
    image = 200.0 * ((y - 200) ** 2 + (x - 300) ** 2 < 40**2) + 20 * np.sin(y / 9) * np.cos(x / 7)
    session = ImageSession(model, image)
    click = PointPrompt([(200, 300)], [1])
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        session.predict(click)  # its answer is on the host: the device is done
        seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]
