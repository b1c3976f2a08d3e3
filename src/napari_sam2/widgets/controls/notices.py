"""What the user is told, in one place: a sentence, or the traceback of a fault of ours."""

import logging

from napari.utils.notifications import show_error

from napari_sam2.layers.mask_layers.output_layers import MAX_OBJECT_LAYERS

log = logging.getLogger(__name__)

# What a user can cause: told in a sentence. Anything else is a fault of ours: with its traceback
USER_ERRORS = (ValueError, LookupError, OSError, MemoryError)

ONE_LAYER_FOR_ALL = (
    f"All objects are in one layer now: napari is slow with more than {MAX_OBJECT_LAYERS} "
    "layers of objects."
)


def report(error: Exception) -> None:
    """Tell the user what went wrong: in a sentence what they caused, the rest in full.

    Raises
    ------
    Exception
        `error` itself if it is a fault of the program; napari shows it with its traceback.
    """
    if type(error).__name__ == "OutOfMemoryError":  # torch's; a RuntimeError
        show_error("The GPU is out of memory: choose the device cpu, or a smaller model.")
    elif isinstance(error, USER_ERRORS):
        log.info("reported to the user", exc_info=error)
        # str(KeyError) would put the sentence in quotes
        show_error(str(error.args[0]) if isinstance(error, KeyError) else str(error))
    else:
        raise error
