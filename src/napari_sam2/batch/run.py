"""Run jobs one after the other in this process."""

import logging
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import EXPECTED, Outcome, Report, Work
from napari_sam2.io.outputs import SIGNATURE

_PACKAGES = ("napari_sam2", "sam2_torch")


def run_here(
    jobs: Iterable[Job], arguments: Any, work: Work, report_for: Callable[[Job], Report]
) -> Iterator[Outcome]:
    """Run jobs one after the other; one that fails does not stop the others.

    Parameters
    ----------
    jobs
        Finished ones are left out.
    arguments
        Of the command.
    work
        Runs one job.
    report_for
        Returns where a job reports to.

    Yields
    ------
    An outcome after each job.
    """
    for job in jobs:
        if job.finished:
            yield Outcome(job)
            continue
        start = time.perf_counter()
        try:
            line = run_job(job, arguments, work, report_for(job))
        except EXPECTED as error:
            yield Outcome(job, error=error, seconds=time.perf_counter() - start)
        else:
            yield Outcome(job, line, seconds=time.perf_counter() - start)


def run_job(job: Job, arguments: Any, work: Work, report: Report) -> str:
    """Run one job with its own options, and write its log.

    Parameters
    ----------
    job, arguments, work
        As for `run_here`.
    report
        Where the job reports to, beside its log.

    Returns
    -------
    The line about its result.
    """
    own = Namespace(**{**vars(arguments), **job.options})
    with _log_of(job) as log:

        def write(text: str) -> None:
            log.info(text)
            report.write(text)

        try:
            line = work(job, own, replace(report, write=write))
        except BaseException as error:  # also what stops it: passed on after it is in the log
            log.error("%s: %s", type(error).__name__, error, exc_info=True)
            raise
        log.info(line)
        return line


@contextmanager
def _log_of(job: Job) -> Iterator[logging.Logger]:
    """Open the log of a job, which gets the warnings of both packages, too."""
    log = logging.Logger(str(job.source))
    log.addHandler(logging.NullHandler())
    if job.log is None:
        yield log
        return
    job.log.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(job.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [log, *map(logging.getLogger, _PACKAGES)]
    for each in loggers:
        each.addHandler(handler)
    log.info("%s (log %s)", job.source, SIGNATURE)
    try:
        yield log
    finally:
        for each in loggers:
            each.removeHandler(handler)
        handler.close()
