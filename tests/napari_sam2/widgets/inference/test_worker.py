"""The one thread that owns the session."""

import threading

import pytest

from napari_sam2.widgets.inference.worker import SessionWorker


@pytest.fixture
def worker(qapp):
    worker = SessionWorker()
    yield worker
    worker.close()


class Gate:
    """A job that waits until it is let through."""

    def __init__(self):
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, value=None):
        self.entered.set()
        assert self.opened.wait(5)
        return value


def test_answers_come_in_order_on_the_gui_thread(worker, qtbot):
    got, threads = [], set()

    def job(i):
        threads.add(threading.current_thread())
        return i

    def then(i):
        threads.add(threading.current_thread())
        got.append(i)

    numbers = [worker.submit(lambda i=i: job(i), then=then) for i in range(5)]
    qtbot.waitUntil(lambda: len(got) == 5)
    assert got == list(range(5))
    assert numbers == sorted(set(numbers))
    assert len(threads) == 2
    assert threading.main_thread() in threads


def test_a_newer_request_outdates_older_ones_of_its_topic(worker, qtbot):
    got, gate = [], Gate()
    ran = []
    worker.submit(lambda: gate("running"), then=got.append, topic="a")
    assert gate.entered.wait(5)
    worker.submit(lambda: ran.append(1) or "waiting", then=got.append, topic="a")
    worker.submit(lambda: "other", then=got.append, topic="b")
    worker.submit(lambda: "newest", then=got.append, topic="a")
    gate.opened.set()
    with qtbot.waitSignal(worker.busy, check_params_cb=lambda busy: not busy):
        pass
    assert got == ["other", "newest"]
    assert ran == []


def test_an_error_is_told_and_the_thread_goes_on(worker, qtbot):
    got = []
    with qtbot.waitSignal(worker.failed, timeout=2000) as blocker:
        worker.submit(lambda: 1 / 0, then=got.append)
    assert isinstance(blocker.args[0], ZeroDivisionError)
    worker.submit(lambda: 7, then=got.append)
    qtbot.waitUntil(lambda: got == [7])


def test_busy_is_told_from_the_first_to_the_last(worker, qtbot):
    told = []
    worker.busy.connect(told.append)
    for _ in range(3):
        worker.submit(lambda: None)
    qtbot.waitUntil(lambda: told == [True, False])
    worker.submit(lambda: 1 / 0)
    qtbot.waitUntil(lambda: told == [True, False, True, False])


def test_a_stream_is_stepped_through(worker, qtbot):
    got, ends = [], []
    worker.stream(lambda: iter(range(4)), each=got.append, then=ends.append)
    assert worker.is_streaming
    qtbot.waitUntil(lambda: ends == [True])
    assert got == [0, 1, 2, 3]
    assert not worker.is_streaming


def test_requests_are_taken_between_the_steps(worker, qtbot):
    order, gate = [], Gate()

    def steps():
        yield order.append("step")
        yield gate()
        yield order.append("step")

    worker.stream(steps, each=lambda _: None)
    assert gate.entered.wait(5)
    worker.submit(lambda: order.append("request"))
    gate.opened.set()
    qtbot.waitUntil(lambda: order == ["step", "request", "step"])


def test_cancelling_closes_the_generator(worker, qtbot):
    got, ends, closed = [], [], []

    def steps():
        try:
            while True:
                yield 1
        finally:
            closed.append(threading.current_thread())

    worker.stream(steps, each=got.append, then=ends.append)
    qtbot.waitUntil(lambda: bool(got))
    worker.cancel()
    qtbot.waitUntil(lambda: ends == [False])
    assert len(closed) == 1
    assert closed[0] is not threading.main_thread()


@pytest.mark.parametrize("error", [RuntimeError("no memory"), StopIteration(), ValueError("no")])
def test_an_error_ends_a_stream(worker, qtbot, error):
    """RuntimeError is what superqt's worker would swallow."""

    def steps():
        yield 1
        raise error

    got, ends = [], []
    with qtbot.waitSignal(worker.failed, timeout=2000) as blocker:
        worker.stream(steps, each=got.append, then=ends.append)
    assert isinstance(blocker.args[0], RuntimeError if error.args == () else type(error))
    assert (got, ends) == ([1], [])
    assert not worker.is_streaming
    worker.submit(lambda: 7, then=got.append)
    qtbot.waitUntil(lambda: got == [1, 7])


def test_clearing_drops_what_waits_and_what_runs(worker, qtbot):
    got, gate, told = [], Gate(), []
    worker.busy.connect(told.append)
    worker.submit(lambda: gate("running"), then=got.append, topic="a")
    assert gate.entered.wait(5)
    worker.submit(lambda: "waiting", then=got.append)
    worker.clear()
    worker.submit(lambda: "after", then=got.append)
    gate.opened.set()
    qtbot.waitUntil(lambda: told == [True, False])
    assert got == ["after"]


def test_closing_ends_the_thread_and_tells_nothing_more(qapp, qtbot):
    worker, got, gate, closed = SessionWorker(), [], Gate(), []

    def steps():
        try:
            while True:
                yield 1
        finally:
            closed.append(1)

    worker.stream(steps, each=got.append, then=got.append)
    worker.submit(lambda: gate("running"), then=got.append)
    assert gate.entered.wait(5)
    assert worker.is_alive
    threading.Timer(0.05, gate.opened.set).start()
    got.clear()
    worker.close()
    qapp.processEvents()
    assert not worker.is_alive
    assert got == []
    assert closed in ([], [1])  # the generator may not have begun
    worker.submit(lambda: got.append(1))
    worker.close()
    assert got == []


def test_a_paused_stream_stands_still_while_requests_are_answered(worker, qtbot):
    got, answers, ends = [], [], []
    gate = Gate()
    worker.stream(
        lambda: (gate(i) if i == 1 else i for i in range(4)), each=got.append, then=ends.append
    )
    assert gate.entered.wait(5)
    worker.pause()
    gate.opened.set()
    worker.submit(lambda: "asked meanwhile", then=answers.append)
    qtbot.waitUntil(lambda: answers == ["asked meanwhile"])
    assert (got, ends, worker.is_paused) == ([0, 1], [], True)
    worker.pause(False)
    qtbot.waitUntil(lambda: ends == [True])
    assert got == [0, 1, 2, 3]


def test_a_paused_stream_can_be_cancelled(worker, qtbot):
    ends, gate = [], Gate()
    worker.stream(lambda: (gate(i) for i in range(4)), each=lambda _: None, then=ends.append)
    assert gate.entered.wait(5)
    worker.pause()
    gate.opened.set()
    worker.cancel()
    qtbot.waitUntil(lambda: ends == [False])
    assert not worker.is_paused


def test_nothing_is_paused_where_nothing_runs(worker, qtbot):
    worker.pause()
    got = []
    worker.stream(lambda: iter("ab"), each=got.append)
    qtbot.waitUntil(lambda: got == ["a", "b"])
