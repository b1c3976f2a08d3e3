"""Do many small pieces of work at once on a CPU, each on one core.

PyTorch distributes each operation over the cores, which then wait for each other. For many
small operations one core per piece is faster, and a core that is busy elsewhere delays its own
piece only.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def count_at_once(device: torch.device) -> int:
    """Return how many pieces of work are done at once on a device."""
    return torch.get_num_threads() if device.type == "cpu" else 1


@contextmanager
def one_core_each(n: int) -> Iterator[ThreadPoolExecutor]:
    """Start n threads in which PyTorch uses one core each; work not begun at the end is dropped."""
    n_threads = torch.get_num_threads()
    with ThreadPoolExecutor(n, "sam2_torch", torch.set_num_threads, (1,)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(n_threads)  # what each new thread inherits


def side_by_side(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], device: torch.device
) -> Generator[Result, None, None]:
    """Do all pieces, on a CPU as many at once as PyTorch has threads.

    Parameters
    ----------
    work
        Called with each piece; on a CPU in threads, in which gradients are as by default.
    pieces
        What to do; begun in this order.
    device
        Where the work's tensors are.

    Returns
    -------
    The results in order, one after another. Closing the generator waits for pieces that have
    begun, and begins no more.
    """
    n = min(count_at_once(device), len(pieces))
    if n < 2:
        yield from map(work, pieces)
        return
    with one_core_each(n) as pool:
        begun: deque[Future[Result]] = deque()
        for piece in pieces:
            begun.append(pool.submit(work, piece))
            if len(begun) > n:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
