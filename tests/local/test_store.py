import os
import resource
import signal
import struct
import subprocess
import sys
from io import BytesIO
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.local.store import LocalStore, MemoryStore
from rialto.testing.store import FeatureStoreExam

ONE = np.array([1])


class TestMemoryStore(FeatureStoreExam):
    gaps: ClassVar = {"test_a_store_opened_again_holds_what_was_written": "memory alone is not kept when the store is closed"}

    def open(self, folder):
        return MemoryStore()


class TestLocalStore(FeatureStoreExam):
    examples = 50

    def open(self, folder):
        return LocalStore(folder)


class TestLocalStoreThatTakesASnapshotAllTheTime(FeatureStoreExam):
    examples = 30

    def open(self, folder):
        return LocalStore(folder, snapshot_bytes=100)


def _filled(folder, seconds, **settings):
    store = LocalStore(folder, **settings)
    for second in seconds:
        store.write(ONE, {"a": np.array([float(second)])}, at_s=float(second))
    return store


def test_a_bounded_history_forgets_the_oldest_and_never_answers_with_another_value():
    store = MemoryStore(depth=2)
    for second in (1.0, 5.0, 3.0, 4.0, 2.0):
        store.write(ONE, {"a": np.array([second])}, at_s=second)
    read = [store.read(ONE, ["a"], at_s=at_s).item() for at_s in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert_array_equal(read, [np.nan, np.nan, 3.0, 4.0, 5.0])


def test_a_negative_depth_is_refused():
    with pytest.raises(BadInput, match="depth is -1"):
        MemoryStore(depth=-1)


def test_a_history_that_is_written_and_expired_for_ever_takes_no_more_room():
    store = MemoryStore()
    for second in range(5000):
        store.write(ONE, {"a": np.array([1.0])}, at_s=float(second))
        store.expire(before_s=second - 10.0)
    assert store.read(ONE, ["a"], at_s=4990.0).item() == 1.0
    assert _size(store) < 60_000


def _size(store):
    file = BytesIO()
    store.save(file)
    return len(file.getvalue())


def test_entities_that_expired_give_their_room_to_others():
    store = MemoryStore()
    for second in range(50):
        store.write(np.arange(1000) + 1000 * second, {"a": np.ones(1000)}, at_s=float(second))
        store.expire(before_s=float(second))
    assert_array_equal(store.read(np.array([49_000, 49_999]), ["a"], at_s=49.0), [[1.0], [1.0]])
    assert np.isnan(store.read(np.array([48_999]), ["a"], at_s=49.0)).all()
    assert _size(store) < 1_000_000


def test_a_snapshot_shortens_the_log_and_holds_the_past_too(tmp_path):
    store = _filled(tmp_path, range(300), snapshot_bytes=5000)
    store.close()
    assert len(list(tmp_path.glob("*.snapshot"))) == 1
    assert sum(file.stat().st_size for file in (tmp_path / "log").iterdir()) < 60_000
    again = LocalStore(tmp_path)
    assert [again.read(ONE, ["a"], at_s=float(s)).item() for s in (0, 150, 299)] == [0.0, 150.0, 299.0]
    again.close()


def test_a_damaged_snapshot_is_reported_and_named(tmp_path):
    _filled(tmp_path, range(100), snapshot_bytes=2000).close()
    [file] = tmp_path.glob("*.snapshot")
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", whole.replace(b"\0\0\0\0\0\0\xf0?", b"\0\0\0\0\0\0\xf1?", 1)):
        assert damaged != whole
        file.write_bytes(damaged)
        with pytest.raises(EngineLost, match=rf"{file.name} is damaged"):
            LocalStore(tmp_path)
    file.write_bytes(whole)
    LocalStore(tmp_path).close()


def test_a_lost_snapshot_is_noticed_by_the_writes_that_the_log_lacks(tmp_path):
    _filled(tmp_path, range(400), snapshot_bytes=2000).close()
    next(tmp_path.glob("*.snapshot")).unlink()
    with pytest.raises(EngineLost, match="its log lacks the writes 0 to"):
        LocalStore(tmp_path)


def test_a_snapshot_without_room_is_reported_and_no_write_is_lost(tmp_path):
    store = _filled(tmp_path, range(20))
    store.close()
    store = LocalStore(tmp_path, snapshot_bytes=100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        with pytest.raises(EngineBusy, match=r"cannot write its snapshot.*The write was kept"):
            store.write(ONE, {"a": np.array([20.0])}, at_s=20.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.write(ONE, {"a": np.array([21.0])}, at_s=21.0)
    store.close()
    assert list(tmp_path.glob("*.half")) == []
    again = LocalStore(tmp_path)
    assert [again.read(ONE, ["a"], at_s=s).item() for s in (0.0, 20.0, 21.0)] == [0.0, 20.0, 21.0]
    again.close()


def test_a_write_without_room_is_refused_and_never_read(tmp_path):
    store = _filled(tmp_path, [1])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
    try:
        with pytest.raises(EngineBusy, match="make room"):
            store.write(ONE, {"a": np.array([2.0])}, at_s=2.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.read(ONE, ["a"], at_s=9.0).item() == 1.0
    store.close()


def test_one_process_at_a_time_uses_a_folder(tmp_path):
    store = LocalStore(tmp_path)
    with pytest.raises(EngineBusy, match="another writer"):
        LocalStore(tmp_path)
    store.close()
    LocalStore(tmp_path).close()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="wanted a folder"):
        LocalStore(tmp_path / "file")


WRITER = """
import os, struct, sys
from pathlib import Path
import numpy as np
from rialto.local.store import LocalStore, MemoryStore
MemoryStore().write(np.arange(5), {"a": np.zeros(5)}, at_s=0.0)  # loads the kernels, for all children
for line in sys.stdin:
    start = int(line)
    if not (child := os.fork()):
        store = LocalStore(Path(sys.argv[1]), snapshot_bytes=3000)
        os.write(1, struct.pack("<q", os.getpid()))
        for number in range(start, 1_000_000):
            store.write(np.arange(5), {"a": np.full(5, float(number)), "b": np.full(5, float(number))}, at_s=float(number))
            os.write(1, struct.pack("<q", number))
    os.waitpid(child, 0)
    os.write(1, struct.pack("<q", -1))
"""


def test_no_write_is_lost_or_half_seen_when_the_process_is_killed_while_it_writes_and_takes_snapshots(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    last = -1
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nursery:
        for turn in range(25):
            nursery.stdin.write(f"{last + 1}\n".encode())
            nursery.stdin.flush()
            pid = struct.unpack("<q", nursery.stdout.read(8))[0]
            for _ in range(turn * 3 % 17):
                last = struct.unpack("<q", nursery.stdout.read(8))[0]
            os.kill(pid, signal.SIGKILL)
            while (number := struct.unpack("<q", nursery.stdout.read(8))[0]) >= 0:
                last = number
            store = LocalStore(tmp_path, snapshot_bytes=3000)
            found = store.read(np.arange(5), ["a", "b"], at_s=np.inf)
            past = store.read(np.arange(5), ["a", "b"], at_s=last // 2)
            store.close()
            if last >= 0:
                assert found[0, 0] in (last, last + 1)
                assert (found == found[0, 0]).all()
                assert (past == last // 2).all()
                last = int(found[0, 0])
        nursery.stdin.close()
    assert last > 100
