"""The part of the dock where the network is chosen."""

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget
from superqt import QCollapsible

from napari_sam2.widgets.sections import add_row, combo_box, form

EMBEDDED_MODEL = "cells_nano"
CHOOSE_FILE = "Choose a file…"
DEVICES = ("auto", "cuda", "mps", "cpu")


class ModelSection(QCollapsible):
    """Which network, and where it runs; folded away at first."""

    chosen = Signal(str, str)

    def __init__(self, choice: tuple[str, str] = (EMBEDDED_MODEL, "auto")) -> None:
        super().__init__("Model", expandedIcon="▾", collapsedIcon="▸")
        self.model = combo_box("The network. cells_nano comes with the plugin.", [EMBEDDED_MODEL])
        self.model.setItemData(0, EMBEDDED_MODEL)
        self.model.addItem(CHOOSE_FILE)
        self.device = combo_box(
            "Where the network runs. auto takes a GPU if there is one.", DEVICES
        )
        name, device = choice
        known = self.model.findData(name)
        self._last = known if known >= 0 else self._add_file(name)
        self.model.setCurrentIndex(self._last)
        self.device.setCurrentText(device)
        box = QWidget()
        layout = form()
        box.setLayout(layout)
        add_row(layout, "Network", self.model)
        add_row(layout, "Device", self.device)
        self.addWidget(box)
        for container in (self.layout(), self.content().layout()):
            if container is not None:
                container.setContentsMargins(0, 0, 0, 0)
        self.model.activated.connect(self._model_activated)
        self.device.activated.connect(self._emit)
        self.show_state("")

    @property
    def choice(self) -> tuple[str, str]:
        """Name or path of the network, and the device."""
        return str(self.model.currentData()), self.device.currentText()

    def show_state(self, device: str) -> None:
        """Write into the title what is in use, so that it is seen folded, too."""
        where = device or self.device.currentText()
        self.setText(f"Model: {self.model.currentText()} on {where}")

    def _model_activated(self, index: int) -> None:
        if self.model.itemText(index) == CHOOSE_FILE:
            path, _ = QFileDialog.getOpenFileName(
                self, "Choose a checkpoint", "", "SAM 2 checkpoints (*.pt *.safetensors)"
            )
            self.model.setCurrentIndex(self._add_file(path) if path else self._last)
        self._last = self.model.currentIndex()
        self._emit()

    def _add_file(self, path: str) -> int:
        index = int(self.model.findData(path))
        if index < 0:
            index = self.model.count() - 1
            self.model.insertItem(index, Path(path).name, path)
            self.model.setItemData(index, path, Qt.ItemDataRole.ToolTipRole)
        return index

    def _emit(self) -> None:
        self.show_state("")
        self.chosen.emit(*self.choice)
