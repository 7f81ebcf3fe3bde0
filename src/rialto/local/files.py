"""Blobs over fsspec: a folder, `memory://`, or any object store whose package is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import fsspec

from rialto.errors import BadInput, EngineError, EngineLost, EngineMissing, NothingHere, known

__all__ = ["FileBlobs"]

_UNFINISHED = ".unfinished-"


class FileBlobs:
    """Files by name under one root.

    On a local disk a blob is written beside its place, flushed to the disk and renamed into it, so that a reader, or a machine that
    lost power, finds the old bytes or the new. In memory and in object stores a put is whole by itself.

    Args:
        url: A folder's path, or `file://`, `memory://`, `s3://bucket/folder`, ... as fsspec reads it; a local folder is made.

    Raises:
        BadInput: `url` is empty or of a kind that fsspec does not know.
        EngineMissing: the store's package is not installed.

    Example:
        >>> blobs = FileBlobs("memory://docs")
        >>> blobs.put("a/b.txt", b"hello")
        >>> list(blobs.names("a/")), blobs.get("a/b.txt")
        (['a/b.txt'], b'hello')
    """

    def __init__(self, url: str) -> None:
        if not url or "\x00" in url:
            raise BadInput(f"url is {url!r}; wanted a folder's path or a URL such as memory://rialto or s3://bucket/folder.")
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise EngineMissing(f"the package for {url.split(':')[0]}:// ({error})", "pip install 'rialto[objects]'") from error
        except ValueError as error:
            scheme = url.split(":")[0]
            raise BadInput(f"url is {url!r}; known kinds: {known(scheme, fsspec.available_protocols())}.") from error
        self._root = str(root).rstrip("/")
        protocol = self._files.protocol
        self._local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)
        if self._local:
            os.makedirs(self._root or "/", exist_ok=True)

    def put(self, name: str, body: bytes) -> None:
        """Write `body` under `name` (parts divided by "/"), whole or not at all.

        Raises:
            BadInput: `name` could leave the root (empty, absolute, or with a part that is empty, "." or ".."), holds NUL or a
                backslash, or is a folder of other names, or one of its parts is a blob.
            EngineError: the store refused.
        """
        path = self._path(name)
        try:
            if self._local:
                self._put_local(path, body)
            else:
                self._files.pipe_file(path, body)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise BadInput(
                f"blob {name!r} stands in the way of another, or another in its ({error}); use another name."
            ) from error
        except OSError as error:
            raise EngineError(f"blob {name!r} was not written ({error}); what was there before is unchanged.") from error

    def get(self, name: str) -> bytes:
        """The bytes under `name`; `NothingHere` where there are none."""
        path = self._path(name)
        try:
            return bytes(self._files.cat_file(path))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NothingHere(f"there is no blob {name!r}; names() lists those that are.") from None
        except OSError as error:
            raise EngineLost(f"blob {name!r} cannot be read ({error}).") from error

    def names(self, prefix: str = "") -> Iterator[str]:
        """Names that begin with `prefix`, in order."""
        try:
            found = self._files.find(self._root)
        except FileNotFoundError:
            found = []
        cut = len(self._files._strip_protocol(self._root).rstrip("/")) + 1  # pyright: ignore[reportPrivateUsage]
        every = sorted(str(path)[cut:] for path in found)
        return (name for name in every if name.startswith(prefix) and _UNFINISHED not in name)

    def remove(self, name: str) -> None:
        """Forget `name`; an unknown name is no error."""
        path = self._path(name)
        try:
            if self._files.isfile(path):
                self._files.rm_file(path)
        except FileNotFoundError:  # somebody else removed it in between: it is gone, as was asked
            return
        except OSError as error:
            raise EngineError(f"blob {name!r} was not removed ({error}).") from error

    def _put_local(self, path: str, body: bytes) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        beside = f"{path}{_UNFINISHED}{uuid4().hex}"
        try:
            with open(beside, "xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)

    def _path(self, name: str) -> str:
        parts = name.split("/")
        if "\x00" in name or "\\" in name or _UNFINISHED in name or any(part in ("", ".", "..") for part in parts):
            raise BadInput(
                f"{name!r} is no blob's name; wanted parts divided by '/', none of them empty, '.' or '..', without NUL or '\\'."
            )
        path = f"{self._root}/{name}"
        if self._local and not os.path.realpath(path).startswith(os.path.realpath(self._root).rstrip("/") + "/"):
            raise BadInput(f"{name!r} leads out of the root by a link; wanted a name inside it.")
        return path
