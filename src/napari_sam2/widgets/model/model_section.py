"""The part of the dock where the network is chosen; it shows, and decides nothing."""

from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QStandardItem, QStandardItemModel
from qtpy.QtWidgets import (
    QAction,
    QFileDialog,
    QLabel,
    QMenu,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.widgets.controls.collapsible import Fold
from napari_sam2.widgets.controls.form_rows import add_row, button, combo_box, form, row
from napari_sam2.widgets.inference.loaded_model import short_name

CHOOSE_FILE = "Choose a file…"
OWN = "Models of your own"
FILES = "SAM 2 checkpoints (*.pt *.pth *.safetensors);;All files (*)"
DEVICES = ("auto", "cuda", "mps", "cpu")
ICON_PX = 12
ICON_COLOUR = "#8a8f98"  # seen on dark and on light


class ModelSection(Fold):
    """All models, what is known of the chosen one, and what can be done with it; folded at first.

    Signals
    -------
    selected
        Name or path of a model that the user picked.
    device_chosen
        The device that the user picked.
    opened
        The section was unfolded.
    """

    selected = Signal(str)
    device_chosen = Signal(str)
    opened = Signal()

    def __init__(self) -> None:
        super().__init__("Model")
        self.model = combo_box("The network. cells_nano comes with the plugin.")
        self.device = combo_box(
            "Where the network runs. auto takes a GPU if there is one.", DEVICES
        )
        self.details, self.status, self.problems = _text(), _text(), _text()
        self.bar = QProgressBar()
        self.download = button("Download", "Download this model, then use it.")
        self.unload = button(
            "Unload",
            "Free the memory of the network. Masks and prompts stay; the next prompt loads "
            "it again.",
        )
        self.more = button("More", "Measure, verify or remove this model; models of your own.")
        menu = QMenu(self.more)
        self.measure = _action(menu, "Measure speed", "Time the loaded network on its device.")
        self.compare = _action(
            menu,
            "Compare models",
            "Segment the clicked objects of this frame with all models on this computer. Objects "
            "that were corrected are segmented from one click, and compared with their masks.",
        )
        self.verify = _action(menu, "Verify file", "Compare the file with its checksum.")
        self.remove = _action(menu, "Remove download", "Delete what was downloaded of it.")
        menu.addSeparator()
        self.keep_embeddings = _action(
            menu,
            "Keep embeddings on disk",
            "The encoded frames are kept on disk, also after a restart: the first "
            "click and the run are quicker then. Up to 20 GB in the user's cache.",
        )
        self.keep_embeddings.setCheckable(True)
        self.embed = _action(
            menu, "Encode all frames now", "Later clicks do not have to wait for it."
        )
        self.clear_embeddings = _action(menu, "Delete embeddings", "Of all images, from the disk.")
        menu.addSeparator()
        self.registry = _action(
            menu, "Open registry file", "List models of your own there: name, address, checksum."
        )
        self.refresh = _action(menu, "Read the list again", "After the registry file has changed.")
        self.more.setMenu(menu)
        menu.setToolTipsVisible(True)
        self._shown = ""
        self._arrange()
        self.model.addItem(CHOOSE_FILE)
        self.model.activated.connect(self._model_activated)
        self.device.activated.connect(lambda: self.device_chosen.emit(self.device.currentText()))
        self.toggled.connect(self._report_opened)

    @property
    def shown(self) -> str:
        """Name or path of the model that the user looks at; not always the one in use."""
        return self._shown

    def show_models(self, models: Iterable[tuple[str, bool, str, str]]) -> None:
        """List the models: name or path, whether it is here, a tooltip, and their images."""
        groups: dict[str, list[tuple[str, bool, str]]] = {}
        for name, is_here, tooltip, images in models:
            groups.setdefault(images or OWN, []).append((name, is_here, tooltip))
        with QSignalBlocker(self.model):
            self.model.clear()
            for heading, members in groups.items():
                self._add_heading(heading)
                for name, is_here, tooltip in members:
                    self.model.addItem(self._icon(is_here), short_name(name), name)
                    last = self.model.count() - 1
                    self.model.setItemData(last, tooltip, Qt.ItemDataRole.ToolTipRole)
            self.model.insertSeparator(self.model.count())
            self.model.addItem(CHOOSE_FILE)
        self.show_model(self._shown)

    def _add_heading(self, text: str) -> None:
        """Add a line that cannot be chosen."""
        heading, items = QStandardItem(text), self.model.model()
        assert isinstance(items, QStandardItemModel)
        heading.setEnabled(False)
        items.appendRow(heading)

    def show_model(self, name: str) -> None:
        """Turn to a model of the list; what is not in it is added."""
        self._shown = name
        index = self.model.findData(name)
        if index < 0:
            index = max(self.model.count() - 2, 0)  # above the line and "Choose a file…"
            self.model.insertItem(index, self._icon(True), short_name(name), name)
            self.model.setItemData(index, name, Qt.ItemDataRole.ToolTipRole)
        self.model.setCurrentIndex(index)

    def show_devices(self, names: Iterable[tuple[str, str]], chosen: str) -> None:
        """List the devices that are there, with tooltips, after "auto"."""
        with QSignalBlocker(self.device):
            self.device.clear()
            for name, tooltip in (("auto", "A GPU if there is one."), *names):
                self.device.addItem(name)
                self.device.setItemData(
                    self.device.count() - 1, tooltip, Qt.ItemDataRole.ToolTipRole
                )
        self.show_device(chosen)

    def show_device(self, name: str) -> None:
        """Turn to a device of the list; what is not in it is added."""
        if self.device.findText(name) < 0:
            self.device.addItem(name)
        self.device.setCurrentText(name)

    def show_title(self, text: str) -> None:
        """Write what is in use where it is seen folded, too."""
        self.setText(text)

    def show_text(self, label: QLabel, text: str) -> None:
        """Write into one of the labels; an empty one takes no room."""
        label.setText(text)
        label.setVisible(bool(text))

    def show_download(self, label: str, is_running: bool, is_possible: bool) -> None:
        """Let the button download, resume, or cancel what runs."""
        self.download.setText("Cancel" if is_running else label)
        self.download.setEnabled(is_running or is_possible)
        self.bar.setVisible(is_running)

    def show_progress(self, done: int, total: int | None) -> None:
        """Show how far a download is; without a total the bar stays empty."""
        # in thousandths: Qt counts to two thousand million, files have more bytes
        self.bar.setRange(0, 1000)
        self.bar.setValue(0 if not total else 1000 * done // total)

    def ask_file(self) -> str:
        """Let the user choose a checkpoint; empty if they do not."""
        path, _ = QFileDialog.getOpenFileName(self, "Choose a checkpoint", "", FILES)
        return str(Path(path)) if path else ""

    def _model_activated(self, index: int) -> None:
        name = self.model.itemData(index) or self.ask_file()
        if not name:
            self.show_model(self._shown)
            return
        self.show_model(name)
        self.selected.emit(name)

    def _report_opened(self, is_open: bool) -> None:
        if is_open:
            self.opened.emit()

    def _arrange(self) -> None:
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        fields = form()
        add_row(fields, "Device", self.device)
        layout.addWidget(self.model)  # the longest name fits without a label beside it
        layout.addLayout(fields)
        for widget in (self.details, self.problems, self.bar, self.status):
            layout.addWidget(widget)
        layout.addLayout(row(self.download, self.unload, self.more))
        self.bar.hide()
        self.addWidget(box)

    @staticmethod
    def _icon(is_here: bool) -> QIcon:
        """Draw a disc for what is here, a ring for what is not."""
        pixmap = QPixmap(ICON_PX, ICON_PX)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(ICON_COLOUR), 1.5))
        painter.setBrush(QColor(ICON_COLOUR if is_here else Qt.GlobalColor.transparent))
        painter.drawEllipse(3, 3, ICON_PX - 6, ICON_PX - 6)
        painter.end()
        return QIcon(pixmap)


def _text() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.hide()
    return label


def _action(menu: QMenu, text: str, tooltip: str) -> QAction:
    action = menu.addAction(text)
    assert action is not None
    action.setToolTip(tooltip)
    return action
