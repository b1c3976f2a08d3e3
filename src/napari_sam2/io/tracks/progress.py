"""How a writer tells how far it is, and is stopped."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many frames or objects are done, of how many; what it raises stops the writing."""


def silent(done: int, total: int) -> None:
    """Tell nobody."""
