"""Interrupt a network between two of its layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


class Interrupted(Exception):
    """The network was interrupted and returned nothing."""


@contextmanager
def interruptible(model: nn.Module, stop: Callable[[], bool]) -> Iterator[None]:
    """Let the network check before each layer whether to stop.

    Parameters
    ----------
    model
        The network; unchanged when the context ends.
    stop
        Called often, on the thread that calls the network.

    Raises
    ------
    Interrupted
        Within the context, as soon as `stop` returns True.
    """

    def ask(module: nn.Module, arguments: Any) -> None:
        if stop():
            raise Interrupted

    hooks = [module.register_forward_pre_hook(ask) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
