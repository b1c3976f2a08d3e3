"""`napari-sam2 doctor`: what is installed, what computes, how fast, and what is missing."""

import argparse
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from napari_sam2 import __version__
from napari_sam2.batch.outcomes import EXPECTED
from napari_sam2.cli.errors import DONE, FAILED

if TYPE_CHECKING:
    import torch

_NEEDED = ("numpy", "scipy", "scikit-image", "tifffile", "pillow", "tqdm", "safetensors", "torch")
_QT = ("PyQt6", "PySide6", "PyQt5")
_FIXES = {
    "napari": 'the command line works without; for the widget: pip install "napari[all]"',
    "Qt": 'napari needs one: pip install "napari[all]", or pip install pyqt6',
    "imagecodecs": "only for TIFFs compressed with LZW, JPEG and the like: pip install imagecodecs",
}

HELP = "print versions, devices, speed and missing packages"
DESCRIPTION = "Print versions, devices, a short speed check and what is missing."
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 doctor`; the exit code is 1 if tracking cannot work."""
    missing = [name for name in _NEEDED if _version(name) is None]
    _print_versions()
    works = not missing
    if "torch" not in missing:
        works &= _print_section("devices", lambda: _devices(arguments.device))
        _print_section("models (details: `napari-sam2 models`)", _models)
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
    """Print a section and return whether it succeeded."""
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

    from sam2_torch.runtime.devices import choose_device, describe_devices

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
        return "as given by --device"
    if chosen.type == "cpu":
        return "as neither CUDA nor MPS is there"
    return "as it is the fastest that is there"


def _speed(device: str) -> Iterator[str]:
    from sam2_torch.checkpoints.loading import load_sam2
    from sam2_torch.models.registry import find_model
    from sam2_torch.models.speed_records import write_speed
    from sam2_torch.sessions.speed_check import measure_speed

    path = find_model("cells_nano").path
    if path is not None and path.is_file():
        yield f"{path} ({path.stat().st_size / 1e6:.0f} MB)"
    model = load_sam2("cells_nano", device, "fast")
    speed = measure_speed(model)
    yield str(speed)
    write_speed(model.config, speed)


def _models() -> Iterator[str]:
    from sam2_torch.models.model_list import list_models

    models, problems = list_models()
    for model in models:
        if model.path is not None:
            speed = "; ".join(map(str, model.speeds)) or "speed not measured"
            size = "" if model.size_bytes is None else f", {model.size_bytes / 1e6:.0f} MB"
            yield f"{model.entry.name}: {model.where}{size}, {speed}"
        elif model.unfinished:
            yield f"{model.entry.name}: {model.unfinished / 1e6:.1f} MB of it downloaded"
    others = [m.entry.name for m in models if m.can_download and not m.unfinished]
    if others:
        yield f"not downloaded: {', '.join(others)}"
    yield from problems
