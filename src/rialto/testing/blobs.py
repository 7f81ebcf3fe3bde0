"""The exam of the Blobs port: whole or not at all, and no name leaves the root."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from rialto.errors import BadInput, NothingHere
from rialto.ports import Blobs

__all__ = ["BlobsExam"]

OUTSIDE = ("", "/", "/etc/x", "..", "../x", "a/../../x", "a/..", "./a", "a//b", "a/", "a\x00b", "\x00", "..\\x")


class BlobsExam:
    """Subclass it, and say how to `open` your engine."""

    def open(self, folder: Path) -> Blobs:
        """An empty store; `folder` is a fresh one."""
        raise NotImplementedError

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> Any:
        return self.open(tmp_path)

    def test_is_a_blob_store(self, blobs: Blobs) -> None:
        assert isinstance(blobs, Blobs)

    @pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 1000])
    def test_what_was_put_comes_back(self, blobs: Blobs, body: bytes) -> None:
        blobs.put("a/b/c.bin", body)
        assert blobs.get("a/b/c.bin") == body

    def test_second_put_replaces(self, blobs: Blobs) -> None:
        blobs.put("a", b"a longer body")
        blobs.put("a", b"new")
        assert blobs.get("a") == b"new" and list(blobs.names()) == ["a"]

    def test_unknown_name_is_nothing_here(self, blobs: Blobs) -> None:
        blobs.put("a/b", b"1")
        for name in ("b", "a", "a/b/c", "a/bb"):
            with pytest.raises(NothingHere):
                blobs.get(name)

    def test_names_come_in_order_and_by_prefix(self, blobs: Blobs) -> None:
        assert list(blobs.names()) == []
        for name in ("b/2", "b/10", "a", "bb", "ä ö", "b/c/d", "c?*[x]#%41"):
            blobs.put(name, b"1")
        assert list(blobs.names()) == ["a", "b/10", "b/2", "b/c/d", "bb", "c?*[x]#%41", "ä ö"]
        assert list(blobs.names("b/")) == ["b/10", "b/2", "b/c/d"]
        assert list(blobs.names("b")) == ["b/10", "b/2", "b/c/d", "bb"]
        assert list(blobs.names("zz")) == []

    def test_removed_is_gone_and_unknown_is_no_error(self, blobs: Blobs) -> None:
        blobs.put("a/b", b"1")
        blobs.put("a/c", b"2")
        for name in ("a/b", "a/b", "never", "a"):
            blobs.remove(name)
        assert list(blobs.names()) == ["a/c"]

    @pytest.mark.parametrize("name", OUTSIDE)
    def test_name_that_could_leave_the_root_is_refused(self, blobs: Blobs, name: str) -> None:
        for call in (lambda: blobs.put(name, b"1"), lambda: blobs.get(name), lambda: blobs.remove(name)):
            with pytest.raises(BadInput, match="name"):
                call()
        assert list(blobs.names()) == []

    def test_reader_sees_the_old_bytes_or_the_new(self, blobs: Blobs) -> None:
        bodies = [bytes([n]) * 200_000 for n in range(2)]
        blobs.put("a", bodies[0])
        done = threading.Event()

        def write() -> None:
            for turn in range(40):
                blobs.put("a", bodies[turn % 2])
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not done.is_set():
            assert blobs.get("a") in bodies
            assert list(blobs.names()) == ["a"]
        writer.join()
