"""A stream whose end is told in any case: also when an exception broke it off."""

from collections.abc import Callable, Iterator
from typing import Any


class Guarded:
    """Makes a generator that ends where it fails, and keeps the exception for its end.

    Whoever started it can keep what was done, and knows that it was this one that failed, and
    not something else that the worker did meanwhile.

    Parameters
    ----------
    function
        Makes the generator, on the worker's thread.

    Attributes
    ----------
    error
        What broke it off; None if nothing did.
    """

    def __init__(self, function: Callable[..., Iterator[Any]]) -> None:
        self.error: Exception | None = None
        self._function = function

    def __call__(self, *arguments: Any) -> Iterator[Any]:
        """Run it."""
        try:
            yield from self._function(*arguments)
        except Exception as error:  # whatever it is, what was done is kept and the user is told
            self.error = error
