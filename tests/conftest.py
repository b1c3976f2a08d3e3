"""Guards around every test: private napari settings, few torch threads, nothing left running."""

import gc
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for the modules that tests of several rooms share
pytest_plugins = ("loopback_hub",)

# torch reads it once, when it is imported; threads that wait for a core that they share spin
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # whatever the process that started this one has
else:
    os.environ.setdefault("OMP_NUM_THREADS", "2")

NEEDS_NAPARI = {"layers", "widgets", "test_manifest.py", "test_napari_reader.py"}
"""Folders and files of tests that cannot run where napari cannot be imported."""

# Threads that libraries start once and keep
LIBRARY_THREADS = ("asyncio_", "fsspec", "zarr_", "pytest_timeout", "pydevd", "IPythonHistory")
LIBRARY_MODULES = ("tqdm.", "ipykernel.", "zmq.", "tornado.")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the developer's settings and caches out of the tests and the tests out of them."""
    folder = tempfile.TemporaryDirectory(prefix="napari-sam2-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["NAPARI_SAM2_CACHE"] = os.path.join(folder.name, "cache")
    os.environ["NAPARI_CONFIG"] = os.path.join(folder.name, "settings.yaml")
    os.environ["NAPARI_SAM2_SESSIONS"] = os.path.join(folder.name, "sessions")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests of the interface where scripts/test.sh found that Qt does not start."""
    has_qt = config.pluginmanager.hasplugin("pytest-qt")
    return True if NEEDS_NAPARI & set(collection_path.parts) and not has_qt else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` without a GPU, and tests of the canvas without OpenGL."""
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        for item in items:
            if "make_napari_viewer" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="needs a screen with OpenGL"))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def start(tmp_path: Path) -> str:
    """Checkpoint of a network that trains in milliseconds."""
    import torch
    from tests.tiny_network import TINY

    from sam2_torch import SAM2
    from sam2_torch.checkpoints.loading import save_checkpoint

    torch.manual_seed(0)
    save_checkpoint(SAM2(TINY), tmp_path / "tiny.safetensors")
    return str(tmp_path / "tiny.safetensors")


@pytest.fixture(autouse=True, scope="module")
def frozen() -> None:
    """Let the garbage collector skip what was imported before this file.

    A collection goes through a million objects then, for a second; napari, distributed and the
    benchmarks collect often.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Fail a test that leaves a thread or a napari worker behind (and stop the worker)."""
    before = set(threading.enumerate())
    yield
    workers = _stop_napari_workers()
    threads = [thread for thread in set(threading.enumerate()) - before if _is_ours(thread)]
    for thread in threads:
        thread.join(timeout=2)  # one that is about to end is fine
    left = workers + [thread.name for thread in threads if thread.is_alive()]
    assert not left, f"left running: {left}; stop them before the test ends"


def _is_ours(thread: threading.Thread) -> bool:
    dask_threads = sys.modules.get("dask.threaded")
    dask_pool = getattr(dask_threads, "default_pool", None)
    return not (
        type(thread).__name__ == "_DummyThread"  # Qt's own, seen because Python ran in it
        or type(thread).__module__.startswith(LIBRARY_MODULES)
        or thread.name.startswith(LIBRARY_THREADS)
        or thread in getattr(dask_pool, "_threads", ())
    )


def _stop_napari_workers() -> list[str]:
    qthreading = sys.modules.get("superqt.utils._qthreading")
    if qthreading is None:
        return []
    workers = qthreading.WorkerBase
    running = [repr(worker) for worker in list(workers._worker_set) if worker.is_running]
    workers.await_workers(msecs=2000)
    workers._worker_set.clear()
    return running
