"""Docks that never make napari's window outgrow the screen."""

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QSizePolicy, QVBoxLayout, QWidget

from napari_sam2.widgets.controls.vertical_scroll import TallScroll

_OWN = "sam2_dock"


def fill_dock(widget: QWidget, page: QWidget, is_scrolled: bool = True) -> None:
    """Put a page into the widget of a dock: scrolled as a whole, and tabbed with the other docks.

    Qt enlarges the main window to the sum of the minimum heights of docks that lie below each
    other, and never shrinks it again.

    Parameters
    ----------
    widget, page
        The widget of the dock, and its content.
    is_scrolled
        Whether the page is scrolled as a whole; else it has parts that scroll.
    """
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    whole = TallScroll(page, has_room_for_bar=False) if is_scrolled else page
    # napari puts an empty stretch below what does not ask for all of the height
    whole.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    layout.addWidget(whole)
    widget.setProperty(_OWN, True)
    _TabWhenShown(widget)


class _TabWhenShown(QObject):
    """Makes a dock a tab beside another dock of this plugin, when it is shown first."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Wait for the widget to be shown: it is in its dock then."""
        if event is not None and event.type() == QEvent.Type.Show:
            self._widget.removeEventFilter(self)
            QTimer.singleShot(0, self._tab)
        return False

    def _tab(self) -> None:
        dock = _dock_of(self._widget)
        window = None if dock is None else dock.parent()
        if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
            return
        area = window.dockWidgetArea(dock)
        others = [
            other
            for other in window.findChildren(QDockWidget)
            if other is not dock
            and other.isVisible()
            and not other.isFloating()
            and window.dockWidgetArea(other) == area
            and any(child.property(_OWN) for child in other.findChildren(QWidget))
        ]
        if others and not window.tabifiedDockWidgets(dock):
            window.tabifyDockWidget(others[0], dock)
            dock.raise_()


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent
