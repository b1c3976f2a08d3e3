"""Run the jobs of a command, and show on the terminal how they get on."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tqdm import tqdm

from napari_sam2 import __version__
from napari_sam2.api.progress import progress_bar
from napari_sam2.batch.cluster import Where, run_on_cluster
from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import EXPECTED, Outcome, Report, Work
from napari_sam2.batch.run import run_here
from napari_sam2.cli import errors
from napari_sam2.cli.errors import DONE, FAILED
from napari_sam2.io.files import stem
from napari_sam2.io.sessions.saved_sessions import sessions_folder
from napari_sam2.io.sessions.session_files import SUFFIX
from napari_sam2.io.sessions.session_tracks import write_tracked_session
from napari_sam2.io.tracks.formats import export
from napari_sam2.tracks.tracked_movie import Tracked


def run_jobs(jobs: Sequence[Job], arguments: argparse.Namespace, work: Work) -> int:
    """Run the jobs of a command, here or on workers; one that fails does not stop the others.

    Parameters
    ----------
    jobs
        As planned.
    arguments
        Of the command line.
    work
        Runs one job.

    Returns
    -------
    The exit code: 1 if one of several jobs failed.

    Raises
    ------
    Exception
        What stopped the job, if it is the only one.
    """
    where = Where(arguments.workers, arguments.scheduler, arguments.cluster)
    if where.is_here:
        numbers = {id(job): number for number, job in enumerate(jobs, start=1)}

        def report_for(job: Job) -> Report:
            which = f"[{numbers[id(job)]}/{len(jobs)}] " if len(jobs) > 1 else ""
            return Report(lambda text: print_status(which + text), progress_bar)

        return _show(run_here(jobs, arguments, work, report_for), len(jobs), print_status)
    with _running(len(jobs)) as (show, end_one):
        outcomes = run_on_cluster(jobs, arguments, work, where, show)
        return _show(outcomes, len(jobs), end_one)


def _show(outcomes: Iterator[Outcome], n_jobs: int, end_one: Callable[[str], None]) -> int:
    """Print a line for each outcome, and all failures once more at the end."""
    failed = []
    for number, outcome in enumerate(outcomes, start=1):
        which = f"[{number}/{n_jobs}] " if n_jobs > 1 else ""
        job, error = outcome.job, outcome.error
        if error is not None:
            if n_jobs == 1:
                raise error
            failed.append(outcome)
            end_one(f"{which}{job.source}: failed")
        elif outcome.line:
            end_one("") if n_jobs == 1 else end_one(f"{which}{outcome.seconds:.0f} s")
            print(outcome.line, flush=True)
        else:
            end_one(f"{which}{job.named_outputs} exists: skipped (--overwrite makes it again)")
    if failed:
        print_status(f"{len(failed)} of {n_jobs} failed:")
        for outcome in failed:
            assert outcome.error is not None
            errors.report(outcome.error, about=str(outcome.job.source))
    return FAILED if failed else DONE


@contextmanager
def _running(n_jobs: int) -> Iterator[tuple[Callable[[str, str], None], Callable[[str], None]]]:
    """Show a bar of the jobs that are done, and beside it what runs now."""
    now: dict[str, str] = {}
    with tqdm(total=n_jobs, unit="job", file=sys.stderr, dynamic_ncols=True) as bar:

        def show(name: str, text: str) -> None:
            if name in ("scheduler", "cluster"):
                bar.write(f"{name} {text}", file=sys.stderr)
                return
            now[name] = text
            bar.set_postfix_str(" · ".join(f"{each} {at}" for each, at in now.items()))

        def end_one(line: str) -> None:
            bar.update()
            bar.write(line, file=sys.stderr)

        yield show, end_one


def write_output(job: Job, tracked: Tracked, report: Report) -> None:
    """Write the result of a job; if that fails, keep it as a session and report where.

    Parameters
    ----------
    job
        Whose outputs they are.
    tracked
        The result, with its movie.
    report
        Gets the place.
    """
    output = job.outputs[0]
    try:
        for output in job.outputs:
            output.parent.mkdir(parents=True, exist_ok=True)
            export(output, tracked)
    except (*EXPECTED, KeyboardInterrupt):
        kept = _keep(job, output.parent, tracked)
        if kept is not None:
            report.write(
                f"{output} could not be written; the masks are kept in {kept}, to be opened in "
                f"the plugin or by: napari-sam2 export {kept} --movie {job.source} -o OUT"
            )
        raise


def _keep(job: Job, beside: Path, tracked: Tracked) -> Path | None:
    """Write a session beside the output, or where else there is room; None if nowhere."""
    if not tracked.masklets.object_ids:
        return None
    for folder in (beside, sessions_folder(), Path(tempfile.gettempdir())):
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
