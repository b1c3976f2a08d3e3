"""Connects the list of models with their files and with what is loaded."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QUrl
from qtpy.QtGui import QDesktopServices

from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.controls.notices import report
from napari_sam2.widgets.inference.loaded_model import short_name
from napari_sam2.widgets.model import model_texts
from napari_sam2.widgets.model.embedding_actions import EmbeddingActions
from napari_sam2.widgets.model.model_comparison import ModelComparison
from napari_sam2.widgets.model.model_jobs import ModelJobs
from napari_sam2.widgets.model.model_section import ModelSection

if TYPE_CHECKING:
    from sam2_torch.models.model_list import ModelList, ModelStatus
    from sam2_torch.models.speed_records import Speed


class ModelChooser(QObject):
    """Lets the user look at models, download them, and go on with one.

    A model that is not here can be looked at and downloaded; as long as it is not here, the one
    from before is in use.

    Parameters
    ----------
    section
        Where it is shown.
    annotator
        Whose model it is.
    """

    def __init__(self, section: ModelSection, annotator: Annotator) -> None:
        super().__init__()
        self.section = section
        self.jobs = ModelJobs()
        self._annotator = annotator
        self._embeddings = EmbeddingActions(section, annotator)
        self.comparison = ModelComparison(section, annotator)
        self._models: dict[str, ModelStatus] = {}
        self._problems: tuple[str, ...] = ()
        self._in_use = annotator.network.model
        self._downloading = ""
        self._speed: Speed | None = None
        self._is_measuring = False
        section.show_model(annotator.network.model[0])
        section.show_device(annotator.network.model[1])
        for signal, slot in self._connections():
            signal.connect(slot)
        self.sync()

    def release(self) -> None:
        """Let go of the annotator; a download stops, and can be resumed."""
        for signal, slot in self._connections():
            signal.disconnect(slot)
        self._embeddings.release()
        self.comparison.release()
        self.jobs.close()

    def sync(self) -> None:
        """Show the state that things are in."""
        annotator, section = self._annotator, self.section
        if annotator.network.model != self._in_use:  # also back to the one before, after a failure
            self._in_use = annotator.network.model
            section.show_model(annotator.network.model[0])
            section.show_device(annotator.network.model[1])
        name, device = self._in_use
        section.show_title(
            model_texts.title(name, annotator.network.device, device, annotator.network.is_unloaded)
        )
        section.toggleButton().setToolTip(name)
        model = self._models.get(section.shown)
        section.show_text(section.details, self._details(model))
        section.show_text(section.problems, "\n".join(self._problems))
        section.show_download(
            model_texts.download_label(model),
            is_running=bool(self._downloading),
            is_possible=model is not None and model.can_download,
        )
        self._enable(model)

    def _enable(self, model: "ModelStatus | None") -> None:
        section, is_loaded = self.section, bool(self._annotator.network.device)
        section.unload.setEnabled(is_loaded)
        section.measure.setEnabled(is_loaded and not self._is_measuring)
        is_idle = not self._downloading
        section.verify.setEnabled(is_idle and model is not None and model.path is not None)
        section.remove.setEnabled(is_idle and model is not None and model.can_remove)

    def _connections(self) -> list[tuple[Any, Callable[..., None]]]:
        section, jobs = self.section, self.jobs
        return [
            (self._annotator.changed, self.sync),
            (self._annotator.failed, self._stop_measuring),
            (section.opened, self._look_up),
            (section.selected, self._select),
            (section.device_chosen, self._choose_device),
            (section.download.clicked, self._download_or_cancel),
            (section.unload.clicked, self._annotator.unload),
            (section.measure.triggered, self._measure),
            (section.verify.triggered, self._verify),
            (section.remove.triggered, self._remove),
            (section.registry.triggered, self._open_registry),
            (section.refresh.triggered, self._look_up),
            (jobs.progressed, self._show_progress),
            (jobs.failed, self._fail),
        ]

    def _look_up(self) -> None:
        self.jobs.list_models(self._show_list)
        self.jobs.list_devices(self._show_devices)

    def _show_list(self, found: "ModelList") -> None:
        files = {
            name: model for name, model in self._models.items() if name == str(model.entry.path)
        }
        self._models = {model.entry.name: model for model in found.models} | files
        self._problems = found.problems
        for name in (self._in_use[0], self.section.shown):
            if name not in self._models:
                self._add_file(name)
        self.section.show_models(
            (name, model.path is not None, model.entry.summary or name, model.entry.images)
            for name, model in self._models.items()
        )
        self.sync()

    def _show_devices(self, devices: Any) -> None:
        named = [(device.name, str(device)) for device in devices]
        self.section.show_devices(named, self._in_use[1])
        self.sync()

    def _add_file(self, path: str) -> None:
        from sam2_torch.models.model_entry import ModelEntry
        from sam2_torch.models.model_list import ModelStatus

        file = Path(path)
        is_here = file.is_file()
        size = file.stat().st_size if is_here else None
        entry = ModelEntry(path, "a file of yours", path=file, origin="chosen")
        self._models[path] = ModelStatus(entry, file if is_here else None, size)

    def _select(self, name: str) -> None:
        self._show_sentence("")
        if name not in self._models and Path(name).is_absolute():
            self._add_file(name)
        model = self._models.get(name)
        if model is None or model.path is not None or model.entry.origin == "chosen":
            self._annotator.choose_model(name, self._in_use[1])
        self.sync()

    def _choose_device(self, device: str) -> None:
        self._show_sentence("")
        self._annotator.choose_model(self._in_use[0], device)
        self.sync()

    def _download_or_cancel(self) -> None:
        if self._downloading:
            self.jobs.cancel()
            self._show_sentence("Cancelling …")
            return
        model = self._models.get(self.section.shown)
        if model is not None and model.can_download:
            self._downloading = model.entry.name
            self._show_progress(model.unfinished, model.size_bytes)
            self.jobs.download(model.entry, partial(self._downloaded, model.entry.name))
            self.sync()

    def _downloaded(self, name: str, path: Path) -> None:
        self._downloading = ""
        self._show_sentence(f"{name} is here.")
        self.jobs.list_models(self._show_list)
        if self.section.shown == name:  # the user still wants it
            self._annotator.choose_model(name, self._in_use[1])
        self.sync()

    def _show_progress(self, done: int, total: int | None) -> None:
        if self._downloading and not self.jobs.is_cancelled:
            self.section.show_progress(done, total)
            name = short_name(self._downloading)
            self._show_sentence(f"{name}: {model_texts.progress_text(done, total)}")

    def _measure(self) -> None:
        self._is_measuring, self._speed = True, None
        self._show_sentence("Measuring …")
        self._annotator.network.stream(
            lambda owner: owner.measure(), each=self._note_speed, then=self._measured
        )
        self.sync()

    def _note_speed(self, speed: "Speed | None") -> None:
        self._speed = speed

    def _stop_measuring(self, error: Exception) -> None:
        if self._is_measuring and not self._annotator.worker.is_streaming:  # else it was a prompt
            self._is_measuring = False
            self._show_sentence(f"Not measured: {error}")
            self.sync()

    def _measured(self, completed: bool) -> None:
        self._is_measuring = False
        self._show_sentence(f"Measured: {self._speed}" if completed and self._speed else "")
        self.jobs.list_models(self._show_list)
        self.sync()

    def _verify(self) -> None:
        model = self._models.get(self.section.shown)
        if model is not None:
            name = short_name(model.entry.name)
            self._show_sentence(f"Reading {name} …")
            self.jobs.verify(
                model.entry,
                lambda result: self._show_sentence(model_texts.verification(name, result)),
            )

    def _remove(self) -> None:
        model = self._models.get(self.section.shown)
        if model is not None:
            self.jobs.remove(model.entry, self._removed)

    def _removed(self, freed: int) -> None:
        self._show_sentence(f"{freed / 1e6:.0f} MB freed.")
        self.jobs.list_models(self._show_list)

    def _open_registry(self) -> None:
        self.jobs.make_registry_file(self._show_registry)

    def _show_registry(self, path: Path) -> None:
        self._show_sentence(f"Your own models: {path}")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

    def _fail(self, error: Exception) -> None:
        cancelled = type(error).__name__ == "DownloadCancelled"
        self._downloading = ""
        self._show_sentence("Cancelled; what is here is kept." if cancelled else str(error))
        self.jobs.list_models(self._show_list)
        self.sync()
        if not cancelled:
            report(error)

    def _show_sentence(self, text: str) -> None:
        self.section.show_text(self.section.status, text)

    def _details(self, model: "ModelStatus | None") -> str:
        if model is None:
            return ""
        annotator = self._annotator
        name, device = self._in_use
        is_loaded = self.section.shown == name and bool(annotator.network.device)
        in_use = (
            ", ".join(filter(None, (annotator.network.device, annotator.network.dtype)))
            if is_loaded
            else ""
        )
        return model_texts.details(model, device, in_use, instead=name)
