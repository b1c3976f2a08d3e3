"""Compare the models of this computer on the objects of the shown frame, from the dock."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QObject
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QDialog, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_sam2.annotation.drawn_prompts import DrawnPrompts
from napari_sam2.masks.masklets import Masklets
from napari_sam2.tracks.pictures import draw_beside
from napari_sam2.tracks.tracked_movie import Tracked
from napari_sam2.widgets.annotator.annotator import Annotator
from napari_sam2.widgets.inference.worker import Guarded
from napari_sam2.widgets.model.model_section import ModelSection

if TYPE_CHECKING:
    from napari_sam2.widgets.inference.session_owner import SessionOwner
    from sam2_torch.masks import SparseMask
    from sam2_torch.prompts import Prompt

MARGIN_PX = 40  # of the window around the picture


class Example(NamedTuple):
    """Prompts of one object, and its correct mask where the user has made one."""

    prompts: "tuple[Prompt, ...]"
    correct: "SparseMask | None"


def example_of(drawn: DrawnPrompts, mask: "SparseMask") -> Example:
    """Say what models are asked for an object.

    One that was corrected by further clicks, or painted, is asked for by one click, and its mask
    is taken to be correct. Others are asked for by what was drawn.

    Parameters
    ----------
    drawn
        What was drawn on the frame.
    mask
        The mask that is there.
    """
    from sam2_torch.automatic.seeds import deepest_pixel
    from sam2_torch.prompts import PointPrompt

    if mask and (drawn.painted is not None or drawn.is_mask):
        return Example((PointPrompt([deepest_pixel(mask)], [1]),), mask)
    if mask and len(drawn.clicks) > 1:
        y, x, label = drawn.clicks[0]
        return Example((PointPrompt([(y, x)], [label]),), mask)
    return Example(drawn.prompts(mask.shape), None)


@dataclass
class CompareModelsJob:
    """Segment the examples with each model, on the inference thread.

    Parameters
    ----------
    pixels
        Returns the frame as the network sees it.
    examples
        By object id.

    Attributes
    ----------
    titled
        A title with time and IoU, and the masks, of each model that is done.
    """

    pixels: Callable[[], Any]
    examples: Mapping[int, Example]
    titled: list[tuple[str, Tracked]] = field(default_factory=list)

    def run(self, owner: "SessionOwner") -> Iterator[tuple[int, int, str]]:
        """Yield the number of models that are done, of all, and the name of the next one."""
        from sam2_torch.models.model_list import list_models

        names = [each.entry.name for each in list_models().models if each.path is not None]
        for done, name in enumerate(names):
            yield done, len(names), name
            self.titled.append(self._compared(owner, name))

    def _compared(self, owner: "SessionOwner", name: str) -> tuple[str, Tracked]:
        from sam2_torch import ImageSession
        from sam2_torch.checkpoints.loading import load_model

        session = owner.session
        if session is None:
            raise ValueError("expected an open image, found none: its model could not be loaded")
        model = load_model(name, session.model.device, session.model.dtype)
        pixels, began = self.pixels(), monotonic()
        image = ImageSession(model, pixels, contrast=session.contrast)
        masks = {i: image.predict(*each.prompts)[0].sparse for i, each in self.examples.items()}
        title = f"{name}: {monotonic() - began:.1f} s"
        ious = [
            masks[i].iou(each.correct)
            for i, each in self.examples.items()
            if each.correct is not None
        ]
        if ious:
            title += f", IoU {fmean(ious):.2f}"
        masklets = Masklets(1, session.frame_shape)
        for i, mask in masks.items():
            masklets.set(i, 0, mask)
        return title, Tracked(masklets, axes="YX", movie=[pixels])


class ModelComparison(QObject):
    """Connects the entry *Compare models* in the menu of the model section.

    Parameters
    ----------
    section
        Where the entry and the progress are shown.
    annotator
        Whose objects they are.
    """

    def __init__(self, section: ModelSection, annotator: Annotator) -> None:
        super().__init__()
        self._section = section
        self._annotator = annotator
        self._is_released = False
        self.picture: QDialog | None = None
        section.compare.triggered.connect(self._compare)

    def release(self) -> None:
        """Let go of the section; what runs ends after its model, and is not shown."""
        self._is_released = True
        self._section.compare.triggered.disconnect(self._compare)
        if self.picture is not None:
            self.picture.close()

    def _compare(self) -> None:
        workspace = self._annotator.workspace
        frame = None if workspace is None else workspace.shown_frame
        drawn = {} if workspace is None else workspace.prompts
        examples = {
            i: example_of(prompts, mask)
            for (i, at), prompts in drawn.items()
            if at == frame
            and workspace is not None
            and (mask := workspace.masklets.get(i, at)) is not None
        }
        if workspace is None or frame is None or not examples:
            self._annotator.noticed.emit(
                "Models are compared on the objects that were clicked in the shown frame: "
                "click some first."
            )
            return
        frames = workspace.frames
        job = CompareModelsJob(lambda: frames.appearance.show(frames).frames[frame], examples)
        self._section.bar.show()
        stream = Guarded(partial(self._steps, job))
        self._annotator.network.stream(
            stream, each=self._show_step, then=lambda _: self._end(job, stream)
        )

    def _steps(
        self, job: CompareModelsJob, owner: "SessionOwner"
    ) -> Iterator[tuple[int, int, str]]:
        for step in job.run(owner):
            if self._is_released:
                return
            yield step

    def _show_step(self, step: tuple[int, int, str]) -> None:
        if self._is_released:
            return
        done, total, name = step
        self._section.show_progress(done, total)
        self._section.show_text(self._section.status, f"Comparing: {name} …")

    def _end(self, job: CompareModelsJob, stream: Guarded) -> None:
        """Show the models that were compared, also where the next one failed."""
        if self._is_released:
            return
        titles = "\n".join(title for title, _ in job.titled)
        self._section.bar.hide()
        self._section.show_text(self._section.status, titles)
        if job.titled:
            self.picture = _window(job.titled, self._section.window() or self._section)
            self.picture.show()
        if stream.error is not None:
            self._annotator.failed.emit(stream.error)


def _window(titled: list[tuple[str, Tracked]], parent: QWidget) -> QDialog:
    """Show the masks of all models beside each other in a window of its own."""
    picture = draw_beside(titled, 0).convert("RGB")
    width, height = picture.size
    image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    label, area, window = QLabel(), QScrollArea(), QDialog(parent)
    label.setPixmap(QPixmap.fromImage(image))
    area.setWidget(label)
    window.setWindowTitle("Models on the same objects")
    QVBoxLayout(window).addWidget(area)
    screen = window.screen()
    room = parent.size() if screen is None else screen.availableSize()
    window.resize(
        min(width + MARGIN_PX, room.width()), min(height + MARGIN_PX, room.height() - MARGIN_PX)
    )
    return window
