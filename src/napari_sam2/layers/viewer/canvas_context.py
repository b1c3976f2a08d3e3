"""OpenGL context of napari's canvas."""

from typing import Any

_PATCHED = "_sam2_makes_current"


def make_current_when_flushed(canvas: Any) -> None:
    """Make the canvas' OpenGL context current whenever napari flushes commands outside a repaint.

    When a layer is removed, napari deletes its textures and programs at once
    (`VispyCanvas._clean_and_update_scenegraph`), but then Qt's compositing context is current.
    That context shares the objects, so the deletion succeeds; the canvas' own context keeps
    references to them, and its next draw call crashes the process.

    Parameters
    ----------
    canvas
        `napari._vispy.canvas.VispyCanvas`. A second call has no effect.
    """
    context, widget = canvas._scene_canvas.context, canvas.native
    if getattr(context, _PATCHED, False):
        return
    finish = context.finish

    def finish_in_own_context() -> None:
        if widget.isValid():  # has a context: it was shown
            widget.makeCurrent()
        finish()

    context.finish = finish_in_own_context
    setattr(context, _PATCHED, True)
