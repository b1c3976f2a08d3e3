"""`napari-sam2 models`: what can be had by name, and what of it is on this machine."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

from napari_sam2.cli.errors import DONE, FAILED, WRONG_USE
from sam2_torch.models.registry import ENTRY_POINTS, find_model, read_registry, registry_file

if TYPE_CHECKING:
    from sam2_torch.models.http_transfer import Progress
    from sam2_torch.models.model_entry import ModelEntry
    from sam2_torch.models.model_list import ModelStatus

HELP = "list, download, verify and remove models"
DESCRIPTION = "Models that can be had by name, and what of them is on this machine."

EPILOG = f"""\
list            all models, and which of them are on this machine (the default)
download NAME   fetch models now, for a machine or a time without network
path NAME       print where a model's file is, fetching it if need be
verify [NAME]   compare files with their checksums (default: of all that are here)
speed [NAME]    measure models on this machine (default: all that are here)
remove NAME     delete what was downloaded

Downloads live in Hugging Face's cache: HF_HOME moves it, HF_ENDPOINT names a mirror,
HF_HUB_OFFLINE=1 does what --local-only does, HTTPS_PROXY is honoured. Your own models:
{registry_file()} (or the file that NAPARI_SAM2_MODELS names),
or entry points of the group {ENTRY_POINTS}; see docs/models.md.
"""
_HEADER = ("name", "parameters", "size", "licence", "where", "speed", "description")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("action", metavar="ACTION", nargs="?", choices=_ACTIONS, default="list")
    parser.add_argument("names", metavar="NAME", nargs="*", help="of models")
    parser.add_argument("--device", default="auto", help="to measure on (default: auto)")
    parser.add_argument("--local-only", action="store_true", help="never touch the network")


def run(arguments: argparse.Namespace) -> int:
    """Run `napari-sam2 models`."""
    return _ACTIONS[arguments.action](arguments)


@contextmanager
def download_bar(name: str) -> "Iterator[Progress]":
    """Show a bar on stderr while a model is downloaded; nothing if it is here already."""
    bars: list[tqdm[None]] = []

    def progress(done: int, total: int | None) -> None:
        if not bars:
            bars.append(
                tqdm(desc=name, unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True)
            )
        bars[0].total = total
        bars[0].update(done - bars[0].n)

    try:
        yield progress
    finally:
        for bar in bars:
            bar.close()


def _list(arguments: argparse.Namespace) -> int:
    from sam2_torch.models.model_list import model_status

    rows = [_HEADER, *(_row(model_status(entry)) for entry in _chosen(arguments, default=True))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        cells = map(_aligned, row, widths, _HEADER)
        print("  ".join(cells).rstrip())
    problems = read_registry().problems
    for problem in problems:
        print(f"napari-sam2: {problem}", file=sys.stderr)
    return WRONG_USE if problems else DONE


def _aligned(text: str, width: int, column: str) -> str:
    return text.rjust(width) if column in ("parameters", "size") else text.ljust(width)


def _row(model: "ModelStatus") -> tuple[str, ...]:
    entry = model.entry
    parameters = "?" if entry.parameters is None else f"{entry.parameters / 1e6:.1f} M"
    megabytes = "?" if model.size_bytes is None else f"{model.size_bytes / 1e6:.0f} MB"
    speed = "; ".join(map(str, model.speeds)) or "not measured"
    return entry.name, parameters, megabytes, entry.licence, model.where, speed, entry.summary


def _download(arguments: argparse.Namespace) -> int:
    from sam2_torch.models.downloads import fetch

    for entry in _chosen(arguments):
        with download_bar(entry.name) as progress:
            path = fetch(entry, local_only=arguments.local_only, progress=progress)
        print(path)
    return DONE


def _remove(arguments: argparse.Namespace) -> int:
    from sam2_torch.models.model_cache import remove

    for entry in _chosen(arguments):
        freed = remove(entry)
        print(
            f"{entry.name}: "
            + (f"{freed / 1e6:.0f} MB freed" if freed else "nothing of it was downloaded")
        )
    return DONE


def _verify(arguments: argparse.Namespace) -> int:
    from sam2_torch.models.model_cache import find_file, verify

    entries = _chosen(arguments, default=True)
    results = [(entry, verify(entry)) for entry in entries if arguments.names or find_file(entry)]
    for entry, result in results:
        if result.is_intact is None:
            print(f"{entry.name}: no checksum is known; it has sha256 {result.sha256}")
        elif result.is_intact:
            print(f"{entry.name}: intact, sha256 {result.sha256}")
        else:
            print(
                f"{entry.name}: {result.path} is damaged: expected sha256 {result.expected}, "
                f"found {result.sha256}; remove it and download it again"
            )
    return FAILED if any(result.is_intact is False for _, result in results) else DONE


def _speed(arguments: argparse.Namespace) -> int:
    from sam2_torch.checkpoints.loading import load_model
    from sam2_torch.models.model_cache import find_file
    from sam2_torch.models.speed_records import write_speed
    from sam2_torch.sessions.speed_check import measure_speed

    for entry in _chosen(arguments, default=True):
        if arguments.names or find_file(entry):
            with download_bar(entry.name) as progress:
                model = load_model(
                    entry.name,
                    arguments.device,
                    "fast",
                    local_only=arguments.local_only,
                    progress=progress,
                )
            speed = measure_speed(model)
            write_speed(model.config, speed)
            print(f"{entry.name}: {speed} ({speed.product})", flush=True)
    return DONE


def _chosen(arguments: argparse.Namespace, default: bool = False) -> "list[ModelEntry]":
    """Return the named models, or all of them if none is named and the action allows that."""
    if not arguments.names and not default:
        raise ValueError(f"models {arguments.action}: expected the name of a model, found none")
    names = arguments.names or read_registry().entries
    return [find_model(name) for name in names]


_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "download": _download,
    "path": _download,
    "verify": _verify,
    "speed": _speed,
    "remove": _remove,
}
