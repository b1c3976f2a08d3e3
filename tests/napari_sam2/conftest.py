"""What tests of the plugin need: sessions without a network, and a folder of sessions each."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # modules beside the tests: they are no package

from stub_session import StubSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared_viewer import SharedViewer


@pytest.fixture(autouse=True)
def own_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test find what another one saved."""
    monkeypatch.setenv("NAPARI_SAM2_SESSIONS", str(tmp_path / "sessions"))


@pytest.fixture
def qtbot(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Wait a minute instead of 5 s: a busy machine is slow."""
    monkeypatch.setattr(qtbot, "waitUntil", partial(qtbot.waitUntil, timeout=60_000))
    return qtbot


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the user's models."""
    from sam2_torch.models.registry import VARIABLE

    (tmp_path / "models.toml").write_text("[models]\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models.toml"))
    return tmp_path


@pytest.fixture
def viewer() -> Any:
    """A viewer without a window."""
    from napari.components import ViewerModel

    viewer = ViewerModel()
    yield viewer
    viewer.layers.clear()


@pytest.fixture(scope="session")
def shared_viewer(qapp: Any) -> "Iterator[SharedViewer]":
    """Lend one window of napari to all tests."""
    from qtpy.QtWidgets import QWidget
    from shared_viewer import SharedViewer

    def no_console(*_: Any) -> QWidget:
        widget = QWidget()
        widget._update_theme = lambda *_: None
        return widget

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda *_: None)
        patched.setattr("napari._qt.qt_viewer.QtViewer._get_console", no_console)
        shared = SharedViewer()
        yield shared
        shared.close()


@pytest.fixture
def make_napari_viewer(
    shared_viewer: "SharedViewer", qtbot: Any, request: pytest.FixtureRequest
) -> "Iterator[Callable[..., Any]]":
    """Lend a viewer with a window: `make_napari_viewer(show=True)`; see `SharedViewer.lend`.

    It takes the place of napari's own fixture, which opens and closes a window for each test.
    """

    def make(show: bool = False, fresh: bool = False) -> Any:
        viewer = shared_viewer.lend(show, fresh)
        if show:
            qtbot.waitExposed(viewer.window._qt_window)
        return viewer

    yield make
    left = shared_viewer.take_back()
    if not request.node.rep_call.failed:  # pytest keeps it then
        assert not left, f"left behind: {left}; release it before the test ends"


@pytest.fixture
def make_viewer(viewer: Any) -> Any:
    """Show an empty movie: `make_viewer(n_frames, **placement)`."""

    def make(n_frames: int, **placement: Any) -> Any:
        viewer.add_image(np.zeros((n_frames, 30, 50), np.uint16), name="movie", **placement)
        viewer.dims.set_point(0, 0)
        return viewer

    return make


@pytest.fixture
def make_session() -> Any:
    """Make stub sessions: `make_session(frames)`."""
    return lambda frames: StubSession(None, frames)


@pytest.fixture
def make_stub_owner() -> Any:
    """Make owners of stub sessions, one for each viewer: `make_stub_owner()`."""
    return _stub_owner


@pytest.fixture
def stub_owner() -> Any:
    """A session owner whose sessions are stubs; `.sessions` lists them, `.models` the models."""
    return _stub_owner()


def _stub_owner() -> Any:
    from napari_sam2.widgets.inference.session_owner import SessionOwner

    sessions: list[StubSession] = []
    models: list[tuple[str, str]] = []

    def load(name: str, device: str) -> str:
        models.append((name, device))
        if name == "missing.pt":
            raise FileNotFoundError("model 'missing.pt': expected a checkpoint, found no such file")
        return name

    def open_session(model: Any, frames: Any) -> StubSession:
        sessions.append(StubSession(model, frames))
        return sessions[-1]

    owner = SessionOwner(load, open_session)
    owner.sessions, owner.models = sessions, models  # type: ignore[attr-defined]
    return owner
