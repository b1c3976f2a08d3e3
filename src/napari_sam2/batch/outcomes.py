"""What came of the jobs of a batch."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from napari_sam2.batch.jobs import Job

EXPECTED = (ValueError, KeyError, RuntimeError, OSError, ImportError, MemoryError)
"""Errors that are shown as a sentence; others are faults of the program, with a traceback."""

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class Report:
    """Where a job reports its progress.

    Parameters
    ----------
    write
        Called with lines about the input, the model, and the estimate of a run.
    progress
        Called with the unit that is counted; gives a context with a function that is called with
        how many are done and how many there are.
    """

    write: Callable[[str], None]
    progress: Callable[[str], AbstractContextManager[Progress]]


Work: TypeAlias = Callable[["Job", Any, Report], str]
"""A function of a module (processes find it by its name) that runs a job with the arguments of
its command, and returns the line about its result."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Parameters
    ----------
    job
        The job.
    line
        About its result; empty if it failed or was finished before.
    error
        Why it failed, or None.
    seconds
        How long it took.
    """

    job: "Job"
    line: str = ""
    error: BaseException | None = None
    seconds: float = 0.0
