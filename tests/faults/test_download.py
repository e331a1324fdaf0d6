"""download: the file appears whole or not at all, and nothing else stays in its directory."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.support import check_script, eventually, script_environment, soon
from faults.reading import FROM, PART, Object, content, first_byte, shrink
from obstore_c import exceptions as exc
from obstore_c._ops import download as operation
from obstore_c.store import MemoryStore
from servers.faults import Reply, error, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.faults import FaultServer

    from .conftest import Call, MakeStore

SIZES = {"small": 1000, "medium": 3 * PART, "large": 6 * PART + 5}
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and signals")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> int:
    """Collected, over one connection, over several."""
    return SIZES[request.param]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("there", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("kind", [str, Path, os.fsencode], ids=["str", "path", "bytes"])
def test_file_has_the_bytes(
    fault_server: FaultServer,
    make_store: MakeStore,
    call: Call,
    tmp_path: Path,
    size: int,
    there: bool,
    kind: Any,
) -> None:
    fault_server.script(Object(content(size)))
    file = tmp_path / "file ü"
    if there:
        file.write_bytes(bytes(100_000))
    meta = call(make_store(), "download", "k", kind(file))
    assert meta["size"] == size
    assert meta["e_tag"] == '"v1"'
    assert file.read_bytes() == content(size)
    assert names(tmp_path) == ["file ü"]
    assert len(fault_server.requests) == (-(-size // PART) if size >= FROM else 1)


def test_empty_object(fault_server: FaultServer, make_store: MakeStore, call: Call, tmp_path: Path) -> None:
    fault_server.script(Object(b""))
    call(make_store(), "download", "k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("etag", ['"v1"', None])
def test_unknown_length(
    fault_server: FaultServer,
    make_store: MakeStore,
    call: Call,
    tmp_path: Path,
    size: int,
    etag: str | None,
) -> None:
    served = Object(content(size), etag)
    served.flaws.append(lambda request, reply, number: replace(reply, chunked=True, piece=3000))
    fault_server.script(served)
    call(make_store(), "download", "k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content(size)


def test_range_of_an_object(
    fault_server: FaultServer, make_store: MakeStore, call: Call, tmp_path: Path
) -> None:
    fault_server.script(Object(content(7 * PART)))
    meta = call(make_store(), "download", "k", tmp_path / "file", options={"range": (100, 6 * PART)})
    assert (tmp_path / "file").read_bytes() == content(7 * PART)[100 : 6 * PART]
    assert meta["size"] == 7 * PART


def test_name_in_the_current_directory(
    fault_server: FaultServer, make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.script(Object(b"hello"))
    monkeypatch.chdir(tmp_path)
    make_store().download("k", "file")
    assert (tmp_path / "file").read_bytes() == b"hello"


# --- what the file is like --------------------------------------------------------------------------------


@pytest.fixture
def umask() -> Iterator[int]:
    mask = 0o027
    before = os.umask(mask)
    yield mask
    os.umask(before)


@posix
def test_new_file_has_the_permissions_of_open(
    fault_server: FaultServer, make_store: MakeStore, call: Call, tmp_path: Path, umask: int, size: int
) -> None:
    fault_server.script(Object(content(size)))
    call(make_store(), "download", "k", tmp_path / "file")
    (tmp_path / "reference").touch()
    found, wanted = ((tmp_path / name).stat().st_mode for name in ("file", "reference"))
    assert found == wanted == stat.S_IFREG | 0o666 & ~umask


@posix
def test_replaced_file_passes_its_permissions_on(
    fault_server: FaultServer, make_store: MakeStore, tmp_path: Path
) -> None:
    fault_server.script(Object(b"hello"))
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o600)
    make_store().download("k", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@posix
def test_link_stays_and_what_it_leads_to_is_replaced(
    fault_server: FaultServer, make_store: MakeStore, tmp_path: Path
) -> None:
    fault_server.script(Object(b"hello"))
    (tmp_path / "elsewhere").mkdir()
    target, link, dangling = tmp_path / "elsewhere/file", tmp_path / "link", tmp_path / "dangling"
    target.write_bytes(b"old")
    link.symlink_to(target)
    dangling.symlink_to("elsewhere/new")
    make_store().download("k", link)
    make_store().download("k", dangling)
    assert link.is_symlink()
    assert target.read_bytes() == (tmp_path / "elsewhere/new").read_bytes() == b"hello"
    assert names(tmp_path / "elsewhere") == ["file", "new"]


@posix
def test_devices_and_pipes_are_not_replaced(
    fault_server: FaultServer, make_store: MakeStore, call: Call, tmp_path: Path, size: int
) -> None:
    fault_server.script(Object(content(size)))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        with pytest.raises(ValueError, match="is not a regular file"):
            call(make_store(), "download", "k", tmp_path / name)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert names(tmp_path) == ["null", "pipe"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("missing/file", FileNotFoundError),
        ("folder", IsADirectoryError),
        ("new/", IsADirectoryError),
        ("file/file", NotADirectoryError),
        ("x" * 300, OSError),
    ],
)
def test_file_that_cannot_be_made(
    fault_server: FaultServer,
    make_store: MakeStore,
    call: Call,
    tmp_path: Path,
    name: str,
    kind: type[Exception],
    size: int,
) -> None:
    fault_server.script(Object(content(size)))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(kind):
        call(make_store(), "download", "k", f"{tmp_path}/{name}")
    assert names(tmp_path) == ["file", "folder"]
    assert names(tmp_path / "folder") == []


@pytest.mark.parametrize("file", [None, 5, "", "a\0b", b"", open], ids=repr)
def test_what_is_no_name_is_refused_before_anything_is_sent(
    fault_server: FaultServer, make_store: MakeStore, call: Call, file: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match="file "):
        call(make_store(), "download", "k", file)
    assert fault_server.requests == []


# --- whole or not at all ----------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that must stay as it is."""
    file = tmp_path / "file"
    file.write_bytes(b"old")
    return file


def is_untouched(old: Path) -> bool:
    return old.read_bytes() == b"old" and names(old.parent) == ["file"]


@pytest.mark.parametrize(
    ("answer", "options", "kind"),
    [
        (error(404, "NoSuchKey"), None, FileNotFoundError),
        (error(403, "AccessDenied"), None, exc.PermissionDeniedError),
        (Reply(304), {"if_none_match": '"v1"'}, exc.NotModifiedError),
        (error(412, "PreconditionFailed"), {"if_match": '"v0"'}, exc.PreconditionError),
    ],
    ids=["404", "403", "304", "412"],
)
def test_refusal_leaves_the_file_alone(
    fault_server: FaultServer,
    make_store: MakeStore,
    call: Call,
    old: Path,
    answer: Reply,
    options: Any,
    kind: type[Exception],
) -> None:
    fault_server.script(answer)
    with pytest.raises(kind):
        call(make_store(), "download", "k", old, options=options)
    assert is_untouched(old)


@pytest.mark.parametrize("after", [1, 3])
def test_failure_in_the_middle_leaves_the_file_alone(
    fault_server: FaultServer, make_store: MakeStore, call: Call, old: Path, after: int
) -> None:
    served = Object(content(8 * PART))
    served.flaws.append(lambda request, reply, number: error(500) if number >= after else reply)
    fault_server.script(served)
    with pytest.raises(exc.GenericError):
        call(make_store(retries=1), "download", "k", old)
    assert is_untouched(old)


@pytest.mark.parametrize("full_after", [0, 1])
def test_full_disk_leaves_the_file_alone(
    fault_server: FaultServer,
    make_store: MakeStore,
    call: Call,
    old: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    full_after: int,
) -> None:
    fault_server.script(Object(content(size)))
    written: list[int] = []
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        if len(written) >= full_after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(real(descriptor, data[:500]))  # and short writes are no reason to stop
        return written[-1]

    monkeypatch.setattr(operation.os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        call(make_store(), "download", "k", old)
    monkeypatch.undo()
    assert is_untouched(old)


LIMITED = """
import resource, sys, signal
from obstore_c.store import MemoryStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
store = MemoryStore()
store.put("k", bytes(20000))
try:
    store.download("k", sys.argv[1])
except OSError as error:
    print(error.strerror)
"""


@posix
def test_file_larger_than_the_limit_leaves_the_old_one_alone(old: Path) -> None:
    check_script(LIMITED, str(old), output="File too large\n")
    assert is_untouched(old)


@pytest.mark.parametrize("sent", [0, 1, 2, 4])
async def test_cancelled_download_leaves_the_file_alone(
    fault_server: FaultServer, make_store: MakeStore, old: Path, sent: int
) -> None:
    served = Object(content(8 * PART))
    served.flaws.append(lambda request, reply, number: replace(reply, delay=5.0 if number >= sent else 0.0))
    fault_server.script(served)
    task = asyncio.create_task(make_store().download_async("k", old))  # type: ignore[arg-type]
    assert await soon(lambda: len(fault_server.requests) > sent)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_untouched(old)


@pytest.mark.parametrize("step", ["open", "write", "finish"])
@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
async def test_cancelled_while_a_thread_writes(
    fault_server: FaultServer,
    make_store: MakeStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    again: bool,
    size: int,
) -> None:
    fault_server.script(Object(content(size)))
    file = tmp_path / "file"
    entered, go_on = threading.Event(), threading.Event()
    real = getattr(operation.NewFile, step)

    def slow(self: Any, *args: Any) -> None:
        entered.set()
        go_on.wait(5)
        real(self, *args)

    monkeypatch.setattr(operation.NewFile, step, slow)
    task = asyncio.create_task(make_store().download_async("k", file))  # type: ignore[arg-type]
    assert await asyncio.to_thread(entered.wait, 5)
    task.cancel()
    if again:
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(tmp_path) == []
    go_on.set()
    await asyncio.sleep(0.05)
    assert names(tmp_path) == []  # the thread has noticed


def test_dropped_coroutine_leaves_nothing(
    fault_server: FaultServer, make_store: MakeStore, tmp_path: Path
) -> None:
    served = Object(content(8 * PART))
    served.flaws.append(lambda request, reply, number: replace(reply, delay=1.0 if number else 0.0))
    fault_server.script(served)

    async def main() -> None:
        coroutine = make_store().download_async("k", tmp_path / "file")
        waiting = coroutine.__await__()
        for _ in range(1000):
            next(waiting)
            await asyncio.sleep(0.001)
            if names(tmp_path):
                break
        assert names(tmp_path)
        coroutine.close()

    asyncio.run(main())
    assert names(tmp_path) == []


KILLED = """
import os, sys
from obstore_c._ops import get, parallel
from obstore_c.store import S3Store
get.COLLECT_UP_TO, parallel.PARALLEL_FROM, parallel.PART_SIZE = 16384, 65536, 16384
store = S3Store("data", endpoint=sys.argv[1], skip_signature=True, client_options={"allow_http": True})
print("ready", flush=True)
store.download("k", sys.argv[2])
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "ctrl-c"])
def test_process_that_is_ended(fault_server: FaultServer, old: Path, number: signal.Signals) -> None:
    served = Object(content(8 * PART))
    served.flaws.append(
        lambda request, reply, _: replace(
            reply, delay=30.0 if (first_byte(request) or 0) >= 3 * PART else 0.0
        )
    )
    fault_server.script(served)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, fault_server.url, str(old)],
        env=script_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert eventually(lambda: any(each.stat().st_size > 30_000 for each in old.parent.iterdir()))
        process.send_signal(number)
        errors = process.communicate(timeout=10)[1]
    assert old.read_bytes() == b"old"
    left = [name for name in names(old.parent) if name != "file"]
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
        assert left == []
    else:
        (name,) = left
        assert name.startswith(".obstore_c-")
        assert name.endswith(".partial")


def test_downloads_to_the_same_file_at_once(
    fault_server: FaultServer, make_store: MakeStore, tmp_path: Path
) -> None:
    versions = {"/data/a": content(6 * PART), "/data/b": bytes(7 * PART), "/data/c": b"c"}
    for path, data in versions.items():
        fault_server.script(Object(data), path=path)
    store, file = make_store(), tmp_path / "file"

    async def main() -> None:
        await asyncio.gather(*(store.download_async(key, file) for key in "abc" * 5))

    asyncio.run(main())
    assert file.read_bytes() in versions.values()
    assert names(tmp_path) == ["file"]


def test_descriptors_are_closed(fault_server: FaultServer, make_store: MakeStore, old: Path) -> None:
    files = Path("/proc/self/fd")
    if not files.is_dir():
        pytest.skip("there is no /proc")

    def opened() -> int:
        return sum(str(old.parent) in os.readlink(each) for each in files.iterdir() if each.is_symlink())

    fault_server.script(Object(content(6 * PART)), path="/data/good")
    bad = Object(content(6 * PART))
    bad.flaws.append(lambda request, reply, number: error(404) if number else reply)
    fault_server.script(bad, path="/data/bad")
    make_store().download("good", old)
    with pytest.raises(FileNotFoundError):
        make_store().download("bad", old)
    assert opened() == 0


# --- memory -----------------------------------------------------------------------------------------------

MEASURED = """
import asyncio, resource, sys
from obstore_c.store import S3Store
store = S3Store("data", endpoint=sys.argv[1], skip_signature=True, client_options={"allow_http": True})
store.get("small").bytes()
asyncio.run(store.download_async("small", sys.argv[2]))


def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


before = peak()
if sys.argv[3] == "asyncio":
    asyncio.run(store.download_async("k", sys.argv[2]))
else:
    store.download("k", sys.argv[2])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
@pytest.mark.parametrize("driver", ["blocking", "asyncio"])
@pytest.mark.parametrize(("ranges", "most"), [(True, 128 << 20), (False, 24 << 20)], ids=["parts", "single"])
def test_memory_is_bounded(
    fault_server: FaultServer, tmp_path: Path, driver: str, ranges: bool, most: int
) -> None:
    served = Object(bytes(256 << 20), '"v1"' if ranges else None)
    fault_server.script(ok(b"small"), ok(b"small"), served)
    file = tmp_path / "file"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, fault_server.url, str(file), driver],
        env=script_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert file.stat().st_size == 256 << 20
    print(f"grew by {int(done.stdout) / 2**20:.1f} MiB")
    assert int(done.stdout) < most + (8 << 20)


def test_download_from_memory_is_written_in_pieces(tmp_path: Path) -> None:
    store = MemoryStore()
    store.put("k", content(20 << 20))
    started = time.monotonic()
    store.download("k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content(20 << 20)
    assert time.monotonic() - started < 10
