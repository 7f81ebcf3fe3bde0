"""A process that is killed with -9 while it places, offers and accepts loses no write that it acknowledged, and the law holds."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rialto.adapters.kafka import KafkaEvents
from rialto.local.events import LocalEvents
from rialto.match.offers import Message, Offers
from rialto.match.records import Orders
from rialto.ports import EventLog

WORKER = """
import json, os, random, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
import numpy as np
from rialto.adapters.kafka import KafkaEvents
from rialto.local.events import LocalEvents
from rialto.match.offers import Message, Offers
from rialto.match.records import Orders

where = sys.argv[1:]
say = lambda *said: os.write(1, (json.dumps(said) + "\\n").encode())

def orders(ids):
    return Orders.of(np.array(ids), lat=np.zeros(len(ids)), lon=np.zeros(len(ids)), placed_s=np.zeros(len(ids)))

def work(offers, turn, thread):
    chance, n = random.Random(turn * 10 + thread), 0
    while True:
        n, key, at_s = n + 1, f"{turn}.{thread}.{n}", 1000.0 * turn + n
        what = chance.choice(["place", "offer", "offer", "tell", "tell", "tell", "tell"])
        if what == "place":
            ids = [(turn * 10 + thread) * 100_000 + n * 3 + i for i in range(3)]
            say("place", key, at_s, [ids], offers.place(orders(ids), key=key, at_s=at_s).tolist())
        elif what == "offer":
            waiting = offers.waiting().ids.tolist()[:40]
            rows = [(o, chance.randrange(30)) for o in chance.sample(waiting, min(len(waiting), 4)) for _ in range(3)]
            pairs = np.array(rows, dtype=np.int64).reshape(-1, 2).T
            made = offers.offer(*pairs, key=key, at_s=at_s, until_s=at_s + 900.0, broadcast=True)
            say("offer", key, at_s, pairs.tolist(), made.tolist())
        else:
            drivers, held, _ = (c.tolist() for c in offers.holding())
            at = chance.randrange(len(held)) if held else 0
            about = (held[at], drivers[at]) if held else (-5, 3)
            following = {"offered": "accepted", "assigned": "picked_up", "picked_up": "delivered"}
            kind = following.get(offers.state(about[0]).state, "declined")
            kind = chance.choice([kind, kind, kind, kind, "accepted", "declined", "cancelled"])
            answer = offers.tell([Message(key, kind, *about)], at_s=at_s)[0]
            say("tell", key, at_s, [kind, *about], answer.reason)
        if n % 40 == 39:
            try:
                offers.snapshot(at_s=at_s)
            except Exception as error:
                say("error", repr(error))

with TemporaryDirectory() as folder:  # load the kernels once, for all forks
    log = LocalEvents(Path(folder), sync=False)
    offers = Offers(log)
    offers.place(orders([1]), at_s=0.0)
    offers.offer(np.array([1]), np.array([1]), key="o", at_s=0.0, until_s=1.0)
    offers.tell([Message("a", "accepted", 1, 1)], at_s=0.0)
    log.close()

for line in sys.stdin:  # each turn in a fork, as a start of Python takes longer than the load
    if not (child := os.fork()):
        turn = int(line)
        log = LocalEvents(Path(where[0]), sync=False) if len(where) == 1 else KafkaEvents(*where, writer="dispatch", timeout_s=5.0)
        offers = Offers(log)
        offers.expire(at_s=1000.0 * turn)
        offers.place(orders(list(range(-20 * turn - 20, -20 * turn))), at_s=1000.0 * turn)
        say("pid", os.getpid())
        threads = [Thread(target=work, args=(offers, turn, i)) for i in range(3)]
        [t.start() for t in threads]
        [t.join() for t in threads]
    os.waitpid(child, 0)
    say("dead")
"""


@contextmanager
def worker(*where: str) -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", WORKER, *where], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def killed_after(process: subprocess.Popen[bytes], turn: int, writes: int, spins: int) -> list[Any]:
    """What a process acknowledged in `turn` before and after it was killed: what, key, when, about what, answer."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{turn}\n".encode())
    process.stdin.flush()
    what, pid = json.loads(process.stdout.readline())
    assert what == "pid"
    lines = [process.stdout.readline() for _ in range(writes)]
    for _ in range(spins):
        pass
    os.kill(pid, signal.SIGKILL)
    while (line := process.stdout.readline()) != b'["dead"]\n':
        lines.append(line)
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def again(offers: Offers, what: str, key: str, at_s: float, about: list[Any]) -> Any:
    """The answer to a write that is sent once more."""
    if what == "place":
        zeros = np.zeros(len(about[0]))
        return offers.place(Orders.of(np.array(about[0]), lat=zeros, lon=zeros, placed_s=zeros), key=key, at_s=at_s).tolist()
    if what == "offer":
        left, right = np.array(about, dtype=np.int64).reshape(2, -1)
        return offers.offer(left, right, key=key, at_s=at_s, until_s=at_s + 900.0, broadcast=True).tolist()
    return offers.tell([Message(key, *about)], at_s=at_s)[0].reason


def law_holds(offers: Offers, said: list[Any]) -> None:
    """No driver has two orders, no order two drivers: now, and by everything that was ever acknowledged."""
    drivers, orders, _ = (c.tolist() for c in offers.holding())
    taken = [o for o in orders if offers.state(o).state in ("assigned", "picked_up")]
    assert len(set(drivers)) == len(drivers) and len(set(taken)) == len(taken)
    accepted = Counter(
        about[1] for what, _, _, about, answer in said if what == "tell" and (about[0], answer) == ("accepted", "")
    )
    assert max(accepted.values(), default=0) <= 1


def kill_often(log_of: Callable[[], EventLog], where: list[str], spec: Callable[[], Any], *, kills: int, writes: int) -> int:
    """Kill, recover, send all that was acknowledged once more, compare with the plain ledger; returns how many writes there were."""
    chance, said = random.Random(5), list[Any]()
    with worker(*where) as process:
        for turn in range(kills):
            new = killed_after(process, turn, 1 + chance.randrange(writes), chance.randrange(30_000))
            assert not [line for line in new if line[0] == "error"]
            said += new
            offers = Offers(log := log_of())
            end = log.end()
            assert [again(offers, *line[:4]) for line in said] == [line[4] for line in said]
            assert log.end() == end, "a write that was acknowledged was not in the log"
            law_holds(offers, said)
            plain = spec().read(log)
            assert offers.states() == {i: plain.held(i) for i in plain.orders}
            log.close()
    return len(said)


def test_nothing_acknowledged_is_lost_and_nothing_doubled_when_the_process_is_killed_12_times(
    tmp_path: Path, spec: Callable[[], Any]
) -> None:
    wrote = kill_often(lambda: LocalEvents(tmp_path, sync=False), [str(tmp_path)], spec, kills=12, writes=150)
    assert wrote > 300


@pytest.mark.server
@pytest.mark.xdist_group("kafka")
def test_the_same_holds_on_kafka(kafka_address: str, tmp_path: Path, spec: Callable[[], Any]) -> None:
    topic = "offers" + sha256(str(tmp_path).encode()).hexdigest()[:12]
    wrote = kill_often(lambda: KafkaEvents(kafka_address, topic), [kafka_address, topic], spec, kills=3, writes=40)
    assert wrote > 20
