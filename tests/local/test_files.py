"""FileBlobs on a disk and in memory against the exam, and against links, full folders and unknown stores."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput, EngineError, RialtoError
from rialto.local.files import FileBlobs
from rialto.testing.blobs import BlobsExam


class TestLocalFolder(BlobsExam):
    def open(self, folder):
        return FileBlobs(str(folder / "made" / "on demand"))


class TestMemory(BlobsExam):
    def open(self, folder):
        return FileBlobs(f"memory://{uuid4().hex}")


def test_file_url_and_path_are_the_same_folder(tmp_path):
    FileBlobs(f"file://{tmp_path}").put("a", b"1")
    assert FileBlobs(str(tmp_path)).get("a") == b"1"
    assert (tmp_path / "a").read_bytes() == b"1"


@given(st.text(max_size=30))
def test_any_name_is_refused_or_stays_inside(name):
    root = f"memory://{uuid4().hex}"
    blobs = FileBlobs(root)
    try:
        blobs.put(name, b"1")
    except BadInput:
        assert list(blobs.names()) == []
    else:
        assert list(blobs.names()) == [name] and blobs.get(name) == b"1"


def test_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(BadInput, match="link"):
        FileBlobs(str(tmp_path / "root")).put("link/x", b"1")
    assert list((tmp_path / "outside").iterdir()) == []


def test_failed_put_leaves_the_old_bytes_and_no_rest(tmp_path):
    blobs = FileBlobs(str(tmp_path))
    blobs.put("a", b"old")
    with pytest.raises(TypeError):
        blobs.put("a", "text is not bytes")
    assert blobs.get("a") == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_blob_in_the_place_of_a_folder_is_refused(tmp_path):
    blobs = FileBlobs(str(tmp_path))
    blobs.put("a/b", b"1")
    blobs.put("c", b"1")
    for name in ("a", "c/d"):
        with pytest.raises(BadInput, match="in the way"):
            blobs.put(name, b"2")
    assert list(blobs.names()) == ["a/b", "c"]


def test_name_longer_than_the_disk_allows_is_an_engine_error(tmp_path):
    with pytest.raises(EngineError, match="not written"):
        FileBlobs(str(tmp_path)).put("x" * 5000, b"1")


@pytest.mark.parametrize("url", ["", "nosuch://bucket", "a\x00b"])
def test_unknown_store_is_refused(url):
    with pytest.raises(RialtoError):
        FileBlobs(url)


def test_root_keeps_no_unfinished_files_in_sight(tmp_path):
    blobs = FileBlobs(str(tmp_path))
    Path(tmp_path / "a.unfinished-0").write_bytes(b"half")
    assert list(blobs.names()) == []
