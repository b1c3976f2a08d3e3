"""Pieces of work on a core each."""

import threading
from collections.abc import Iterator

import pytest
import torch

from sam2_torch.runtime.thread_pool import side_by_side

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_several_threads_of_one_core_each() -> None:
    meeting = threading.Barrier(3, timeout=30)  # three are at work together

    def work(piece: int) -> tuple[int, int, str]:
        meeting.wait()
        return piece, torch.get_num_threads(), threading.current_thread().name

    results = list(side_by_side(work, range(6), CPU))
    assert [piece for piece, _, _ in results] == list(range(6))
    assert {threads for _, threads, _ in results} == {1}
    assert len({name for _, _, name in results}) == 3


def test_threads_are_as_many_as_before_here_and_in_new_threads() -> None:
    list(side_by_side(lambda piece: piece, range(6), CPU))
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert (torch.get_num_threads(), seen) == (3, [3])


def test_closing_begins_no_more() -> None:
    begun: list[int] = []
    results = side_by_side(lambda piece: begun.append(piece), range(100), CPU)
    next(results)
    results.close()
    assert len(begun) <= 1 + 2 * 3
    assert torch.get_num_threads() == 3


def test_an_error_in_a_piece_is_raised() -> None:
    def work(piece: int) -> int:
        if piece == 4:
            raise ValueError("piece 4")
        return piece

    results = side_by_side(work, range(100), CPU)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="piece 4"):
        next(results)


def test_on_other_devices_one_after_another_in_this_thread() -> None:
    results = side_by_side(lambda piece: threading.get_ident(), range(3), torch.device("meta"))
    assert set(results) == {threading.get_ident()}
