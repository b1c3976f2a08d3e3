"""Where napari keeps what looks at the layers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import Camera, ViewerModel


def camera_of(viewer: "ViewerModel") -> "Camera":
    """Give a viewer's camera, which napari 0.9 moved to its scene."""
    camera: Camera = getattr(viewer, "scene", viewer).camera
    return camera
