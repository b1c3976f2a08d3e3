"""Jobs on real Dask workers in processes of their own."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from distributed import LocalCluster

from napari_sam2.batch.cluster import Where, run_on_cluster, start_jobqueue
from napari_sam2.batch.jobs import Job
from napari_sam2.cli import main
from napari_sam2.io.read import read_movie

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


pytestmark = [
    # of distributed, after a connection that failed
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def nothing_left_running():
    """Allow Dask's threads, which run as long as the process."""


@pytest.fixture(scope="module")
def cluster():
    """Two workers; functions of this module reach them by value."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs="CRITICAL",
    ) as cluster:
        yield cluster
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def jobs(tmp_path):
    return [Job(tmp_path / f"{i}.tif", None, (tmp_path / f"{i}.out",)) for i in range(3)]


def outcomes(jobs, work, cluster, arguments=None):
    where = Where(scheduler=cluster.scheduler_address)
    return list(
        run_on_cluster(jobs, arguments or argparse.Namespace(), work, where, lambda *_: None)
    )


def write_pid(job, arguments, report):
    job.outputs[0].write_text(str(os.getpid()))
    return f"{job.source.name} done"


def test_jobs_run_in_other_processes(cluster, jobs):
    found = outcomes(jobs, write_pid, cluster)
    assert sorted(each.line for each in found) == ["0.tif done", "1.tif done", "2.tif done"]
    assert str(os.getpid()) not in {job.outputs[0].read_text() for job in jobs}


def fail_one(job, arguments, report):
    if job.source.name == "1.tif":
        raise ValueError("1.tif: expected a whole TIFF, found half of one")
    return "done"


def test_one_that_fails_does_not_stop_the_others(cluster, jobs):
    found = outcomes(jobs, fail_one, cluster)
    (failed,) = [each for each in found if each.error is not None]
    assert failed.job == jobs[1] and "found half of one" in str(failed.error)
    assert [each.line for each in found if each.error is None] == ["done", "done"]


def die_once(job, arguments, report):
    tried = job.outputs[0].with_suffix(".tried")
    if job.source.name == "0.tif" and not tried.exists():
        tried.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    job.outputs[0].write_text(str(os.getpid()))
    return "done"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_the_job_of_a_worker_that_dies_is_run_by_another(cluster, jobs):
    found = outcomes(jobs, die_once, cluster)
    assert [each.error for each in found] == [None] * 3
    tried = jobs[0].outputs[0].with_suffix(".tried").read_text()
    assert jobs[0].outputs[0].read_text() != tried


def end_or_wait(job, arguments, report):
    other = job.source.with_name("1.tif")
    if job.source != other:
        while not other.exists():
            time.sleep(0.02)
        return "done"
    job.source.write_text("started")
    with report.progress("frame") as progress:
        for frame in range(3000):
            time.sleep(0.02)
            try:
                progress(frame, 3000)
            except RuntimeError as error:
                job.outputs[0].write_text(str(error))
                raise
    return "never"


def test_running_jobs_stop_when_the_batch_is_stopped(cluster, jobs):
    where = Where(scheduler=cluster.scheduler_address)
    shown = []
    running = run_on_cluster(
        jobs[:2], argparse.Namespace(), end_or_wait, where, lambda *each: shown.append(each)
    )
    assert next(running).line == "done"
    running.close()
    assert "1.tif: stopped" in jobs[1].outputs[0].read_text()
    assert shown[0][0] == "scheduler" and "tcp://127.0.0.1" in shown[0][1]


def test_no_scheduler_is_told(jobs, monkeypatch):
    monkeypatch.setattr("napari_sam2.batch.cluster._CONNECT_S", 0.5)
    where = Where(scheduler="tcp://127.0.0.1:9")
    with pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:9: expected a Dask scheduler"):
        list(run_on_cluster(jobs, argparse.Namespace(), write_pid, where, lambda *_: None))


def test_the_command_gives_the_same_masks_as_here_and_skips_what_is_done(
    cluster, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    pixels = np.zeros((3, 40, 60), np.uint16)
    pixels[:, 8:20, 10:24] = 900
    for name in "ab":
        np.save(f"{name}.npy", pixels)
    Path("p.csv").write_text("object,frame,kind,y,x,label\n1,0,point,14,17,1\n")
    command = ["track", "*.npy", "--prompts", "p.csv", "--device", "cpu", "--precision", "float32"]
    assert main([*command, "-o", "here"]) == 0
    there = ["-o", "there", "--formats", "tif,csv", "--scheduler", cluster.scheduler_address]
    assert main([*command, *there]) == 0
    for name in "ab":
        expected = np.asarray(read_movie(f"here/{name}.tif"))
        assert expected.any()
        np.testing.assert_array_equal(read_movie(f"there/{name}.tif"), expected)
        assert "1 object in 3 frames" in Path(f"there/logs/{name}.tif.log").read_text()
    capsys.readouterr()
    assert main([*command, *there]) == 0
    assert capsys.readouterr().err.count("exists: skipped") == 2


@pytest.mark.parametrize(
    ("name", "directives"),
    [
        ("slurm", ["#SBATCH -p gpu", "#SBATCH --gres=gpu:1", "#SBATCH -t 08:00:00"]),
        ("lsf", ["#BSUB -q gpu", "#BSUB -W 08:00"]),
        ("pbs", ["#PBS -q gpu", "#PBS -l walltime=08:00:00"]),
        ("sge", ["#$ -q gpu", "#$ -l h_rt=08:00:00"]),
    ],
)
def test_an_example_of_each_kind_of_cluster_makes_its_job_script(name, directives):
    pytest.importorskip("dask_jobqueue")
    with start_jobqueue(EXAMPLES / f"{name}.yaml", n_jobs=0) as cluster:
        script = cluster.job_script()
    assert all(line in script for line in directives), script
    assert "--resources GPU=1" in script


@pytest.mark.parametrize("text", ["slurm", "nothing: {}", "slurm: {}\nlsf: {}", "slurm: ["])
def test_a_wrong_file_for_a_cluster_is_told(tmp_path, text):
    pytest.importorskip("dask_jobqueue")
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"c\.yaml: expected a YAML file with one of slurm"):
        start_jobqueue(tmp_path / "c.yaml")
