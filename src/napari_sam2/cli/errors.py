"""Errors as a user sees them: one sentence and an exit code."""

import sys

DONE, FAILED, WRONG_USE = 0, 1, 2
"""Exit codes."""

EXPECTED = (ValueError, KeyError, RuntimeError, OSError, ImportError, MemoryError)
"""What gets a sentence; anything else is a fault of the program and keeps its traceback."""

_WRONG_USE = (ValueError, KeyError, FileNotFoundError, NotADirectoryError, IsADirectoryError)


def exit_code(error: BaseException) -> int:
    """Tell wrong use and unreadable input (2) from what failed by itself (1)."""
    return WRONG_USE if isinstance(error, _WRONG_USE) else FAILED


def report(error: BaseException, about: str = "") -> int:
    """Print what went wrong on stderr and return the exit code."""
    said = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    said = said or type(error).__name__
    where = f"{about}: " if about and about not in said else ""
    print(f"napari-sam2: {where}{said}", file=sys.stderr)
    return exit_code(error)
