"""The inference thread: runs requests and streams, and returns results on the GUI thread."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from itertools import count
from threading import Condition, Thread
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_sam2.movies.background_threads import background_thread

CLOSE_TIMEOUT_S = 10.0


@dataclass(eq=False)
class _Request:
    """A function to call once, or a generator to step through, with its callbacks."""

    number: int
    function: Callable[[], Any]
    then: Callable[[Any], None] | None = None
    each: Callable[[Any], None] | None = None
    topic: Hashable = None
    stream: Iterator[Any] | None = None
    cancelled: bool = False


class SessionWorker(QObject):
    """Runs requests one after the other, and streams step by step between them.

    A request may have a topic; only the newest request of a topic counts. Older ones that wait
    are dropped, as is the result of one that runs.

    Parameters
    ----------
    name
        Name of the thread.

    Signals
    -------
    failed
        The exception of a request or a stream. Its `then` is not called.
    busy
        Whether anything runs or waits now.

    Notes
    -----
    No thread pool and no superqt worker: both hide errors (the latter swallows the RuntimeError
    that torch raises when memory is short), and one thread per click makes torch slow.
    """

    failed = Signal(object)
    busy = Signal(bool)
    _answered = Signal(object, object)
    _stepped = Signal(object, object)
    _broke = Signal(object, object)

    def __init__(self, name: str = "napari-sam2 session") -> None:
        super().__init__()
        self._name = name
        self._numbers = count(1)
        self._newest: dict[Hashable, int] = {}
        self._wake = Condition()
        self._requests: deque[_Request] = deque()
        self._streams: deque[_Request] = deque()
        self._open = 0  # requests and streams that the GUI waits for
        self._closing = False
        self._paused = False
        self._thread: Thread | None = None
        self._answered.connect(self._deliver)
        self._stepped.connect(self._deliver_step)
        self._broke.connect(self._deliver_error)

    @property
    def is_busy(self) -> bool:
        """Whether anything runs or waits whose result the GUI thread does not have yet."""
        return self._open > 0

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_streaming(self) -> bool:
        """Whether a stream runs or waits."""
        return bool(self._streams)

    def submit(
        self,
        function: Callable[[], Any],
        *,
        then: Callable[[Any], None] | None = None,
        topic: Hashable = None,
    ) -> int:
        """Queue a call; `then` gets its result on the GUI thread. Returns its number."""
        request = _Request(next(self._numbers), function, then, topic=topic)
        with self._wake:
            if topic is not None:
                self._newest[topic] = request.number
                waiting = [r for r in self._requests if r.topic == topic]
                for outdated in waiting:
                    self._requests.remove(outdated)
                self._open -= len(waiting)  # the new one keeps it above zero
            self._enqueue(self._requests, request)
        return request.number

    def stream(
        self,
        function: Callable[[], Iterator[Any]],
        *,
        each: Callable[[Any], None],
        then: Callable[[bool], None] | None = None,
    ) -> int:
        """Queue a generator; requests run between its steps. Returns its number.

        Parameters
        ----------
        function
            Makes the generator, on the worker's thread.
        each
            Gets every value but None on the GUI thread; a None only lets requests run.
        then
            Gets whether the generator reached its end, False if it was cancelled.
        """
        request = _Request(next(self._numbers), function, then, each=each)
        with self._wake:
            self._enqueue(self._streams, request)
        return request.number

    @property
    def is_paused(self) -> bool:
        """Whether streams are paused."""
        return self._paused

    def pause(self, pause: bool = True) -> None:
        """Pause streams after their present step, or continue; requests run meanwhile.

        `cancel` ends the pause, too.
        """
        with self._wake:
            self._paused = pause and bool(self._streams)
            self._wake.notify()

    def cancel(self) -> None:
        """Close all streams before their next step."""
        with self._wake:
            for stream in self._streams:
                stream.cancelled = True
            self._paused = False
            self._wake.notify()

    def clear(self) -> None:
        """Drop all requests that wait, and cancel all streams."""
        with self._wake:
            dropped = len(self._requests)
            self._requests.clear()
            self._newest.clear()  # what runs at this moment is outdated, too
            self.cancel()
        self._settle(dropped)

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Drop what waits, and end the thread after its present step.

        Parameters
        ----------
        timeout_s
            How long to wait for the end; the thread ends in any case.
        """
        with self._wake:
            self._closing = True
            self._wake.notify()
        self.clear()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _enqueue(self, queue: deque[_Request], request: _Request) -> None:
        if self._closing:
            return
        queue.append(request)
        self._open += 1
        if self._open == 1:
            self.busy.emit(True)
        if self._thread is None:
            self._thread = background_thread(self._run, self._name)
            self._thread.start()
        self._wake.notify()

    # on the worker's thread

    def _run(self) -> None:
        while (request := self._next()) is not None:
            try:
                if request.each is None:
                    self._answered.emit(request, request.function())
                else:
                    self._step(request)
            except Exception as error:  # of any kind: it is reported, and the thread goes on
                self._end_stream(request)
                self._broke.emit(request, error)
        for stream in list(self._streams):
            self._end_stream(stream)

    def _next(self) -> _Request | None:
        """Wait for the next request or stream; None when the thread is to end."""
        with self._wake:
            while not (self._closing or self._requests or (self._streams and not self._paused)):
                self._wake.wait()
            if self._closing:
                return None
            return self._requests.popleft() if self._requests else self._streams[0]

    def _step(self, request: _Request) -> None:
        if request.cancelled:
            self._end_stream(request)
            self._answered.emit(request, False)
            return
        if request.stream is None:
            request.stream = iter(request.function())
        try:
            value = next(request.stream)
        except StopIteration:
            self._end_stream(request)
            self._answered.emit(request, True)
        else:
            if value is not None:
                self._stepped.emit(request, value)

    def _end_stream(self, request: _Request) -> None:
        with self._wake:
            if request in self._streams:
                self._streams.remove(request)
        close = getattr(request.stream, "close", None)
        request.stream = None
        if close is not None:
            close()

    # on the GUI thread

    def _deliver(self, request: _Request, answer: Any) -> None:
        if self._is_wanted(request) and request.then is not None:
            request.then(answer)
        self._settle()

    def _deliver_step(self, request: _Request, value: Any) -> None:
        # also of one that is cancelled: what it did, it did
        if not self._closing and request.each is not None:
            request.each(value)

    def _deliver_error(self, request: _Request, error: Exception) -> None:
        if self._is_wanted(request):
            self.failed.emit(error)
        self._settle()

    def _is_wanted(self, request: _Request) -> bool:
        newest = request.topic is None or self._newest.get(request.topic) == request.number
        return newest and not self._closing

    def _settle(self, done: int = 1) -> None:
        self._open -= done
        if done and self._open == 0 and not self._closing:
            self.busy.emit(False)


class Guarded:
    """Makes a generator that ends where it raises, and keeps the exception.

    The end of the stream is then reported in any case, so that what was done can be kept, and
    the error is known to be that of this stream.

    Parameters
    ----------
    function
        Makes the generator, on the inference thread.

    Attributes
    ----------
    error
        The exception; None if there was none.
    """

    def __init__(self, function: Callable[..., Iterator[Any]]) -> None:
        self.error: Exception | None = None
        self._function = function

    def __call__(self, *arguments: Any) -> Iterator[Any]:
        """Run the generator."""
        try:
            yield from self._function(*arguments)
        except Exception as error:  # of any kind: it is reported, and what was done is kept
            self.error = error
