"""Errors as a user sees them: one sentence and an exit code."""

import sys

DONE, FAILED, WRONG_USE = 0, 1, 2
"""Exit codes."""

_WRONG_USE = (
    ValueError,
    KeyError,
    FileExistsError,
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
)


def exit_code(error: BaseException) -> int:
    """Return 2 for wrong use and unreadable input, 1 for what failed by itself."""
    return WRONG_USE if isinstance(error, _WRONG_USE) else FAILED


def report(error: BaseException, about: str = "") -> int:
    """Print an error on stderr and return the exit code.

    Parameters
    ----------
    error
        What went wrong.
    about
        The file that it is about, if the message may lack it.
    """
    message = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    message = message or type(error).__name__
    where = f"{about}: " if about and about not in message else ""
    print(f"napari-sam2: {where}{message}", file=sys.stderr)
    return exit_code(error)
