"""The tab *Tune*: train the model with corrected masks."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QVBoxLayout

from napari_sam2.io.training_data import read_labelled, session_movies, write_dataset
from napari_sam2.layers.viewer.image_geometry import LayerFrames
from napari_sam2.layers.workspace import Workspace
from napari_sam2.movies.background_threads import background_thread
from napari_sam2.widgets.annotator.panel import Panel
from napari_sam2.widgets.controls.form_rows import narrow
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.inference.session_owner import SessionOwner
from napari_sam2.widgets.tuning_dock.process import TuningProcess, TuningRequest
from napari_sam2.widgets.tuning_dock.sections import (
    DataSection,
    ResultSection,
    RunSection,
    tuning_form,
)
from sam2_torch.models.registry import models_folder, read_registry
from sam2_torch.models.user_models import NAME
from sam2_torch.training.data.labelled_movies import LabelledMovie, check_enough

if TYPE_CHECKING:
    import napari.viewer

LEAST_MASKS = 6  # five to learn from, one to measure on
LEAST_GAIN = 0.01  # of the mean IoU
COMPARISON_FILE = "held_out.png"  # as in sam2_torch.training.finetuning, which imports torch


class TuneToMyData(Panel):
    """Teach the model with corrected masks, and see what that gained.

    Parameters
    ----------
    viewer
        The napari viewer that the tab belongs to.
    owner
        What the worker's thread owns; tests give one without a network.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", owner: SessionOwner | None = None) -> None:
        super().__init__(viewer, owner)
        self.process = TuningProcess(self)
        self.data = DataSection()
        self.settings = narrow(tuning_form())
        self.run = RunSection()
        self.result = ResultSection()
        self._preparing: _Preparation | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._request: TuningRequest | None = None
        self._before: tuple[str, str] | None = None
        self._new_model = ""
        self._arrange()
        self._connect()
        self._show_models()
        self._sync()

    def stop(self) -> None:
        """End a training that runs; its last checkpoint stays."""
        if self._preparing is not None:
            self._preparing.worker.join()
        self.process.give_up()
        self._clean_up()

    @property
    def is_busy(self) -> bool:
        """Whether something is prepared or trained."""
        return self._preparing is not None or self.process.is_running

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        for widget in (self.data, self.settings.native, self.run, self.result):
            layout.addWidget(widget)
        layout.addStretch()

    def _connect(self) -> None:
        self.data.changed.connect(self._sync)
        self.settings.changed.connect(self._sync)
        self.run.start.clicked.connect(self._start)
        self.run.stop.clicked.connect(self._stop)
        self.result.used.connect(self._use)
        self.result.undone.connect(self._go_back)
        self.process.staged.connect(self._show_stage)
        self.process.stepped.connect(self._show_step)
        self.process.finished.connect(self._show_result)
        self.process.failed.connect(self._show_failure)
        self.listen((self.annotator.changed, self._sync), (self.annotator.ended, self._sync))

    def _show_models(self) -> None:
        on_disk = [n for n, entry in read_registry().entries.items() if entry.path is not None]
        current = self.annotator.network.model[0]
        choices = [(Path(name).name, name) for name in dict.fromkeys((current, *on_disk))]
        self.settings.start_from.choices = choices

    def _sync(self, *_: Any) -> None:
        """Show the state that things are in."""
        self.data.summary.setText(self._summary())
        n_masks = sum(map(_count_masks, self._workspaces()))
        enough = n_masks >= LEAST_MASKS
        ready = self.data.folder is not None if self.data.is_folder else enough
        missing = f"Needs {LEAST_MASKS} masks; you have {n_masks}."
        self.run.show_needs("" if self.data.is_folder or enough else missing)
        named = NAME.fullmatch(self.settings.new_name.value) is not None
        self.run.start.setEnabled(ready and named and not self.is_busy)
        self.data.setEnabled(not self.is_busy)
        self.settings.enabled = not self.is_busy

    def _workspaces(self) -> list[Workspace]:
        """List the images on which masks were made."""
        return [w for w in self.annotator.workspaces if w.masklets.object_ids]

    def _summary(self) -> str:
        if self.data.is_folder:
            return str(self.data.folder or "")
        found = [
            f"{w.image.name}: {len(w.masklets.object_ids)} objects, {_count_masks(w)} masks"
            for w in self._workspaces()
        ]
        return "\n".join(found) or (
            "No masks yet: segment some cells in the tab Segment, correct them where "
            "they are wrong, and come back. Every mask that is there counts as the truth."
        )

    def _start(self) -> None:
        name = self.settings.new_name.value
        if name in read_registry().entries:
            self.run.status.setText(f"There is a model called {name} already: choose a new name.")
            return
        self._clean_up()
        self._scratch = tempfile.TemporaryDirectory(prefix="napari-sam2-tuning-")
        scratch = Path(self._scratch.name)
        folder = self.data.folder if self.data.is_folder else None
        self._request = TuningRequest(
            folder or scratch,
            self.settings.start_from.value,
            self.annotator.network.model[1],
            name,
            self.settings.trains.value,
            self.settings.minutes.value,
            _fresh(models_folder().parent / "runs" / name),
        )
        self.result.hide()
        self.run.curve.clear()
        self.run.show_progress("Collecting the masks …", 0)
        sessions = [(w.image.name, w.frames, w.masklets) for w in self._workspaces()]
        gather = partial(read_labelled, folder) if folder else partial(_gather, sessions)
        self._preparing = _Preparation(gather, None if folder else scratch)
        self._preparing.done.connect(self._prepared)
        self._preparing.worker.start()
        self._sync()

    def _prepared(self, problem: object) -> None:
        if self.is_released or self._preparing is None:
            return
        self._preparing = None
        if problem is not None:
            self._end("")
            assert isinstance(problem, Exception)
            report(problem)
            return
        assert self._request is not None
        self.run.show_progress("Starting …", 0)
        self.process.start(self._request)
        self._sync()

    def _stop(self) -> None:
        self.process.stop()
        self.run.status.setText("Stopping after this step …")

    def _show_stage(self, name: str, done: int, total: int) -> None:
        self.run.show_progress(
            f"{name.capitalize()} …", 0 if name == "training" else done / max(total, 1)
        )

    def _show_step(self, step: int, progress: float, seconds: float, loss: float) -> None:
        self.run.curve.add(progress, loss)
        self.run.show_progress(f"Step {step}", progress)

    def _show_result(self, result: dict[str, Any]) -> None:
        assert self._request is not None
        self._before, self._new_model = self.annotator.network.model, self._request.name
        finished = result["ending"] == "finished"
        before, after = result["before"], result["after"]
        judged = verdict(before, after, Path(self._request.model).name)
        self.result.show_result(
            f"{judged} {self._request.name} is saved"
            + ("." if finished else ", as it was when it was stopped."),
            before,
            after,
            Path(result["folder"]) / COMPARISON_FILE,
        )
        self.result.show_in_use(False)
        self._end(f"{result['steps']} steps done")

    def _show_failure(self, text: str) -> None:
        self._end(text)

    def _end(self, text: str) -> None:
        self.run.progress.show_end(text)
        self._clean_up()
        self._sync()

    def _use(self) -> None:
        self.annotator.choose_model(self._new_model, self.annotator.network.model[1])
        self.result.show_in_use(True)

    def _go_back(self) -> None:
        if self._before is not None:
            self.annotator.choose_model(*self._before)
        self.result.show_in_use(False)

    def _clean_up(self) -> None:
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None


class _Preparation(QObject):
    """Gathers the data on a thread: reading and packing frames takes long."""

    done = Signal(object)

    def __init__(self, gather: Callable[[], Sequence[LabelledMovie]], folder: Path | None) -> None:
        super().__init__()
        self._gather = gather
        self._folder = folder
        self.worker = background_thread(self._run, "napari-sam2 tuning data")

    def _run(self) -> None:
        try:
            movies = self._gather()
            check_enough(movies, LEAST_MASKS)
            if self._folder is not None:
                write_dataset(self._folder, movies)
        except Exception as error:  # whatever it is, the user is told
            self.done.emit(error)
        else:
            self.done.emit(None)


def verdict(before: Mapping[str, float], after: Mapping[str, float], model: str) -> str:
    """Return in a sentence whether the new model is better than the one that it began with.

    Parameters
    ----------
    before, after
        Mean IoU on the held-out part, by kind of prompt.
    model
        Name of the model that the training began with.
    """
    kinds = [kind for kind in before if kind in after]
    old, new = (sum(each[k] for k in kinds) / max(len(kinds), 1) for each in (before, after))
    means = f"mean IoU {old:.2f} → {new:.2f}"
    if new - old < LEAST_GAIN:
        return (
            f"<b>{'Worse' if old - new >= LEAST_GAIN else 'No better'}</b> ({means}): keep {model}."
        )
    return f"<b>Better by {new - old:.2f}</b> ({means})."


def _count_masks(workspace: Workspace) -> int:
    masklets = workspace.masklets
    return sum(len(masklets.frames(i)) for i in masklets.object_ids)


def _fresh(folder: Path) -> Path:
    """Number a run's folder, if an earlier run is in it."""
    number, found = 1, folder
    while found.exists():
        number += 1
        found = folder.with_name(f"{folder.name}-{number}")
    return found


def _gather(sessions: Sequence[tuple[str, LayerFrames, Any]]) -> list[LabelledMovie]:
    return [
        movie
        for name, frames, masklets in sessions
        for movie in session_movies(name, frames, masklets)
    ]
