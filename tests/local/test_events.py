import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from threading import Thread

import pytest

from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.local.events import LocalEvents
from rialto.testing.events import EventLogExam, event


class TestLocalEvents(EventLogExam):
    def open(self, folder):
        return LocalEvents(folder)


class TestLocalEventsInSmallSegments(EventLogExam):
    def open(self, folder):
        return LocalEvents(folder, segment_bytes=200, sync=False)


APPENDER = """
import os, struct, sys
from pathlib import Path
from threading import Thread
from rialto.local.events import LocalEvents
from rialto.records import Event

def work(log, turn, thread):
    for number in range(1_000_000):
        size = 1 + (number + turn) % 5
        name = f"{turn}.{thread}.{number}"
        log.append([Event(f"{name}.{i}", f"{size}", "x", 1.0, b"." * (20_000 if number % 4 == 3 else 40)) for i in range(size)])
        os.write(1, struct.pack("<3q", turn, thread, number))

for line in sys.stdin:
    turn = int(line)
    child = os.fork()
    if not child:
        log = LocalEvents(Path(sys.argv[1]), segment_bytes=100_000)
        log.claim()
        os.write(1, struct.pack("<3q", os.getpid(), -1, -1))
        threads = [Thread(target=work, args=(log, turn, t)) for t in range(1 + 2 * (turn % 2))]
        [t.start() for t in threads]
        [t.join() for t in threads]
    os.waitpid(child, 0)
    os.write(1, struct.pack("<3q", -1, -1, -1))
"""


def test_no_acknowledged_event_is_lost_and_no_half_batch_seen_when_the_writer_is_killed_100_times(tmp_path):
    chance, seen = random.Random(7), 0
    with _process(APPENDER, tmp_path) as nursery:
        for turn in range(100):
            acknowledged = _killed_appender(nursery, turn, after=chance.randrange(12), spins=chance.randrange(3000))
            log = LocalEvents(tmp_path)
            found = [(e.id.split("."), int(e.key)) for _, e in log.read(seen, 10**6)]
            seen = log.end()
            log.close()
            whole = set()
            for name, members in groupby(found, key=lambda pair: tuple(pair[0][:3])):
                events = list(members)
                assert [int(e[0][3]) for e in events] == list(range(events[0][1])), "half a batch"
                whole.add(tuple(map(int, name)))
            assert acknowledged <= whole
            assert len(whole - acknowledged) <= 3, "at most what each thread had under way was not acknowledged"
    assert seen > 500


def _killed_appender(nursery, turn, *, after, spins):
    nursery.stdin.write(f"{turn}\n".encode())
    nursery.stdin.flush()
    pid = struct.unpack("<3q", nursery.stdout.read(24))[0]
    acknowledged = {struct.unpack("<3q", nursery.stdout.read(24)) for _ in range(after)}
    for _ in range(spins):
        pass
    os.kill(pid, signal.SIGKILL)
    while (ack := struct.unpack("<3q", nursery.stdout.read(24)))[0] >= 0:
        acknowledged.add(ack)
    return acknowledged


@contextmanager
def _process(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.stdin.close()


def _two_commits(folder):
    """A closed log of e0 and, in a second frame, e1 and e2; with its only file, the mark before e1, and the two sizes."""
    log = LocalEvents(folder)
    log.append([event(0)])
    file, mark = next(folder.glob("*.events")), (folder / "mark").read_bytes()
    first = file.stat().st_size
    log.append([event(1), event(2, body=b"x" * 30)])
    log.close()
    return file, mark, first, file.stat().st_size


@pytest.mark.parametrize("filler", [b"", b"\0", b"\xf5RLF"])
def test_a_commit_torn_at_any_byte_vanishes_whole_and_the_log_goes_on(tmp_path, filler):
    file, mark, first, second = _two_commits(tmp_path)
    whole = file.read_bytes()
    for cut in range(first, second):
        file.write_bytes((whole[:cut] + filler * second)[: second if filler else cut])
        (tmp_path / "mark").write_bytes(mark)
        assert [e for _, e in _read(tmp_path)] == [event(0)]
        log = LocalEvents(tmp_path, sync=False)
        assert log.append([event(3)]).tolist() == [1]
        assert log.read() == [(0, event(0)), (1, event(3))]
        assert file.stat().st_size < second, "what was torn is not left behind the new commit"
        log.close()


def _read(folder):
    log = LocalEvents(folder)
    try:
        return log.read()
    finally:
        log.close()


def test_any_damaged_byte_of_an_acknowledged_commit_is_reported_with_file_and_byte(tmp_path):
    file, _, _, second = _two_commits(tmp_path)
    whole, mark = file.read_bytes(), (tmp_path / "mark").read_bytes()
    for at in range(second):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        (tmp_path / "mark").write_bytes(mark)
        with pytest.raises(EngineLost, match=rf"{file.name}, byte \d+"):
            _read(tmp_path)
        with pytest.raises(EngineLost, match=rf"{file.name}, byte \d+"):
            LocalEvents(tmp_path).append([event(3)])
        assert file.stat().st_size == second, "nothing is cut from a log that lost what it acknowledged"


def test_damage_between_sound_commits_is_reported_even_where_the_mark_is_gone(tmp_path):
    file, _, first, _ = _two_commits(tmp_path)
    damaged = bytearray(file.read_bytes())
    damaged[first - 1] ^= 1
    file.write_bytes(damaged)
    (tmp_path / "mark").unlink()
    with pytest.raises(EngineLost, match="byte 20: the frame here is damaged, and a sound one follows at byte"):
        LocalEvents(tmp_path)


def test_damage_in_a_closed_segment_is_reported_when_it_is_read_and_not_before(tmp_path):
    log = LocalEvents(tmp_path, segment_bytes=100)
    log.append([event(0)])
    log.append([event(1)])
    log.append([event(2)])
    file = sorted(tmp_path.glob("*.events"))[1]
    file.write_bytes(file.read_bytes()[:-1])
    assert log.read(2) == [(2, event(2))]
    with pytest.raises(EngineLost, match=rf"{file.name}, byte 20"):
        log.read(0)
    file.unlink()
    with pytest.raises(EngineLost, match="no sound frame begins here"):
        log.read(0)
    log.close()


def test_a_copy_of_a_log_inside_an_event_is_never_taken_for_a_commit(tmp_path):
    file, *_ = _two_commits(tmp_path / "inner")
    copy = file.read_bytes() * 500
    log = LocalEvents(tmp_path / "outer")
    for number in range(5):
        log.append([event(number, body=copy)])
    assert [log.read(number, 1)[0][0] for number in range(5)] == list(range(5))
    outer, mark = next((tmp_path / "outer").glob("*.events")), (tmp_path / "outer" / "mark").read_bytes()
    log.append([event(5, body=copy)])
    log.close()
    os.truncate(outer, outer.stat().st_size - 1)
    (tmp_path / "outer" / "mark").write_bytes(mark)
    assert len(_read(tmp_path / "outer")) == 5


def test_a_segment_torn_while_it_was_made_is_made_again(tmp_path):
    log = LocalEvents(tmp_path)
    log.append([event(0)])
    log.close()
    for torn in (b"", b"RLTO", b"\0" * 20):
        (tmp_path / f"{1:020d}.events").write_bytes(torn)
        assert _read(tmp_path) == [(0, event(0))]
    log = LocalEvents(tmp_path)
    assert log.append([event(1)]).tolist() == [1]
    log.close()
    assert len(list(tmp_path.glob("*.events"))) == 1


def test_a_full_disk_keeps_nothing_of_the_batch_and_the_log_goes_on_once_there_is_room(tmp_path):
    log = LocalEvents(tmp_path)
    log.append([event(0)])
    size = next(tmp_path.glob("*.events")).stat().st_size
    with _room_for(size + 100), pytest.raises(EngineBusy, match="make room and append it again"):
        log.append([event(1, body=b"x" * 500)])
    assert next(tmp_path.glob("*.events")).stat().st_size == size
    assert log.end() == 1
    assert log.append([event(2)]).tolist() == [1]
    log.close()
    assert _read(tmp_path) == [(0, event(0)), (1, event(2))]


def test_a_disk_too_full_for_another_segment_leaves_no_file_behind(tmp_path):
    log = LocalEvents(tmp_path, segment_bytes=100)
    log.append([event(0)])
    with _room_for(10), pytest.raises(EngineBusy, match="no room"):
        log.append([event(1)])
    assert len(list(tmp_path.glob("*.events"))) == 1
    assert log.append([event(1)]).tolist() == [1]
    log.close()


@contextmanager
def _room_for(size):
    """No file of this process may grow past `size` bytes: the kernel cuts writes short and then fails them, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


FILL = """
import sys
from pathlib import Path
from rialto.errors import EngineBusy
from rialto.local.events import LocalEvents
from rialto.records import Event
filler = Path(sys.argv[1], "filler")
filler.write_bytes(b"x" * 40_000)
log, kept = LocalEvents(Path(sys.argv[1], "log"), segment_bytes=30_000), 0
try:
    while True:
        log.append([Event(f"{kept}-{i}", "k", "x", 1.0, b"x" * 700) for i in range(3)])
        kept += 3
except EngineBusy as error:
    assert "No space left" in str(error), error
filler.unlink()
assert log.end() == kept > 0
log.append([Event("after", "k", "x", 1.0)])
log.close()
again = LocalEvents(Path(sys.argv[1], "log"))
print(len(again.read(0, 10**6)) == kept + 1 == again.end())
"""


def test_a_file_system_that_is_really_full_behaves_so_too(tmp_path):
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=128k none "$0" && exec "$@"']
    if not shutil.which("unshare") or subprocess.run([*mount, tmp_path, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    done = subprocess.run([*mount, tmp_path, sys.executable, "-c", FILL, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_a_disk_that_fails_closes_the_log_for_writing_until_it_is_opened_again(tmp_path):
    log = LocalEvents(tmp_path)
    log.append([event(0)])
    file = next(tmp_path.glob("*.events"))
    [handle] = [int(fd) for fd in os.listdir("/proc/self/fd") if _target(fd) == str(file)]
    with file.open("rb") as readonly:
        os.dup2(readonly.fileno(), handle)  # from now on every write to the segment fails
    for _ in range(2):
        with pytest.raises(EngineLost, match=r"[Oo]pen (it|the log) again"):
            log.append([event(1)])
    assert log.read() == [(0, event(0))]
    log.close()
    again = LocalEvents(tmp_path)
    assert again.append([event(1)]).tolist() == [1]
    again.close()


def _target(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return ""


def test_there_is_one_writer_at_a_time_and_the_next_may_follow(tmp_path):
    first, second = LocalEvents(tmp_path), LocalEvents(tmp_path)
    first.append([event(0)])
    with pytest.raises(EngineBusy, match="another writer"):
        second.append([event(1)])
    with pytest.raises(EngineBusy, match="another writer"):
        second.claim()
    assert second.read() == [(0, event(0))]
    first.close()
    assert second.append([event(1)]).tolist() == [1]
    second.close()


FORK = """
import os, sys
from pathlib import Path
from rialto.errors import EngineBusy
from rialto.local.events import LocalEvents
from rialto.records import Event
log = LocalEvents(Path(sys.argv[1]))
log.append([Event("a", "k", "x", 1.0)])
if not os.fork():
    try:
        log.append([Event("b", "k", "x", 1.0)])
    except EngineBusy as error:
        print(error, flush=True)
    log.close()
    os._exit(0)
os.wait()
print(log.append([Event("c", "k", "x", 1.0)]).tolist())
"""


def test_a_forked_child_may_not_append_through_its_parents_log(tmp_path):
    done = subprocess.run([sys.executable, "-c", FORK, tmp_path], capture_output=True, text=True, check=True)
    assert "is a fork of" in done.stdout and done.stdout.endswith("[1]\n")


def test_a_reader_in_another_process_follows_the_writer_across_segments(tmp_path):
    script = """
import sys
from pathlib import Path
from rialto.local.events import LocalEvents
log = LocalEvents(Path(sys.argv[1]))
for line in sys.stdin:
    print(log.end(), [e.id for _, e in log.read()], flush=True)
"""
    log = LocalEvents(tmp_path, segment_bytes=100)
    with _process(script, tmp_path) as reader:
        for number in range(4):
            log.append([event(number)])
            reader.stdin.write(b"\n")
            reader.stdin.flush()
            assert reader.stdout.readline().decode() == f"{number + 1} {[f'e{i}' for i in range(number + 1)]}\n"
    log.close()


def test_threads_share_commits(tmp_path):
    log = LocalEvents(tmp_path)
    threads = [Thread(target=lambda t=t: [log.append([event(i, key=t)]) for i in range(40)]) for t in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    body = next(tmp_path.glob("*.events")).read_bytes()
    assert log.end() == 320
    assert body.count(b"\xf5RLF") < 320
    log.close()


def test_forgetting_deletes_whole_segments_and_the_rest_is_read_as_before(tmp_path):
    log = LocalEvents(tmp_path, segment_bytes=100)
    for number in range(5):
        log.append([event(number)])
    log.forget(before=3)
    assert log.read(0) == [(3, event(3)), (4, event(4))]
    assert log.append([event(5)]).tolist() == [5]
    log.close()
    assert [offset for offset, _ in _read(tmp_path)] == [3, 4, 5]


def test_a_log_whose_segments_were_taken_away_says_what_is_missing(tmp_path):
    file, *_ = _two_commits(tmp_path)
    file.unlink()
    with pytest.raises(EngineLost, match="no segments, yet offset 2 was acknowledged"):
        LocalEvents(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BadInput, match="wanted a folder"):
            LocalEvents(path)


def test_a_segment_size_of_0_is_refused(tmp_path):
    with pytest.raises(BadInput, match="segment_bytes is 0"):
        LocalEvents(tmp_path, segment_bytes=0)


ATTEMPT = """
import os, sys
from pathlib import Path
from rialto.errors import EngineLost
from rialto.local.events import LocalEvents
from rialto.records import Event
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for path in sys.argv[1:]:
    try:
        LocalEvents(Path(path)).append([Event("a", "k", "x", 1.0)])
    except EngineLost as error:
        print(error)
"""


def test_a_user_without_the_right_is_told_so(tmp_path_factory):
    folder = tmp_path_factory.mktemp("closed")
    LocalEvents(folder / "log").close()
    (folder / "log").chmod(0o500)
    try:
        paths = [folder / "log", folder / "log" / "below", Path("/proc/nowhere")]
        done = subprocess.run([sys.executable, "-c", ATTEMPT, *paths], capture_output=True, text=True, check=False)
    finally:
        (folder / "log").chmod(0o700)
    assert done.stdout.count("Give this user the right to") == 3, done.stdout + done.stderr
