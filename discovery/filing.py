"""Files that are whole or absent, their digests, and a folder that one process writes at a time."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from discovery.remote import Remote, leased

try:
    import fcntl
except ImportError:  # Windows has none: two processes on one folder are then not noticed
    fcntl = None

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
FEW = 16  # files; the sizes of more are asked of a remote folder in one listing
Place = Path | Remote


def folder_at(folder: str | Path | Remote) -> Place:
    """The folder of a path, of a ``file://`` URL, or of any other URL that fsspec can write to.

    Raises
    ------
    ValueError
        Where fsspec does not know the URL's protocol, or needs a package for it that is not installed.
    """
    if isinstance(folder, Path | Remote):
        return folder
    scheme, mark, rest = str(folder).partition("://")
    if not mark:
        return Path(folder)
    if scheme == "file":
        return Path(url2pathname(urlsplit(f"file://{rest}").path))
    return Remote(str(folder))


def write_whole(path: Place, content: bytes) -> None:
    """Write a file: it is there whole or not at all, power cuts included.

    On a disk by a second name, `fsync` and a rename; behind a URL by one put.
    """
    if isinstance(path, Remote):
        path.write_bytes(content)
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        settle(path.parent)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def write_json(path: Place, content: Any) -> None:
    """Write `content` as JSON, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    write_whole(path, (text + "\n").encode())


def read_json(path: Place) -> Any:
    """What a JSON file holds, or None where there is none or it is damaged."""
    try:
        return parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def parse_json(content: bytes) -> Any:
    """What JSON says, or None where it is damaged."""
    try:
        return json.loads(content.decode())
    except ValueError:
        return None


def names_in(folder: Place) -> list[str]:
    """The names of what lies in a folder, sorted; none where there is no folder."""
    if isinstance(folder, Remote):
        return sorted({name.partition("/")[0] for name in folder.sizes()})
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def stamps_in(folder: Place) -> dict[str, tuple]:
    """Size and time (behind a URL: size and tag) of each file in a folder, by its name."""
    if isinstance(folder, Remote):
        return {name: about for name, about in folder.sizes().items() if "/" not in name}
    try:
        with os.scandir(folder) as files:
            found = [(file.name, file.stat()) for file in files if file.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name: (about.st_size, about.st_mtime_ns) for name, about in found}


def remove_tree(folder: Place) -> None:
    """Remove a folder with all that is in it, if it is there."""
    if isinstance(folder, Remote):
        folder.remove_tree()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def read_several(folder: Place, names: list[str]) -> dict[str, bytes]:
    """The bytes of files in a folder; those that are not there are left out."""
    if isinstance(folder, Remote):
        return folder.read_many(names)
    found = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), open(folder / name, "rb") as file:
            found[name] = file.read()
    return found


def read_range(path: Place, start: int, stop: int | None) -> bytes:
    """Some bytes of a file; a negative `start` counts from its end."""
    if isinstance(path, Remote):
        return path.fs.cat_file(path.path, start=start, end=stop)
    with open(path, "rb") as file:
        file.seek(start, os.SEEK_END if start < 0 else os.SEEK_SET)
        return file.read() if stop is None else file.read(stop - start)


def settle(path: Path) -> None:
    """Wait until a file, or a folder's list of files, has reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep(root: Place, contents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Write files by their names below `root`, each whole; their seals, of the bytes that were meant."""
    for name, content in contents.items():
        write_whole(root / name, content)
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }


def broken_seal(
    root: Place, sealed: Mapping[str, dict], digests: bool, sizes: Mapping[str, int] | None = None
) -> str | None:
    """What is wrong with the first file that is not as it was sealed; None where all are.

    Sizes alone take microseconds and find what was cut off; `digests` finds a single flipped bit.
    `sizes` are those that `sizes_of` found, where they were asked for before.
    """
    found = sizes_of(root, list(sealed)) if sizes is None else sizes
    for name, was in sealed.items():
        if name not in found:
            return f"{name} must be there, got no such file"
        if found[name] != was["bytes"]:
            return f"{name} must hold {was['bytes']:,} bytes, got {found[name]:,}"
        if digests:
            now = hashlib.sha256((root / name).read_bytes()).hexdigest()
            if now != was["sha256"]:
                return f"{name} must have the digest {was['sha256'][:8]}, got {now[:8]}"
    return None


def sizes_of(root: Place, names: list[str]) -> dict[str, int]:
    """The bytes of each file that is there."""
    if isinstance(root, Remote):
        if len(names) > FEW:
            listed = root.sizes()
            return {name: listed[name][0] for name in names if name in listed}
        there = [name for name in names if (root / name).is_file()]
        return {name: root.fs.size((root / name).path) for name in there}
    found, top = {}, os.fspath(root)
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found[name] = os.stat(f"{top}/{name}").st_size
    return found


@contextlib.contextmanager
def sole_writer(folder: Place, name: str = ".lock") -> Iterator[None]:
    """Hold the folder for this process: on a disk until the process ends, however it ends; else by a lease.

    Raises
    ------
    BlockingIOError
        Where another process (or thread) is writing there.
    """
    if isinstance(folder, Remote):
        with leased(folder, name):
            yield
        return
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
def plain_disk_errors(folder: Place, doing: str) -> Iterator[None]:
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
