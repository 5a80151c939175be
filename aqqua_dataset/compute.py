"""Maps a function over chunks on one process, many processes or a Dask cluster: same code, same result.

Chunks are small references (ids and part numbers); results are counts. Data go through the warehouse.
A worker may die at any time (preemption, memory, a decoder that crashes): its chunk is run again elsewhere.
"""

import contextlib
import functools
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import yaml

P = ParamSpec("P")
Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

#: A chunk that has killed this many workers is not given to another one as it is.
ATTEMPTS = 3

_EXPECTED = "expected serial, processes:N, tcp://host:port or a YAML file"


class WorkerDied(RuntimeError):
    """The process that ran a chunk ended without an answer."""


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


class LocalPool(Executor):
    """Worker processes on this machine; the death of one fails one task, with ``WorkerDied``, and it is replaced.

    Each worker is a pool of its own, because the standard pool fails all its tasks when one worker dies.
    """

    def __init__(self, workers: int) -> None:
        """Starts no process yet: each starts with its first task."""
        self._lock = threading.Lock()
        self._closed = False
        self._tasks: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._free = [_worker() for _ in range(workers)]
        self._busy: set[ProcessPoolExecutor] = set()

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        """Queues a task; raises RuntimeError after ``shutdown``."""
        future: Future[Result] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            self._tasks.append((future, functools.partial(fn, *args, **kwargs)))
        self._start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Cancels the tasks that haven't begun and ends the workers, after those that have when ``wait``."""
        with self._lock:
            self._closed = True
            tasks, self._tasks = list(self._tasks), deque()
            workers = [*self._free, *self._busy]
        for future, _ in tasks:
            future.cancel()
        for worker in workers:
            worker.shutdown(wait)

    def _start(self) -> None:
        """Gives waiting tasks to free workers."""
        while True:
            with self._lock:
                if self._closed or not (self._free and self._tasks):
                    return
                worker, (future, call) = self._free.pop(), self._tasks.popleft()
                self._busy.add(worker)
            if not future.set_running_or_notify_cancel():
                self._release(worker)
                continue
            try:
                inner = worker.submit(call)
            except BrokenProcessPool:  # it died while it had nothing to do
                fresh = _worker()
                inner = fresh.submit(call)
                with self._lock:
                    self._busy.remove(worker)
                    self._busy.add(fresh)
                worker = fresh
            inner.add_done_callback(functools.partial(self._ended, worker, future))

    def _ended(self, worker: ProcessPoolExecutor, future: "Future[Any]", inner: "Future[Any]") -> None:
        error = None if inner.cancelled() else inner.exception()
        died = isinstance(error, BrokenProcessPool)
        self._release(worker, _worker() if died else worker)
        self._start()
        if inner.cancelled() or died:
            future.set_exception(WorkerDied("the worker process ended without an answer"))
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(inner.result())

    def _release(self, worker: ProcessPoolExecutor, successor: ProcessPoolExecutor | None = None) -> None:
        with self._lock:
            self._busy.discard(worker)
            self._free.append(successor or worker)


def _worker() -> ProcessPoolExecutor:
    # Never fork: Arrow, DuckDB and gRPC hold threads.
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver"))


@contextlib.contextmanager
def open_executor(spec: str) -> Iterator[tuple[Executor, int]]:
    """Opens an executor and says how many workers it has.

    Args:
        spec: ``serial``, ``processes:N``, the address of a Dask scheduler (``tcp://host:port``), or a YAML
            file with one of ``processes: N``, ``dask: tcp://host:port`` or a block ``slurm:``. The block has
            ``jobs``, the number of jobs; its other keys go to ``dask_jobqueue.SLURMCluster`` as they are.

    Raises:
        ValueError: for any other spec.
        FileNotFoundError: there is no such YAML file.
    """
    kind, _, rest = spec.partition(":")
    if spec == "serial":
        yield SerialExecutor(), 1
    elif kind == "processes" and rest.isdigit() and int(rest) > 0:
        with LocalPool(int(rest)) as pool:
            yield pool, int(rest)
    elif kind in ("tcp", "tls") and rest:
        with _dask(spec, spec) as opened:
            yield opened
    elif spec.endswith((".yaml", ".yml")):
        with _from_file(spec) as opened:
            yield opened
    else:
        raise ValueError(f"executor {spec!r}: {_EXPECTED}")


@contextlib.contextmanager
def _from_file(path: str) -> Iterator[tuple[Executor, int]]:
    """The executor that a YAML file describes."""
    found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(found, dict) or len(found) != 1 or not found.keys() <= {"processes", "dask", "slurm"}:
        raise ValueError(f"{path}: expected one of processes, dask, slurm")
    if "slurm" in found:
        with _slurm(path, found["slurm"]) as opened:
            yield opened
        return
    with open_executor(f"processes:{found['processes']}" if "processes" in found else str(found["dask"])) as opened:
        yield opened


@contextlib.contextmanager
def _slurm(path: str, block: object) -> Iterator[tuple[Executor, int]]:
    """Workers in SLURM jobs; a job that is cancelled or preempted is submitted again."""
    if not isinstance(block, dict) or not isinstance(jobs := block.get("jobs"), int) or jobs < 1:
        raise ValueError(f"{path}: slurm needs jobs, the number of jobs, from 1")
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise ValueError(f"{path} needs dask-jobqueue: install aqqua-dataset[dask]") from error
    with SLURMCluster(**{name: value for name, value in block.items() if name != "jobs"}) as cluster:
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
        with _dask(path, cluster, jobs * int(block.get("processes", 1))) as opened:
            yield opened


@contextlib.contextmanager
def _dask(spec: str, scheduler: Any, workers: int = 0) -> Iterator[tuple[Executor, int]]:
    """The executor of a Dask scheduler; ``workers`` where they are still to come, else those it has now."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(f"{spec} needs Dask: install aqqua-dataset[dask]") from error
    with Client(scheduler) as client:  # type: ignore[no-untyped-call]
        count = workers or len(client.scheduler_info(n_workers=-1)["workers"])
        yield client.get_executor(pure=False, retries=1), max(1, count)


def map_chunks(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], executor: Executor, workers: int,
    last_resort: Callable[[Chunk], Result] | None = None,
) -> Iterator[tuple[Chunk, Result]]:  # fmt: skip
    """Yields (chunk, result) as they finish, with at most four chunks per worker in flight.

    A chunk whose worker died is run again, ``ATTEMPTS`` times in all, then once by ``last_resort``, which
    is to find out what in the chunk ends processes.

    Raises:
        WorkerDied: a chunk ended every worker it was given to.
        Exception: the first failure of a chunk. Content problems never fail a chunk; what fails here is
            infrastructure.
    """
    waiting: dict[Future[Result], tuple[Chunk, int]] = {}
    source = iter(chunks)
    exhausted = False
    while waiting or not exhausted:
        while not exhausted and len(waiting) < 4 * workers:
            try:
                chunk = next(source)
            except StopIteration:
                exhausted = True
            else:
                waiting[executor.submit(function, chunk)] = chunk, 0
        if waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                chunk, before = waiting.pop(future)
                deaths = before + _deaths(future.exception())
                if deaths == before:
                    yield chunk, future.result()
                elif deaths < ATTEMPTS:
                    waiting[executor.submit(function, chunk)] = chunk, deaths
                elif before < ATTEMPTS and last_resort is not None:
                    waiting[executor.submit(last_resort, chunk)] = chunk, ATTEMPTS
                else:
                    raise WorkerDied(f"{chunk} ended {deaths} workers in turn") from future.exception()


def _deaths(error: BaseException | None) -> int:
    """How many workers an error says have died; Dask has tried again itself before it gives up."""
    if isinstance(error, WorkerDied):
        return 1
    return ATTEMPTS if type(error).__name__ == "KilledWorker" else 0  # by name: Dask is optional


def limit_time(seconds: float) -> None:
    """Ends this worker process unless it is called again within ``seconds``; 0 lifts the limit.

    The kernel's timer ends a process even where a decoder never comes back to Python. Outside of a worker
    process (``serial``) it does nothing: nobody would take over.
    """
    if multiprocessing.parent_process() is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)


class Clock:
    """Tells how much is done, the rate and the time left: with the first chunk, the last, and once a minute between."""

    def __init__(
        self, name: str, total: int, tell: Callable[[str], None], every_seconds: float = 60.0,
        unit: str = "images", size: int = 1,
    ) -> None:  # fmt: skip
        """``total`` images are to come, or things of which ``size`` make a ``unit``; ``tell`` is given each line."""
        self._name, self._total, self._tell, self._every = name, total, tell, every_seconds
        self._unit, self._size = unit, size
        self._done = 0
        self._started = time.monotonic()
        self._told = float("-inf")

    def count(self, images: int) -> None:
        """Adds what is finished."""
        self._done += images
        now = time.monotonic()
        if self._done < self._total and now - self._told < self._every:
            return
        self._told = now
        rate = self._done / max(now - self._started, 1e-9)
        left = (self._total - self._done) / max(rate, 1e-9)
        done, total, rate = (n / self._size for n in (self._done, self._total, rate))
        self._tell(f"{self._name}: {done:,.0f} of {total:,.0f} {self._unit}, {rate:,.0f}/s, {left:,.0f} s left")
