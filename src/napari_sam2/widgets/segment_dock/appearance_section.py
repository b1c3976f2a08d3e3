"""What the network sees of the image: contrast, gamma, detail, channels, and a picture of it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui import magic_factory
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QComboBox, QLabel, QWidget

from napari_sam2.movies.appearance import Appearance, Resolution
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form, narrow, row

if TYPE_CHECKING:
    from napari_sam2.layers.workspace import Workspace
    from napari_sam2.widgets.annotator.annotator import Annotator

FROM_FRAMES, AS_SHOWN, PER_FRAME = "From some frames", "As the layer shows it", "Of each frame"
DETAIL: dict[str, Resolution] = {
    "Automatic": "auto",
    "Whole frames": "whole",
    "Windows, native": 1.0,
    "Windows, 2 x finer": 2.0,
    "Windows, 4 x finer": 4.0,
}
NO_CHANNEL = "-"
CHANNEL_WIDTH_PX = 44  # three in a row of a narrow dock
COLOURS = ("red", "green", "blue")


@magic_factory(
    call_button=False,
    contrast={
        "choices": [FROM_FRAMES, AS_SHOWN, PER_FRAME],
        "tooltip": "Which intensities become black and white: percentiles of some frames, the "
        "contrast limits of the layer as they are now, or percentiles of each frame (for movies "
        "that bleach or flicker).",
    },
    gamma={
        "min": 0.1,
        "max": 5.0,
        "step": 0.1,
        "tooltip": "Below 1 brightens dark parts, above 1 darkens them.",
    },
    detail={
        "choices": list(DETAIL.items()),
        "tooltip": "Whole frames are resized to the network's input. Crop windows follow each "
        "object at the image's own resolution, or finer: for small cells in large frames. "
        "Automatic uses windows for more than 2048 rows or columns.",
    },
)
def appearance_form(contrast: str = FROM_FRAMES, gamma: float = 1.0, detail: Any = "auto") -> None:
    """Form of what the network sees."""


class AppearanceSection(QWidget):
    """Choices of what the network sees.

    Parameters
    ----------
    annotator
        Whose image it is.
    """

    def __init__(self, annotator: "Annotator") -> None:
        super().__init__()
        self._annotator = annotator
        self._workspace: Workspace | None = None
        self.form = narrow(appearance_form())
        self.form.gamma.native.setKeyboardTracking(False)
        self.channels = [self._channel_box(colour) for colour in COLOURS]
        self.preview = button("Preview", "Show this frame as the model sees it.")
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.caption = QLabel()
        self.caption.setWordWrap(True)
        self._arrange()
        self.form.changed.connect(lambda: self._emit())
        self.preview.clicked.connect(self._ask_preview)
        self.show_preview(None, "")

    @property
    def appearance(self) -> Appearance:
        """What is chosen."""
        limits = None
        if self.form.contrast.value == AS_SHOWN:
            low, high = self._annotator.work.workspace.image.contrast_limits
            limits = float(low), float(high)
        channels = tuple(
            int(box.currentData()) for box in self.channels if box.currentData() is not None
        )
        return Appearance(
            limits,
            round(self.form.gamma.value, 2),
            self.form.contrast.value == PER_FRAME,
            self.form.detail.value,
            channels or None,
        )

    def show_state(self) -> None:
        """Show what holds for the image that is worked on, if it is another one."""
        workspace = self._annotator.work.workspace
        if workspace is self._workspace:
            return
        self._workspace, look = workspace, workspace.appearance
        axis = workspace.geometry.channel_axis
        n_channels = 0 if axis is None else workspace.geometry.shape[axis]
        for box in self.channels:
            box.clear()
            box.addItem(NO_CHANNEL, None)
            for channel in range(n_channels):
                box.addItem(str(channel), channel)
        for box, channel in zip(self.channels, look.channels or (), strict=False):
            box.setCurrentIndex(box.findData(channel))
        for widget in (self._channels_label, *self.channels):
            widget.setVisible(n_channels > 1)
        shown = AS_SHOWN if look.contrast else FROM_FRAMES
        with self.form.changed.blocked():
            self.form.contrast.value = PER_FRAME if look.per_frame else shown
            self.form.gamma.value = look.gamma
            known = look.resolution in DETAIL.values()
            self.form.detail.value = look.resolution if known else "auto"
        self.show_preview(None, "")

    def show_preview(self, pixels: NDArray[Any] | None, caption: str) -> None:
        """Show a picture, (h, w) or (h, w, 3) of 0 to 1, with a line below it; or none."""
        for widget in (self.picture, self.caption):
            widget.setVisible(pixels is not None)
        self.caption.setText(caption)
        if pixels is None:
            self.picture.clear()
            return
        levels = np.ascontiguousarray((np.nan_to_num(pixels) * 255).clip(0, 255).astype(np.uint8))
        grey = levels.ndim == 2
        height, width = levels.shape[:2]
        form_of = QImage.Format.Format_Grayscale8 if grey else QImage.Format.Format_RGB888
        picture = QImage(levels.tobytes(), width, height, levels.strides[0], form_of)
        self.picture.setPixmap(QPixmap.fromImage(picture))

    def _arrange(self) -> None:
        layout = form()
        self.setLayout(layout)
        layout.addRow(self.form.native)
        self._channels_label = add_row(layout, "Channels", row(*self.channels))
        layout.addRow(self.preview)
        layout.addRow(self.picture)
        layout.addRow(self.caption)

    def _channel_box(self, colour: str) -> QComboBox:
        box = combo_box(
            f"The channel that is {colour}. One alone is shown in grey; none: the one that "
            "the viewer shows at the start."
        )
        box.setMinimumContentsLength(1)
        box.setMinimumWidth(CHANNEL_WIDTH_PX)
        box.activated.connect(self._emit)
        return box

    def _emit(self) -> None:
        self.show_preview(None, "")
        self._annotator.work.choose_appearance(self.appearance)

    def _ask_preview(self) -> None:
        # the layer's contrast may have changed
        self._annotator.work.choose_appearance(self.appearance)
        self._annotator.network.preview(self._annotator.work.workspace, self._take_preview)

    def _take_preview(self, answer: tuple[NDArray[Any], str]) -> None:
        # the dock may have been closed
        if isalive(self):  # type: ignore[no-untyped-call]
            self.show_preview(*answer)
