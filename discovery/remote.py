"""Folders behind an fsspec URL (an object store, SFTP, WebDAV), with the words that a local path has."""

import contextlib
import functools
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fsspec

LEASE_S = 60.0  # a holder that has not renewed its lease for so long is taken for dead
RENEW_S = 10.0


@dataclass(frozen=True)
class Remote:
    """A file or folder of an fsspec file system, named by its URL; a folder is there while a file is in it.

    Parameters
    ----------
    url : str
        As `fsspec` reads it, ``"s3://bucket/run"``; credentials and endpoints come from fsspec's settings.

    Raises
    ------
    ValueError
        Where the URL's protocol is unknown, needs a package that is not installed, or is read through a cache.
    """

    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if "cache::" in self.url:
            raise ValueError(
                f"folder must be a URL without a cache, got {self.url!r}: what other workers write must be seen"
            )
        try:
            file_system(self.url)
        except (ImportError, ValueError) as error:
            raise ValueError(
                f"folder must be a path or a URL of fsspec, got {self.url!r}: {error}"
            ) from error

    def __truediv__(self, name: str) -> "Remote":
        return Remote(f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        """The file system."""
        return file_system(self.url)[0]

    @property
    def path(self) -> str:
        """The path in it."""
        return file_system(self.url)[1]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.url.rpartition("/")[2]

    def absolute(self) -> "Remote":
        """Itself: a URL means the same on every machine."""
        return self

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a bucket or folder where the file system has them."""
        self.fs.makedirs(self.path, exist_ok=True)

    def is_file(self) -> bool:
        """Whether there is a file of this name."""
        return self.fs.isfile(self.path)

    def is_dir(self) -> bool:
        """Whether there are files below this name."""
        return self.fs.isdir(self.path)

    def read_bytes(self) -> bytes:
        """All bytes of the file."""
        return self.fs.cat_file(self.path)

    def write_bytes(self, content: bytes) -> None:
        """Put the file: in one piece on an object store, which shows the old one or the new one."""
        with contextlib.suppress(NotImplementedError):  # object stores have no folders to make
            self.fs.makedirs(self.path.rpartition("/")[0], exist_ok=True)
        self.fs.pipe_file(self.path, content)

    def create(self, content: bytes) -> None:
        """Put the file if there is none; `FileExistsError` where there is."""
        self.fs.pipe_file(self.path, content, mode="create")

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file."""
        try:
            self.fs.rm_file(self.path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_tree(self) -> None:
        """Remove everything below this name."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm(self.path, recursive=True)

    def sizes(self) -> dict[str, tuple[int, str]]:
        """Bytes, and what changes with the content, of every file below, by its path from here; one listing."""
        self.fs.invalidate_cache()
        try:
            found = self.fs.find(self.path, detail=True)
        except FileNotFoundError:
            return {}
        cut = len(self.path) + 1
        return {path[cut:]: (int(about["size"]), _stamp(about)) for path, about in found.items()}

    def read_many(self, names: list[str]) -> dict[str, bytes]:
        """The bytes of several files below, fetched at once where the file system can."""
        paths = [f"{self.path}/{name}" for name in names]
        got = self.fs.cat(paths, on_error="omit") if paths else {}
        return {name: got[path] for name, path in zip(names, paths, strict=True) if path in got}


@functools.lru_cache(maxsize=4096)
def file_system(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URL, and the path in it."""
    fs, path = fsspec.core.url_to_fs(url)
    return fs, path.rstrip("/")


def _stamp(about: dict[str, Any]) -> str:
    """What a listing tells of a file's content beside its size: its tag, or when it was written."""
    told = (about.get(name) for name in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created"))
    return next((str(value) for value in told if value is not None), "")


@contextlib.contextmanager
def leased(folder: Remote, name: str) -> Iterator[None]:
    """Hold a folder by a lease in the file `name`, renewed while this process works there.

    Where the file system can create a file only if there is none, one process gets it. The lease of a process
    that died ends after a minute, at once on the machine where it ran.

    Raises
    ------
    BlockingIOError
        Where another process holds it.
    """
    path, token = folder / name, secrets.token_hex(8)
    folder.mkdir()
    _take(path, token, folder)
    ended = threading.Event()
    keeper = threading.Thread(target=_renew, args=(path, token, ended), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        if (_lease(path) or {}).get("token") == token:
            path.unlink(missing_ok=True)


def _take(path: Remote, token: str, folder: Remote) -> None:
    """Put our lease, or say who holds one."""
    held = _lease(path)
    if held and held.get("until", 0) > time.time() and not _dead(held):
        raise _refused(folder, held)
    if held or path.is_file():
        path.unlink(missing_ok=True)
    try:
        path.create(_written(token))
    except FileExistsError:
        raise _refused(folder, _lease(path) or {}) from None
    now = _lease(path) or {}
    if now.get("token") != token:
        raise _refused(folder, now)


def _refused(folder: Remote, held: dict[str, Any]) -> BlockingIOError:
    """The error of the second process."""
    left = max(0, round(held.get("until", 0) - time.time()))
    return BlockingIOError(
        f"{folder} must be written by one process at a time, got {held.get('holder', 'another process')} "
        f"already writing it: wait until it has finished, or {left} s if it was killed"
    )


def _renew(path: Remote, token: str, ended: threading.Event) -> None:
    """Put the lease again and again; what fails once may succeed the next time."""
    while not ended.wait(RENEW_S):
        with contextlib.suppress(OSError):
            if (_lease(path) or {}).get("token") == token:
                path.write_bytes(_written(token))


def _written(token: str) -> bytes:
    """A lease from now on."""
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    lease = {"holder": holder, "token": token, "until": time.time() + LEASE_S}
    return json.dumps(lease | {"pid": os.getpid(), "host": socket.gethostname()}).encode()


def _lease(path: Remote) -> dict[str, Any] | None:
    """Who holds the lease, if anybody."""
    path.fs.invalidate_cache()
    try:
        held = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return held if isinstance(held, dict) else None


def _dead(held: dict[str, Any]) -> bool:
    """Whether the holder ran on this machine and runs no more."""
    if held.get("host") != socket.gethostname() or not isinstance(held.get("pid"), int):
        return False
    try:
        os.kill(held["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:  # it runs, under another user
        return False
    return False
