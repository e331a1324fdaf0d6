"""The main job on real files: Python's standard library into an S3 server and back, every byte checked.

    make demo

An S3 server (`rclone serve s3`) runs on a free loopback port for as long as the demo does. Thousands of files
go up with `put_async`, are listed, and come back with `get_async`; then the same again with the blocking
functions, from threads. Whatever is not exactly as on disk is named, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

sys.path.append(str(Path(__file__).parent))
from s3_server import ServerError, serve

import obstore_c as obs
from obstore_c._lib import engine
from obstore_c.store import S3Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from obstore_c import Bytes, ObjectMeta
IN_FLIGHT = 64
THREADS = 16


@dataclass(frozen=True)
class File:
    """A file of the standard library."""

    path: Path
    name: str
    """Its path inside of the library, which ends its key."""
    size: int


@dataclass
class Step:
    """A row of the summary."""

    title: str
    files: int = 0
    size: int = 0
    seconds: float = 0.0
    requests: int = 0
    retries: int = 0
    wrong: list[str] = field(default_factory=list)


def standard_library() -> list[File]:
    """The running Python's own library, without what pip installed."""
    root = Path(sysconfig.get_path("stdlib")).resolve()
    files = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - {"site-packages", "dist-packages"})
        paths = (Path(folder, name) for name in sorted(names))
        files += [
            File(path, path.relative_to(root).as_posix(), path.stat().st_size)
            for path in paths
            if path.is_file() and os.access(path, os.R_OK)
        ]
    return files


class Demo:
    """The steps, and how each of them went."""

    def __init__(self, store: S3Store, files: Sequence[File], progress: Progress) -> None:
        self.store, self.files, self.progress = store, files, progress
        self.steps: list[Step] = []

    async def with_asyncio(self) -> None:
        """Ingest, list and read back with coroutines, `IN_FLIGHT` at a time."""
        with self._step("put_async", self.files) as (step, bar):

            async def put(file: File) -> None:
                await obs.put_async(self.store, f"asyncio/{file.name}", file.path.read_bytes())
                self._done(step, bar, file)

            await in_flight(IN_FLIGHT, map(put, self.files))
        with self._step("list, async", [None]) as (step, bar):
            found = await obs.list(self.store, "asyncio").collect_async()
            self._compare("asyncio/", found, step, bar)
        with self._step("get_async", self.files) as (step, bar):

            async def get(file: File) -> None:
                response = await obs.get_async(self.store, f"asyncio/{file.name}")
                self._check(await response.bytes_async(), file, step)
                self._done(step, bar, file)

            await in_flight(IN_FLIGHT, map(get, self.files))

    def with_threads(self) -> None:
        """The same with blocking calls from `THREADS` threads."""
        with self._step("put, threads", self.files) as (step, bar):

            def put(file: File) -> None:
                obs.put(self.store, f"threads/{file.name}", file.path.read_bytes())
                self._done(step, bar, file)

            in_threads(put, self.files)
        with self._step("list", [None]) as (step, bar):
            found = obs.list(self.store, "threads").collect()
            self._compare("threads/", found, step, bar)
        with self._step("get, threads", self.files) as (step, bar):

            def get(file: File) -> None:
                body = obs.get(self.store, f"threads/{file.name}").bytes()
                self._check(body, file, step)
                self._done(step, bar, file)

            in_threads(get, self.files)

    @contextlib.contextmanager
    def _step(self, title: str, files: Sequence[File | None]) -> Iterator[tuple[Step, TaskID]]:
        step = Step(title)
        self.steps.append(step)
        bar = self.progress.add_task(title, total=len(files))
        before = traffic()
        start = time.perf_counter()
        try:
            yield step, bar
        finally:
            step.seconds = time.perf_counter() - start
            step.requests, step.retries = (now - then for now, then in zip(traffic(), before, strict=True))

    def _done(self, step: Step, bar: TaskID, file: File) -> None:
        step.files += 1
        step.size += file.size
        self.progress.advance(bar)

    def _check(self, body: Bytes, file: File, step: Step) -> None:
        if bytes(body) != file.path.read_bytes():
            step.wrong.append(f"{file.name}: other bytes came back")

    def _compare(self, prefix: str, found: Iterable[ObjectMeta], step: Step, bar: TaskID) -> None:
        """Hold a listing against the files: names and sizes, nothing missing, nothing else."""
        listed = {meta["path"]: meta["size"] for meta in found}
        wanted = {prefix + file.name: file.size for file in self.files}
        for path in sorted(listed.keys() | wanted.keys()):
            sizes = listed.get(path), wanted.get(path)
            if sizes[0] != sizes[1]:
                step.wrong.append(f"{path}: listed with {sizes[0]} bytes, stored with {sizes[1]}")
        step.files = len(listed)
        self.progress.advance(bar)


async def in_flight(limit: int, coroutines: Iterable[Awaitable[None]]) -> None:
    """Run coroutines, `limit` of them at a time. The first failure ends it all."""
    queue = iter(coroutines)

    async def worker() -> None:
        for coroutine in queue:
            await coroutine

    async with asyncio.TaskGroup() as group:
        for _ in range(limit):
            group.create_task(worker())


def in_threads(function: Callable[[File], None], files: Sequence[File]) -> None:
    """Call a function for every file, from `THREADS` threads. The first failure ends it all."""
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for _ in pool.map(function, files):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def traffic() -> tuple[int, int]:
    """HTTP requests and retries of this process so far, as the engine counted them."""
    counts = engine.stats()
    return counts.get("requests", 0), counts.get("retries", 0)


def summary(steps: Sequence[Step]) -> Table:
    """The table at the end."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    table.add_column("step", no_wrap=True)
    for name in ("files", "MB", "seconds", "files/s", "MB/s", "requests", "retries", "wrong"):
        table.add_column(name, justify="right")
    for step in steps:
        rate, megabytes = step.files / step.seconds, step.size / 1e6
        speed = f"{megabytes / step.seconds:,.0f}" if step.size else ""
        table.add_row(
            step.title,
            f"{step.files:,}",
            f"{megabytes:,.0f}" if step.size else "",
            f"{step.seconds:.2f}",
            f"{rate:,.0f}",
            speed,
            f"{step.requests:,}" if step.requests else "not counted",
            f"{step.retries:,}" if step.requests else "",
            f"{len(step.wrong):,}",
        )
    return table


def main() -> int:
    """Run the demo.

    Returns:
        The exit status: 0 when every byte came back, 1 when not or when it could not run, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(description="Takes Python's standard library through an S3 server.")
    parser.add_argument("--files", type=int, metavar="N", help="only the first N files (default: all)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console, files = Console(), standard_library()[: options.files]
    size = sum(file.size for file in files)
    version = platform.python_version()
    console.print(f"{len(files):,} files, {size / 1e6:,.0f} MB: the standard library of Python {version}")
    columns = TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    try:
        with serve() as server, Progress(*columns, console=console) as progress:
            demo = Demo(S3Store(**server.config()), files, progress)
            asyncio.run(demo.with_asyncio())
            demo.with_threads()
    except ServerError as error:
        console.print(str(error), style="red")
        return 1
    except KeyboardInterrupt:
        console.print("Stopped; the server and its files are gone.")
        return 130
    console.print(summary(demo.steps))
    wrong = [line for step in demo.steps for line in step.wrong]
    for line in wrong[:20]:
        console.print(line, style="red", markup=False)
    console.print("Something is wrong." if wrong else "Every file came back as it was, byte by byte.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
