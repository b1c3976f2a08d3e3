"""Inputs and outputs of a command, decided and checked before any work; and running the jobs."""

import glob
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_sam2 import __version__
from napari_sam2.cli.errors import DONE, EXPECTED, report
from napari_sam2.io.files import natural_key, stem, suffix
from napari_sam2.io.outputs import check_apart, check_outputs
from napari_sam2.io.sessions.saved_sessions import sessions_folder
from napari_sam2.io.sessions.session_files import SUFFIX
from napari_sam2.io.sessions.session_tracks import write_tracked_session
from napari_sam2.io.tracks.formats import FOLDERS, export, find_format
from napari_sam2.tracks.tracked_movie import Tracked

_PROMPT_SUFFIXES = (".csv", ".tif", ".tiff", ".ome.tif", ".ome.tiff", ".npy", ".png")


@dataclass(frozen=True)
class Job:
    """One input with its prompts and its output.

    Parameters
    ----------
    source, prompts, output
        The files; prompts are None for a command that needs none.
    finished
        Whether the output is there already and is left alone.
    """

    source: Path
    prompts: Path | None
    output: Path
    finished: bool = False


def plan_jobs(
    inputs: Sequence[str],
    prompts: str | None,
    output: str,
    overwrite: bool = False,
    beside: Callable[[Path], Sequence[Path]] = lambda _: (),
) -> list[Job]:
    """Return the jobs of a command, after checking that all outputs can be written.

    One input and an output file make one job. Several inputs, a pattern, or an output folder
    make a job for each input, with an output of its stem in the folder; finished ones are marked.

    Parameters
    ----------
    inputs
        Files, folders of images, or patterns such as "data/*.tif".
    prompts
        One file for all, or a folder with a file of each input's stem; None for none.
    output
        A file or a folder.
    overwrite
        As for `check_outputs`; no job counts as finished then.
    beside
        Files that the command writes beside an output, beyond those of its format.

    Raises
    ------
    FileNotFoundError
        If an input or its prompts are not there.
    ValueError
        If the output does not fit the inputs, or would overwrite one.
    OSError
        If an output cannot be written.
    """
    sources = [path for text in inputs for path in expand_inputs(text)]
    several = len(sources) > 1 or not Path(inputs[0]).exists()
    is_folder = os.path.isdir(output) and suffix(Path(output)) not in FOLDERS
    folder = several or output.endswith(("/", os.sep)) or is_folder
    outputs = _outputs_in(Path(output), sources) if folder else [checked_file(Path(output))]
    jobs = [
        Job(
            source,
            None if prompts is None else _prompts_for(source, Path(prompts)),
            path,
            folder and os.path.exists(path) and not overwrite,
        )
        for source, path in zip(sources, outputs, strict=True)
    ]
    written = [
        file
        for job in jobs
        if not job.finished
        for file in (*find_format(job.output).files(job.output), *beside(job.output))
    ]
    read = [path for job in jobs for path in (job.source, job.prompts) if path is not None]
    for job in jobs:  # of finished ones, too: what is skipped must not be an input
        check_apart(job.output, read)
    check_outputs(written, read, overwrite)
    return jobs


def expand_inputs(text: str) -> list[Path]:
    """Return the files that a path or a pattern stands for.

    Parameters
    ----------
    text
        A path, or a pattern such as data/*.tif.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    if Path(text).exists():
        return [Path(text)]
    found = sorted(map(Path, glob.glob(text, recursive=True)), key=natural_key)
    if not found:
        kind = "a pattern of files" if glob.has_magic(text) else "a file or a folder of images"
        raise FileNotFoundError(f"{text}: expected {kind}, found nothing")
    return found


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


def _outputs_in(folder: Path, sources: Sequence[Path]) -> list[Path]:
    if (folder.exists() and not folder.is_dir()) or suffix(folder) in (".tif", ".tiff"):
        raise ValueError(
            f"{folder}: expected a folder for the outputs of several inputs, found a file's name"
        )
    outputs: dict[Path, Path] = {}
    for source in sources:
        path = folder / f"{stem(source)}.tif"
        if path in outputs:
            raise ValueError(
                f"{source}: expected inputs with different names, found {outputs[path]} of the "
                f"same; both would become {path}"
            )
        outputs[path] = source
    return list(outputs)


def _prompts_for(source: Path, prompts: Path) -> Path:
    if not prompts.is_dir():
        if not prompts.exists():
            raise FileNotFoundError(f"{prompts}: expected prompts, found nothing")
        return prompts
    candidates = [prompts / f"{stem(source)}{kind}" for kind in _PROMPT_SUFFIXES]
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        raise FileNotFoundError(
            f"{source}: expected prompts {candidates[0]} or with one of "
            f"{', '.join(_PROMPT_SUFFIXES[1:])}, found nothing"
        )
    return found


def run_all(jobs: Sequence[Job], run: Callable[[Job, str], None]) -> int:
    """Run all jobs; of several, one that fails does not stop the others.

    Parameters
    ----------
    jobs
        Finished ones are left out.
    run
        Gets a job and what to call it, "[2/3] ", where there are several.

    Returns
    -------
    The exit code.
    """
    code = DONE
    for number, job in enumerate(jobs, start=1):
        which = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
        if job.finished:
            print_status(f"{which}{job.output} exists: skipped (--overwrite makes it again)")
            continue
        try:
            run(job, which)
        except EXPECTED as error:
            if len(jobs) == 1:
                raise
            code = code or report(error, about=str(job.source))
    return code


def write_output(job: Job, tracked: Tracked) -> None:
    """Write the result of a job; if that fails, keep it as a session and print where.

    Parameters
    ----------
    job
        Whose output it is.
    tracked
        The result, with its movie.
    """
    try:
        export(job.output, tracked)
    except (*EXPECTED, KeyboardInterrupt):
        kept = _keep(job, tracked)
        if kept is not None:
            print_status(
                f"{job.output} could not be written; the masks are kept in {kept}, to be opened in "
                f"the plugin or by: napari-sam2 export {kept} --movie {job.source} -o OUT"
            )
        raise


def _keep(job: Job, tracked: Tracked) -> Path | None:
    """Write a session beside the output, or where else there is room; None if nowhere."""
    if not tracked.masklets.object_ids:
        return None
    for folder in (job.output.parent, sessions_folder(), Path(tempfile.gettempdir())):
        name = f"{stem(job.source)[:100]}-{datetime.now():%Y%m%d-%H%M%S}{SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            software = f"napari-sam2 {__version__}"
            write_tracked_session(folder / name, tracked, stem(job.source), software)
        except OSError:
            continue
        return folder / name
    return None


def print_status(text: str) -> None:
    """Print on stderr what is going on: stdout is for results."""
    print(text, file=sys.stderr, flush=True)
