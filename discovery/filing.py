"""Files that are whole or absent, their digests, and a folder that one process writes at a time."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

try:
    import fcntl
except ImportError:  # Windows has none: two processes on one folder are then not noticed
    fcntl = None

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


def local_folder(folder: str | Path) -> Path:
    """The path of a folder, given as one or as a ``file://`` URL.

    Raises
    ------
    ValueError
        Where it is another URL: a chunk is finished by a rename and held by a lock, which object stores lack.
    """
    scheme, mark, rest = str(folder).partition("://")
    if not mark or isinstance(folder, Path):
        return Path(folder)
    if scheme != "file":
        raise ValueError(
            f"folder must be a path or a file:// URL, got {str(folder)!r}: run in a folder that all workers "
            "see, and copy it there when it is finished"
        )
    return Path(url2pathname(urlsplit(f"file://{rest}").path))


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Make `path` by ``write(temporary)``: it is there whole or not at all, power cuts included."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(aside)
        settle(aside)
        os.replace(aside, path)
        settle(path.parent)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    write_whole(path, lambda aside: aside.write_text(text + "\n", encoding="utf-8") and None)


def read_json(path: Path) -> Any:
    """What a JSON file holds, or None where there is none or it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def settle(path: Path) -> None:
    """Wait until a file, or a folder's list of files, has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(root: Path, paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file, by its path below `root`."""
    return {
        path.relative_to(root).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in paths
    }


def broken_seal(root: Path, sealed: dict[str, dict[str, Any]], digests: bool) -> str | None:
    """What is wrong with the first file that is not as it was sealed; None where all are.

    Sizes alone take microseconds and find what was cut off; `digests` finds a single flipped bit.
    """
    for name, was in sealed.items():
        path = root / name
        try:
            size = path.stat().st_size
            if size != was["bytes"]:
                return f"{name} must hold {was['bytes']:,} bytes, got {size:,}"
            if digests and (now := _sha256(path)) != was["sha256"]:
                return f"{name} must have the digest {was['sha256'][:8]}, got {now[:8]}"
        except FileNotFoundError:
            return f"{name} must be there, got no such file"
    return None


@contextlib.contextmanager
def sole_writer(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold the folder for this process; the system lets go when the process ends, however it ends.

    Raises
    ------
    BlockingIOError
        Where another process (or thread) is writing there.
    """
    with plain_disk_errors(folder, "write"):
        lock = open(folder / name, "a+", encoding="utf-8")
    with lock:
        try:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise BlockingIOError(
                f"{folder} must be written by one process at a time, got {holder} already writing it: "
                "wait until it has finished, or stop it"
            ) from None
        lock.seek(0)
        lock.truncate()
        with plain_disk_errors(folder, "write"):
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
        try:
            yield
        finally:
            if fcntl is not None:  # closing is not enough where a forked child still holds the file open
                fcntl.flock(lock, fcntl.LOCK_UN)


@contextlib.contextmanager
def plain_disk_errors(folder: Path, doing: str) -> Iterator[None]:
    """Say in the house's words that a disk is full or a folder may not be written."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise OSError(
                error.errno,
                f"disk must have room to {doing} in {folder}, got '{error.strerror}': what is finished "
                "is kept; make room and run the same call again",
            ) from error
        if error.errno in NO_RIGHT:
            raise PermissionError(
                error.errno,
                f"folder must be one that may be written, got '{error.strerror}' to {doing} in {folder}: "
                "choose another folder",
            ) from error
        raise


def _sha256(path: Path) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
