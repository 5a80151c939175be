"""Maps a function over chunks on one process, many processes or a Dask cluster: same code, same result.

Chunks are small references (ids and part numbers); results are counts. Data go through the warehouse.
"""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


class SerialExecutor(Executor):
    """Runs each task at once, in this process."""

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        """Calls ``fn`` and returns its finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # the future carries it to whoever asks for the result
            future.set_exception(error)
        return future


@contextlib.contextmanager
def open_executor(spec: str) -> Iterator[tuple[Executor, int]]:
    """Opens an executor and says how many workers it has.

    Args:
        spec: ``serial``, ``processes:N`` or the address of a Dask scheduler (``tcp://host:port``).

    Raises:
        ValueError: for any other spec.
    """
    kind, _, rest = spec.partition(":")
    if spec == "serial":
        yield SerialExecutor(), 1
    elif kind == "processes" and rest.isdigit() and int(rest) > 0:
        # Never fork: Arrow, DuckDB and gRPC hold threads.
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(int(rest), mp_context=context) as pool:
            yield pool, int(rest)
    elif kind in ("tcp", "tls"):
        try:
            from distributed import Client
        except ImportError as error:
            raise ValueError(f"{spec} needs Dask: install aqqua-dataset[dask]") from error
        with Client(spec) as client:  # type: ignore[no-untyped-call]
            yield client.get_executor(retries=1), max(1, len(client.scheduler_info()["workers"]))
    else:
        raise ValueError(f"executor {spec!r}: expected serial, processes:N or tcp://host:port")


def map_chunks(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], executor: Executor, workers: int
) -> Iterator[tuple[Chunk, Result]]:
    """Yields (chunk, result) as they finish, with at most four chunks per worker in flight.

    Raises:
        Exception: the first failure of a chunk, after the chunks in flight have ended. Content
            problems never fail a chunk; what fails here is infrastructure.
    """
    waiting: dict[Future[Result], Chunk] = {}
    source = iter(chunks)
    exhausted = False
    while waiting or not exhausted:
        while not exhausted and len(waiting) < 4 * workers:
            try:
                chunk = next(source)
            except StopIteration:
                exhausted = True
            else:
                waiting[executor.submit(function, chunk)] = chunk
        if waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
