"""Results that a device is still computing or copying."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """A result that is waited for when it is asked for.

    Parameters
    ----------
    wait
        Waits for the result and returns it; called once.
    """

    def __init__(self, wait: Callable[[], T]) -> None:
        self._wait: Callable[[], T] | None = wait

    def result(self) -> T:
        """Wait for the result, the first time, and return it."""
        if self._wait is not None:
            self._result, self._wait = self._wait(), None
        return self._result
