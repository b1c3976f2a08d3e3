"""Run jobs on several processes or machines at once, with Dask."""

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.batch.jobs import Job
from napari_sam2.batch.outcomes import Outcome, Progress, Report, Work
from napari_sam2.batch.run import run_job
from napari_sam2.io.optional import library

if TYPE_CHECKING:
    from distributed import Client

GPU = "GPU"
"""The resource of a worker that has a GPU, one for each: `dask worker --resources GPU=1`."""

_CONNECT_S, _LOOK_S, _STOP_S = 10, 1.0, 10.0


class Stopped(RuntimeError):
    """Raised within a job when the batch is stopped."""


@dataclass(frozen=True)
class Where:
    """Where a batch runs.

    Parameters
    ----------
    workers
        Processes on this machine; None for one process for each GPU, or a single one.
    scheduler
        Address of a running Dask scheduler, for example tcp://host:8786.
    cluster
        File with the settings of a cluster that dask-jobqueue starts, see `start_jobqueue`.
    """

    workers: int | None = None
    scheduler: str | None = None
    cluster: Path | None = None

    @property
    def is_here(self) -> bool:
        """Whether this process does the work."""
        return self.scheduler is None and self.cluster is None and (self.workers or 1) < 2


def run_on_cluster(
    jobs: Sequence[Job],
    arguments: Any,
    work: Work,
    where: Where,
    show: Callable[[str, str], None],
) -> Iterator[Outcome]:
    """Run jobs on Dask workers; each job is one task.

    A job whose worker dies is run again on another one, three times at most. Workers read the
    inputs and write the outputs themselves, so they need the same paths; only lines of text come
    back.

    Parameters
    ----------
    jobs
        Finished ones are left out.
    arguments, work
        As for `run_here`.
    where
        The workers.
    show
        Called with the name of an input and what goes on there, from another thread.

    Yields
    ------
    An outcome for each job, in the order in which they end.

    Raises
    ------
    ImportError
        If `distributed` or `dask-jobqueue` is missing.
    OSError
        If there is no scheduler at the address.
    """
    open_jobs = [job for job in jobs if not job.finished]
    yield from (Outcome(job) for job in jobs if job.finished)
    if not open_jobs:
        return
    with _client(where, len(open_jobs), show) as client:
        yield from _run(client, open_jobs, arguments, work, where, show)


def _run(
    client: "Client",
    jobs: Sequence[Job],
    arguments: Any,
    work: Work,
    where: Where,
    show: Callable[[str, str], None],
) -> Iterator[Outcome]:
    from distributed import CancelledError, Event, as_completed

    topic = f"napari-sam2-{uuid.uuid4()}"
    client.subscribe_topic(topic, lambda event: show(*event[1]))
    n_threads = max(1, (os.cpu_count() or 1) // where.workers) if where.workers else None
    task = partial(_run_on_worker, work=work, topic=topic, n_threads=n_threads)
    has_gpus = any(GPU in one["resources"] for one in client.scheduler_info()["workers"].values())
    futures = {
        client.submit(
            task,
            *_anywhere(job, arguments),
            pure=False,
            resources={GPU: 1} if has_gpus else None,
        ): job
        for job in jobs
    }
    try:
        for future in as_completed(futures, loop=client.loop):
            error = future.exception()
            line, seconds = ("", 0.0) if error is not None else future.result()
            job = futures.pop(future)
            if isinstance(error, CancelledError):
                error = ConnectionError(
                    "the scheduler was lost; the same command goes on with what is not finished"
                )
            yield Outcome(job, line, error, seconds)
    finally:
        if futures:  # stopped before the end: running jobs stop at their next frame
            Event(topic, client=client).set()
            end = time.monotonic() + _STOP_S
            while time.monotonic() < end and not all(future.done() for future in futures):
                time.sleep(0.1)
            client.cancel(list(futures))


def _anywhere(job: Job, arguments: Any) -> tuple[Job, Any]:
    """Return a job and its arguments with paths that hold in a process with another folder."""
    own = type(arguments)(**vars(arguments))
    for name in ("model", "embeddings"):
        path = getattr(own, name, None)
        if path and os.path.exists(path):
            setattr(own, name, os.path.abspath(path))
    placed = replace(
        job,
        source=job.source.absolute(),
        prompts=job.prompts and job.prompts.absolute(),
        outputs=tuple(path.absolute() for path in job.outputs),
        log=job.log and job.log.absolute(),
    )
    return placed, own


def _run_on_worker(
    job: Job, arguments: Any, *, work: Work, topic: str, n_threads: int | None
) -> tuple[str, float]:
    """Run a job in a worker's process; return the line about it, and its seconds."""
    import torch
    from distributed import Event, get_client, get_worker

    worker, start = get_worker(), time.perf_counter()
    stop = Event(topic, client=get_client())
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    if getattr(arguments, "device", None) == "auto" and torch.cuda.device_count() > 1:
        number = sum(map(ord, str(worker.name)))  # neighbours' names differ by one
        arguments.device = f"cuda:{number % torch.cuda.device_count()}"
    looked = 0.0

    def stop_if_wanted() -> None:
        if stop.is_set():
            raise Stopped(f"{job.source}: stopped; nothing of it was written")

    def progress(done: int, total: int) -> None:
        nonlocal looked
        if time.monotonic() > looked + _LOOK_S:
            looked = time.monotonic()
            worker.log_event(topic, (job.source.name, f"{done}/{total}"))
            stop_if_wanted()

    def counted(unit: str) -> nullcontext[Progress]:
        return nullcontext(progress)

    stop_if_wanted()
    line = run_job(job, arguments, work, Report(write=lambda _: None, progress=counted))
    return line, time.perf_counter() - start


@contextmanager
def _client(where: Where, n_jobs: int, show: Callable[[str, str], None]) -> "Iterator[Client]":
    """Connect to the workers, or start them for as long as they are needed."""
    distributed = library("distributed", "distributed", "several workers", "cluster")
    if where.scheduler is not None:
        try:
            client = distributed.Client(where.scheduler, timeout=_CONNECT_S, set_as_default=False)
        except OSError as error:
            raise ConnectionError(
                f"{where.scheduler}: expected a Dask scheduler, found none within {_CONNECT_S} s "
                f"({error or type(error).__name__})"
            ) from error
        with client:
            show("scheduler", f"{where.scheduler}, dashboard {client.dashboard_link}")
            yield client
        return
    starts = start_jobqueue(where.cluster) if where.cluster else _start_here(where, n_jobs)
    with starts as cluster, distributed.Client(cluster, set_as_default=False) as client:
        if where.cluster:
            show("cluster", f"{where.cluster}, dashboard {client.dashboard_link}")
        yield client


def _start_here(where: Where, n_jobs: int) -> Any:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=min(where.workers or 1, n_jobs),
        threads_per_worker=1,  # PyTorch has threads of its own
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        memory_limit=None,
        silence_logs="CRITICAL",
    )


def start_jobqueue(path: Path, n_jobs: int | None = None) -> Any:
    """Start a cluster with dask-jobqueue from a YAML file.

    The file has one key, the kind of cluster (slurm, lsf, pbs, sge, htcondor, oar or moab), with
    the arguments of dask-jobqueue's class for it; `jobs`, beside it, is how many jobs of the
    cluster to start (default: 1).

    Parameters
    ----------
    path
        The file.
    n_jobs
        In place of the file's `jobs`.

    Returns
    -------
    The cluster.

    Raises
    ------
    ValueError
        If the file has something else.
    ImportError
        If dask-jobqueue is missing.
    """
    import yaml

    kinds = {
        "slurm": "SLURMCluster",
        "lsf": "LSFCluster",
        "pbs": "PBSCluster",
        "sge": "SGECluster",
        "htcondor": "HTCondorCluster",
        "oar": "OARCluster",
        "moab": "MoabCluster",
    }
    jobqueue = library("dask_jobqueue", "dask-jobqueue", "a cluster of jobs", "cluster")
    try:
        settings = yaml.safe_load(path.read_text())
        named = int(settings.pop("jobs", 1))
        ((kind, options),) = settings.items()
        cluster = getattr(jobqueue, kinds[kind])
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise ValueError(
            f"{path}: expected a YAML file with one of {', '.join(kinds)}, its options below it, "
            f"and jobs, found something else ({error})"
        ) from error
    options = {"scheduler_options": {"dashboard_address": ":0"}} | (options or {})
    started = cluster(**options)
    started.scale(jobs=named if n_jobs is None else n_jobs)
    return started
