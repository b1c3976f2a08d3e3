"""Where objects are: the one under the mouse, and the viewer brought to one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2.layers.viewer.camera import camera_of
from napari_sam2.masks.masklets import Masklets

if TYPE_CHECKING:
    from napari_sam2.layers.workspace import Workspace

MARGIN = 0.9  # of the view: an object that is in there is seen well
SMALL_PX, SEEN_PX = 40, 160  # on the screen: below the first an object is enlarged to the second


def frame_to_look_at(
    masklets: Masklets, object_id: int, shown: int | None, prompted: Sequence[int] = ()
) -> int | None:
    """Choose the frame in which to look at an object.

    Parameters
    ----------
    masklets
        The masks.
    object_id
        The object.
    shown
        The frame that is shown; it stays if the object is in it.
    prompted
        Frames in which it was prompted, for one that has no mask yet.

    Returns
    -------
    The nearest frame that the object is in; None if it is nowhere.
    """
    outlines = {t: masklets.outline(object_id, t) for t in masklets.frames(object_id)}
    frames = [t for t, outline in outlines.items() if outline is not None and outline.area]
    frames = frames or list(prompted)
    here = 0 if shown is None else shown
    return min(frames, key=lambda t: (abs(t - here), t), default=None)


def object_at(workspace: "Workspace", world: Sequence[float]) -> int | None:
    """Return the object at a position on the shown frame; hidden ones are left out.

    Parameters
    ----------
    workspace
        The image and its objects.
    world
        World coordinates, such as `viewer.cursor.position`.

    Returns
    -------
    Where several overlap, the one that is seen (`Masklets.labels`). None if there is none.
    """
    frame = workspace.shown_frame
    if frame is None:
        return None
    row, column = (round(float(v)) for v in workspace.image.world_to_data(world)[-2:])
    masklets, hidden = workspace.masklets, workspace.outputs.hidden
    seen = [i for i in masklets.object_ids if i not in hidden]
    here = range(row, row + 1), range(column, column + 1)
    found = masklets.draw(frame, here, np.zeros((1, 1), masklets.dtype), seen)
    return int(found[0, 0]) or None


def look_at(workspace: "Workspace", object_id: int, frame: int | None = None) -> None:
    """Let the viewer show an object: its frame, and its place unless that is in view already.

    The view zooms in where the object is small, and out where it is larger than the view.

    Parameters
    ----------
    workspace
        Whose viewer it is.
    object_id
        The object; nothing happens if it is nowhere.
    frame
        The frame to go to; by default the nearest one that the object is in.
    """
    prompted = [t for i, t in workspace.prompts if i == object_id]
    if frame is None:
        frame = frame_to_look_at(workspace.masklets, object_id, workspace.shown_frame, prompted)
    if frame is None:
        return
    workspace.go_to(frame)
    outline = workspace.masklets.outline(object_id, frame)
    if outline is None or not outline.area or workspace.viewer.dims.ndisplay != 2:
        return
    image, index = workspace.image, workspace.geometry.index(frame)
    (y, x), (h, w) = outline.origin_yx, outline.extent_yx
    edges = [(y - 0.5, x - 0.5), (y - 0.5, x + w - 0.5), (y + h - 0.5, x - 0.5)]
    corners = [*edges, (y + h - 0.5, x + w - 0.5)]
    world = np.array([image.data_to_world((*index, *corner))[-2:] for corner in corners])
    centre = np.array(image.data_to_world((*index, *outline.centroid_yx))[-2:])
    _bring_into_view(workspace, world, centre)


def _bring_into_view(workspace: "Workspace", corners: np.ndarray, centre: np.ndarray) -> None:
    viewer = workspace.viewer
    camera = camera_of(viewer)
    canvas = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    middle = np.array(camera.center[-2:])
    extent = np.ptp(corners, axis=0)
    size_px = float(extent.max()) * camera.zoom
    fitting = MARGIN * float((np.array(canvas) / np.maximum(extent, 1e-12)).min())
    is_small, is_large = size_px < SMALL_PX, camera.zoom > fitting
    reach = MARGIN * np.array(canvas) / camera.zoom / 2
    if is_small or is_large or (np.abs(corners - middle) > reach).any():
        camera.center = (*camera.center[:-2], *centre.tolist())
    if is_small:
        camera.zoom = min(camera.zoom * SEEN_PX / max(size_px, 1.0), fitting)
    elif is_large:
        camera.zoom = fitting
