"""Threads that produce for one consumer: bounded queues both ways, and a stop that ends all of them."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

POLL = 0.05
"""Seconds after which one who waits looks whether all are to stop."""


class Stopped(Exception):  # noqa: N818, since it is no error: it ends a producer's loop.
    """Raised in one who waits when all are to stop."""


class Link:
    """A producer's end of its queues.

    Args:
      size: How many orders and how many products may wait.
      stop: Set when all are to stop.
    """

    def __init__(self, size: int, stop: threading.Event):
        self.orders: queue.Queue[Any] = queue.Queue(size)
        self.products: queue.Queue[Any] = queue.Queue(size)
        self._stop = stop

    def order(self) -> Any:
        """Returns the next order; waits until there is one.

        Raises:
          Stopped: all are to stop.
        """
        return self.waiting(self.orders.get, queue.Empty)

    def deliver(self, product: Any) -> None:
        """Hands on a product; waits until there is room.

        Raises:
          Stopped: all are to stop.
        """
        self.waiting(lambda timeout: self.products.put(product, timeout=timeout), queue.Full)

    def waiting(self, call: Callable[..., Any], busy: type[Exception]) -> Any:
        """Returns what `call(timeout=...)` returns as soon as it does not raise `busy`."""
        while not self._stop.is_set():
            try:
                return call(timeout=POLL)
            except busy:
                continue
        raise Stopped


class Pipeline:
    """Runs producers in threads of their own, as a context manager; at its end no thread is left.

    Each producer is called with its `Link`, and loops over orders until it is stopped. Its n-th product answers the
    n-th order: so what it makes does not depend on how fast the threads are.

    Where a producer raises, or the body of the `with` statement does, for example by Ctrl-C, all are stopped, and the
    first error is raised.

    Args:
      producers: What to run.
      size: How many orders and how many products of each may wait.
      patience: Seconds that the threads have to end in; one that hangs longer is an error.

    Example:
      >>> def squares(link):
      ...     while True:
      ...         link.deliver(link.order() ** 2)
      >>> with Pipeline([squares, squares], size=1) as pipeline:
      ...     pipeline.publish(3)
      ...     pipeline.take()
      [9, 9]
    """

    def __init__(self, producers: Sequence[Callable[[Link], None]], size: int, patience: float = 10.0):
        self._stop = threading.Event()
        self._links = [Link(size, self._stop) for _ in producers]
        self._errors: list[BaseException] = []
        self._patience = patience
        self._threads = [
            threading.Thread(target=self._run, args=(producer, link), name=f"producer {index}", daemon=True)
            for index, (producer, link) in enumerate(zip(producers, self._links, strict=True))
        ]

    def publish(self, order: Any) -> None:
        """Gives all producers the same order; waits until there is room.

        Raises:
          Stopped: a producer has raised an error; the end of the `with` statement raises it.
        """
        for link in self._links:
            link.waiting(lambda timeout, link=link: link.orders.put(order, timeout=timeout), queue.Full)

    def take(self) -> list[Any]:
        """Returns the next product of each producer, in their order; waits for them.

        Raises:
          Stopped: as for `publish`.
        """
        return [link.waiting(link.products.get, queue.Empty) for link in self._links]

    def __enter__(self) -> Self:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops the threads, and passes on the first error of a producer unless the body had one of its own."""
        self._stop.set()
        deadline = time.monotonic() + self._patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        hanging = [thread.name for thread in self._threads if thread.is_alive()]
        if error is not None and not isinstance(error, Stopped):
            return
        if self._errors:
            raise self._errors[0]
        if hanging:
            raise RuntimeError(
                f"Pipeline: {', '.join(hanging)} did not end within {self._patience:g} s after the stop. A producer "
                "ends only where it waits for an order or for room: let none of its own calls block for longer."
            )

    def _run(self, producer: Callable[[Link], None], link: Link) -> None:
        try:
            producer(link)
        except Stopped:
            pass
        except BaseException as error:
            error.add_note(f"Raised in {threading.current_thread().name} of a pipeline.")
            self._errors.append(error)
            self._stop.set()
