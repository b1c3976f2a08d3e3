"""Break off what a network is doing, between two of its layers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


class Interrupted(Exception):
    """What the network was doing was broken off; nothing came of it."""


@contextmanager
def interruptible(model: nn.Module, stop: Callable[[], bool]) -> Iterator[None]:
    """Let the network ask before each layer whether to go on.

    Parameters
    ----------
    model
        The network; it is as before when the context ends.
    stop
        Asked often, on the thread that calls the network.

    Raises
    ------
    Interrupted
        Within the context, as soon as `stop` says so.
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
