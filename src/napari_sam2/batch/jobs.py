"""Inputs and outputs of a command, decided and checked before any work."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_sam2.batch.items import Item, find_items
from napari_sam2.io.files import suffix
from napari_sam2.io.images.image_files import PICTURES, TIFFS
from napari_sam2.io.images.zarr_store import is_zarr
from napari_sam2.io.outputs import Inputs, check_apart, check_outputs
from napari_sam2.io.tracks.formats import FOLDERS, FORMATS, find_format

NAME = "{name}"
_LOGS = "logs"
_PROMPT_SUFFIXES = (".csv", ".tif", ".tiff", ".ome.tif", ".ome.tiff", ".npy", ".png")


@dataclass(frozen=True)
class Job:
    """One input with its prompts and its outputs.

    Parameters
    ----------
    source, prompts, outputs
        The files; prompts are None for a command that needs none.
    finished
        Whether all outputs are there already and are left alone.
    log
        The file that tells what happened to it; None for a single job.
    options
        Options of the command with another value for this job, by name.
    """

    source: Path
    prompts: Path | None
    outputs: tuple[Path, ...]
    finished: bool = False
    log: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def named_outputs(self) -> str:
        """The outputs, for a sentence."""
        return ", ".join(map(str, self.outputs))


def plan_jobs(  # what a command line gives
    inputs: Sequence[str],
    prompts: str | None,
    outputs: Sequence[str],
    overwrite: bool = False,
    beside: Callable[[Path], Sequence[Path]] = lambda _: (),
    formats: Sequence[str] = (),
) -> list[Job]:
    """Return the jobs of a command, after checking that all outputs can be written.

    One input and an output file make one job. Several inputs, formats, an output folder or an
    output with "{name}" in it make a job for each item, and a log for each in the folder `logs`
    of the outputs; finished jobs are marked.

    Parameters
    ----------
    inputs
        As for `find_items`.
    prompts
        One file for all, or a folder with a file of each item's name; None for none. Prompts
        in a job table take their place.
    outputs
        Files, one folder, or paths with "{name}" for the name of each item. None if a job table
        has the outputs of all items.
    overwrite
        As for `check_outputs`; no job counts as finished then.
    beside
        Files that the command writes beside an output, beyond those of its format.
    formats
        Suffixes of the outputs of each item in the folder; `.tif` by default.

    Raises
    ------
    FileNotFoundError
        If an input or its prompts are not there.
    ValueError
        If the output does not fit the inputs, would overwrite one, or the outputs of two items
        would be the same.
    OSError
        If an output cannot be written.
    """
    several = _are_for_several(outputs, formats)
    items = [item for text in inputs for item in find_items(text, every_position=several)]
    several = several or len(items) > 1 or not Path(inputs[0]).exists()
    planned = _outputs(items, outputs, formats, several)
    jobs = [
        Job(
            item.source,
            _prompts_of(item, prompts, several),
            paths,
            several and not overwrite and all(map(os.path.exists, paths)),
            paths[0].parent / _LOGS / f"{paths[0].name}.log" if several else None,
            item.options,
        )
        for item, paths in zip(items, planned, strict=True)
    ]
    given = [Path(text) for text in inputs if Path(text).exists()]  # also tables and stores
    _check(jobs, given, overwrite, beside)
    return jobs


def _are_for_several(outputs: Sequence[str], formats: Sequence[str]) -> bool:
    """Return whether outputs are a folder or patterns of names, of which there may be many."""

    def is_folder(output: str) -> bool:
        is_there = os.path.isdir(output) and suffix(Path(output)) not in FOLDERS
        return output.endswith(("/", os.sep)) or is_there

    return not outputs or bool(formats) or any(NAME in one or is_folder(one) for one in outputs)


def _outputs(
    items: Sequence[Item], outputs: Sequence[str], formats: Sequence[str], several: bool
) -> list[tuple[Path, ...]]:
    if not several:
        return [items[0].outputs or tuple(checked_file(Path(output)) for output in outputs)]
    ends = [checked_suffix(text) for text in formats]
    found: list[tuple[Path, ...]] = []
    names: dict[Path, Item] = {}
    for item in items:
        paths = item.outputs or _outputs_of(item, outputs, ends)
        for path in paths:
            find_format(path)
            if path in names:
                raise ValueError(
                    f"{item.source}: expected inputs with different names, found "
                    f"{names[path].source} of the same; both would become {path}"
                )
            names[path] = item
        found.append(paths)
    return found


def _outputs_of(item: Item, outputs: Sequence[str], ends: Sequence[str]) -> tuple[Path, ...]:
    if not outputs:
        raise ValueError(
            f"{item.source}: expected an output, in -o or in the job table, found none"
        )
    if all(NAME in output for output in outputs):
        paths = [Path(output.replace(NAME, item.name)) for output in outputs]
        return tuple(path.with_name(path.name + end) for path in paths for end in (ends or ("",)))
    folder = Path(outputs[0])
    if len(outputs) > 1:
        raise ValueError(
            "outputs: expected one folder, or files with {name} in them, for several inputs; found "
            + ", ".join(outputs)
        )
    if (folder.exists() and not folder.is_dir()) or suffix(folder) in (*FORMATS, ".tiff"):
        raise ValueError(
            f"{folder}: expected a folder for the outputs of several inputs, found a file's name"
        )
    return tuple(folder / f"{item.name}{end}" for end in ends or (".tif",))


def checked_suffix(text: str) -> str:
    """Return the suffix of a format, with its dot.

    Parameters
    ----------
    text
        For example csv or .ome.zarr.

    Raises
    ------
    ValueError
        If no format has it.
    """
    end = f".{text.strip().lower().removeprefix('.')}"
    if end not in FORMATS:
        raise ValueError(f"formats: expected some of {', '.join(FORMATS)}, found {text!r}")
    return end


def checked_file(path: Path) -> Path:
    """Return the path of an output if its suffix is that of a format and its folder is there.

    Parameters
    ----------
    path
        The output.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    FileNotFoundError
        If there is no such folder.
    """
    find_format(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: expected a folder to write to, found no {path.parent}")
    return path


def _prompts_of(item: Item, given: str | None, several: bool) -> Path | None:
    if item.prompts is None and given is None:
        return None
    prompts = item.prompts or Path(given or "")
    if not prompts.is_dir() or is_zarr(prompts) or suffix(prompts) in FOLDERS:
        if not prompts.exists():
            raise FileNotFoundError(f"{prompts}: expected prompts, found nothing")
        return prompts
    inside = [path for path in prompts.iterdir() if path.name[0] != "."]
    named = {suffix(path): path for path in inside if _bare(path) == item.name}
    found = [named[kind] for kind in (*_PROMPT_SUFFIXES, *sorted(named)) if kind in named]
    if found:
        return found[0]
    if inside and not several and all(suffix(path) in (*PICTURES, *TIFFS) for path in inside):
        return prompts  # the frames of one movie
    raise FileNotFoundError(
        f"{item.source}: expected prompts {prompts / item.name}.csv or with one of "
        f"{', '.join(_PROMPT_SUFFIXES[1:])}, found nothing"
    )


def _bare(path: Path) -> str:
    return path.name[: len(path.name) - len(suffix(path))]


def _check(
    jobs: Sequence[Job],
    given: Sequence[Path],
    overwrite: bool,
    beside: Callable[[Path], Sequence[Path]],
) -> None:
    written: list[Path] = []
    for job in jobs:
        if not job.finished:
            for path in job.outputs:
                written += find_format(path).files(path)
            written += dict.fromkeys(file for path in job.outputs for file in beside(path))
            written += [job.log] if job.log is not None else []
    read = [path for job in jobs for path in (job.source, job.prompts) if path is not None]
    read += given
    inputs = Inputs(read)
    for job in jobs:  # of finished ones, too: what is skipped must not be an input
        for path in job.outputs:
            check_apart(path, inputs)
    check_outputs(written, read, overwrite)
