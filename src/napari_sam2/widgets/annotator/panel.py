"""What the dock and its tabs share: they show a viewer's annotator until they are closed."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QWidget

from napari_sam2.widgets.annotator.annotator_of_viewer import annotator_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer

    from napari_sam2.layers.workspace import Workspace
    from napari_sam2.widgets.inference.session_owner import SessionOwner


class Panel(QWidget):
    """A widget on the annotator of a viewer.

    What is done belongs to the annotator: closing a panel ends nothing.

    Parameters
    ----------
    viewer
        The napari viewer.
    owner
        What the inference thread owns; tests give one without a network.

    Attributes
    ----------
    annotator
        The annotator that all panels of the viewer share.
    is_released
        Whether the panel is closed.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", owner: "SessionOwner | None" = None) -> None:
        super().__init__()
        # napari gives plugins a proxy, through which one layer is never the same object twice
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self.annotator = annotator_of(self._viewer, owner)
        self.is_released = False
        self._connections: list[tuple[Any, Callable[..., object]]] = []
        self.listen((self.annotator.closed, self.release))

    @property
    def workspace(self) -> "Workspace":
        """Layers and log of the chosen image.

        Raises
        ------
        LookupError
            If no image is chosen; panels are disabled then.
        """
        return self.annotator.work.workspace

    def with_image(self, call: "Callable[[], object]") -> "Callable[..., None]":
        """Return a function that makes a call while an image is chosen, and else does nothing."""

        def guarded(*_: Any) -> None:
            if self.annotator.has_image:
                call()

        return guarded

    def listen(self, *connections: "tuple[Any, Callable[..., object]]") -> None:
        """Connect signals or events of the annotator and the viewer until the panel is closed."""
        for signal, slot in connections:
            signal.connect(slot)
        self._connections += connections

    def release(self) -> None:
        """Disconnect from the viewer; a second call does nothing."""
        if not self.is_released:
            self.is_released = True
            self.stop()
            for signal, slot in self._connections:
                signal.disconnect(slot)

    def stop(self) -> None:
        """Stop what ends with the panel; called once."""

    def event(self, event: QEvent | None) -> bool:
        """Release the viewer when napari takes the widget out of its dock, without closing it."""
        handled = bool(super().event(event))
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is None:
                self.release()
        return handled
