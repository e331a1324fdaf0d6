"""The bucket's contents: files of known, incompressible bytes, and pages of a listing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cases import GIB, MIB, Case
from benchmarks.server.endpoint import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MANIFEST = "checksums.json"
PAGE = 1000
MIN_PART = 5 * MIB
"""The smallest part that S3 allows."""
LIST_PREFIX = "listing"
NOTE, DELETES = "note-deletes", "deletes.log"
"""While the first file is in the bucket, what DeleteObjects is asked to delete goes into the second."""


def key_of(size: int, number: int) -> str:
    """Key of the object `number` among those of one size."""
    return f"get/{size}/object-{number:05d}.bin"


def put_key_of(size: int, number: int) -> str:
    """Key that a put case writes."""
    return f"put/{size}/object-{number:05d}.bin"


def content(size: int, number: int) -> Iterator[bytes]:
    """Bytes of an object, by the mebibyte: a cipher's key stream, the same in every run."""
    # Here, because the measuring processes need only the names of keys and should not carry it in memory.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    nonce = size.to_bytes(8, "big") + number.to_bytes(8, "big")
    stream = Cipher(algorithms.AES(b"obstore_c bench."), modes.CTR(nonce)).encryptor()
    for offset in range(0, size, MIB):
        yield stream.update(bytes(min(MIB, size - offset)))


def choose_folder(cases: Iterable[Case]) -> Path:
    """A fresh temporary folder, in memory where that has room for the cases."""
    need = 2 * sum(size * count for size, count in _objects(cases)) + GIB
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > need
    return Path(tempfile.mkdtemp(prefix="obstore-bench-", dir=memory if roomy else None))


def fill(folder: Path, cases: Iterable[Case]) -> None:
    """Write what the cases read, and the checksums that hold them to it."""
    cases = list(cases)
    bucket = folder / BUCKET
    bucket.mkdir()
    checksums = {
        str(size): [_write(bucket, size, n) for n in range(count)] for size, count in _objects(cases)
    }
    (bucket / MANIFEST).write_text(json.dumps(checksums))
    for case in cases:
        if case.verb == "put":
            _prepare_put(bucket, case)
    keys = max((case.parts for case in cases if case.verb in ("list", "listarrow")), default=0)
    if keys:
        _write_pages(folder / "pages", keys)
    if any(case.verb == "delete" for case in cases):
        _write_answers(folder / "answers")


def _objects(cases: Iterable[Case]) -> list[tuple[int, int]]:
    counts: dict[int, int] = {}
    for case in cases:
        if case.size:
            counts[case.size] = max(counts.get(case.size, 0), case.objects)
    return sorted(counts.items())


def _write(bucket: Path, size: int, number: int) -> int:
    path = bucket / key_of(size, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    checksum = 0
    with path.open("wb") as file:
        for piece in content(size, number):
            file.write(piece)
            checksum = zlib.crc32(piece, checksum)
    return checksum


def _prepare_put(bucket: Path, case: Case) -> None:
    # A PUT over a file that exists is answered with 204, which every client takes; a new one with 201,
    # which some refuse.
    parts = case.size // MIN_PART
    for number in range(case.objects):
        path = bucket / put_key_of(case.size, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for part in range(1, parts + 2 if parts else 0):
            path.with_name(f"{path.name}.{part}").touch()


def _write_pages(folder: Path, keys: int) -> None:
    folder.mkdir()
    pages = -(-keys // PAGE)
    for page in range(pages):
        entries = "".join(_entry(n) for n in range(page * PAGE, min(keys, (page + 1) * PAGE)))
        last = page == pages - 1
        more = "" if last else f"<NextContinuationToken>{page + 1}</NextContinuationToken>"
        (folder / f"{page}.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{LIST_PREFIX}/</Prefix><MaxKeys>{PAGE}</MaxKeys>"
            f"<KeyCount>{PAGE}</KeyCount><IsTruncated>{'false' if last else 'true'}</IsTruncated>{more}"
            f"{entries}</ListBucketResult>"
        )


def _write_answers(folder: Path) -> None:
    folder.mkdir()
    for name, count in (("quiet", 0), ("deleted", PAGE)):
        entries = "".join(f"<Deleted><Key>{listed_key(n)}</Key></Deleted>" for n in range(count))
        (folder / f"{name}.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{entries}</DeleteResult>'
        )


def listed_key(number: int) -> str:
    """The key at a place of the listing."""
    return f"{LIST_PREFIX}/year=2024/part-{number:08d}.parquet"


def _entry(number: int) -> str:
    modified = f"2024-05-17T08:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
    return (
        f"<Contents><Key>{listed_key(number)}</Key><LastModified>{modified}</LastModified>"
        f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{number * 7}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )
