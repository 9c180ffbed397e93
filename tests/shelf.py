"""An object store for tests: whole objects under flat keys, kept in a directory that all processes see.

As S3 does, it puts an object whole or not at all, creates one only if there is none when asked to, and has neither
folders nor renames. ``shelf://key`` lies in the directory named by the environment's SHELF.
"""

import io
import os
import secrets
from pathlib import Path
from urllib.parse import quote, unquote

import fsspec
from toys import Toy


class Shelf(fsspec.AbstractFileSystem):
    """The file system behind ``shelf://``."""

    protocol = "shelf"
    cachable = False

    def _place(self, path):
        return Path(os.environ["SHELF"]) / quote(self._strip_protocol(path), safe="")

    def _keys(self):
        names = (
            name for name in os.listdir(os.environ["SHELF"]) if not name.startswith("%.") and name[0] != "."
        )
        return sorted(map(unquote, names))

    def info(self, path, **_):
        path = self._strip_protocol(path)
        if self._place(path).is_file():
            about = self._place(path).stat()
            return {"name": path, "size": about.st_size, "type": "file", "ETag": f"{about.st_mtime_ns:x}"}
        if any(key.startswith(f"{path}/") for key in self._keys()):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def ls(self, path, detail=True, **_):
        path = self._strip_protocol(path)
        below = [key for key in self._keys() if key.startswith(f"{path}/")]
        if not below:
            return [self.info(path)] if detail else [path]
        found = sorted({f"{path}/{key[len(path) + 1 :].partition('/')[0]}" for key in below})
        return [self.info(name) for name in found] if detail else found

    def cat_file(self, path, start=None, end=None, **_):
        return self._place(path).read_bytes()[start:end]

    def pipe_file(self, path, value, mode="overwrite", **_):
        place = self._place(path)
        aside = place.with_name(f".{secrets.token_hex(8)}")
        aside.write_bytes(value)
        try:
            if mode == "create":
                os.link(aside, place)  # fails where it is there
            else:
                os.replace(aside, place)
        finally:
            aside.unlink(missing_ok=True)

    def rm_file(self, path):
        self._place(path).unlink()

    def makedirs(self, path, exist_ok=False):
        """There are no folders."""

    def rm(self, path, recursive=False, maxdepth=None):
        for key in self._keys():
            if key.startswith(f"{self._strip_protocol(path)}/"):
                self.rm_file(key)

    def _open(self, path, mode="rb", **_):
        return io.BytesIO(self.cat_file(path))


fsspec.register_implementation("shelf", Shelf, clobber=True)


def slow_toy():
    """A generator for workers, that takes a while."""
    return Toy(slow=0.05)
