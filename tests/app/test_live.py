"""A shop that changes while it is searched: seen at once, nothing acknowledged lost, full indexes beside the one that serves."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.app.folders import Damaged, drafted, sweep
from rialto.app.live import Job, LiveShop
from rialto.app.mapped import copy_rejects
from rialto.app.shop import open_index, open_shop
from rialto.config import Settings
from rialto.errors import BadInput, EngineBusy, EngineLost, NothingHere
from rialto.find.behaviour import Behaviour

WORDS = ("red", "blue", "green", "small", "oak", "bright")
THINGS = ("lamp", "desk", "kettle", "chair")


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{n}", "title": f"{WORDS[n % 6]} {THINGS[n % 4]} {n}", "brand": f"b{n % 5}", "category": f"Home/{THINGS[n % 4]}",
            "price_cents": 100 + n, "attributes": {"colour": WORDS[n % 6], "watt": n % 9},
        }
        for n in range(first, first + count)
    ]  # fmt: skip


def written(path: Path, products: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(r) + "\n" for r in products))
    return str(path)


def settings(home: Path) -> Settings:
    return Settings(home=home, encoder="static://", cross="none://")


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue file and a home with its index, made once: learning to read queries takes seconds."""
    folder = tmp_path_factory.mktemp("indexed")
    LiveShop(Engines(settings(folder / "home")), catalogue=written(folder / "shop.jsonl", rows(200))).close()
    return folder


@pytest.fixture
def file(tmp_path: Path, indexed: Path) -> str:
    shutil.copytree(indexed / "home", tmp_path / "home")
    return str(indexed / "shop.jsonl")


@pytest.fixture
def opened(tmp_path: Path, file: str) -> Iterator[Callable[[], LiveShop]]:
    """Opens the shop, and closes it at the end."""
    made: list[LiveShop] = []

    def open_it() -> LiveShop:
        made.append(LiveShop(Engines(settings(tmp_path / "home")), catalogue=file))
        return made[-1]

    yield open_it
    for live in made:
        live.close()


def found(live: LiveShop, text: str) -> list[str]:
    return [r.product.id for r in live.shop.pages.page(text).results]


def ended(live: LiveShop, job: Job, within_s: float = 60.0) -> Job:
    """The job once it has ended; polls, as a thread works on it."""
    until, wait = monotonic() + within_s, Event()
    while live.job(job.id).state == "running" and monotonic() < until:
        wait.wait(0.01)
    return live.job(job.id)


def test_what_is_put_in_is_found_and_what_is_taken_out_is_not(opened: Callable[[], LiveShop]) -> None:
    live = opened()
    told = live.change([{"id": "new", "title": "purple toaster"}, {"id": "p1", "title": "velvet sofa"}], ["p2", "nobody"])
    assert (told.added, told.replaced, told.removed, told.unknown, told.products, told.pending) == (1, 1, 1, ("nobody",), 200, 3)
    assert found(live, "purple toaster")[0] == "new" and found(live, "velvet sofa")[0] == "p1"
    assert "p2" not in found(live, "green kettle 2")
    assert live.shop.search.catalogue.version == told.version


def test_bad_rows_are_told_and_the_rest_goes_in(opened: Callable[[], LiveShop]) -> None:
    live = opened()
    told = live.upsert(
        [{"id": "ok", "title": "purple toaster"}, {"id": "", "title": "x"}, [1], {"id": "y", "title": "y", "price_cents": "free"}]
    )
    assert (told.added, [(e.row, e.field) for e in told.rejects]) == (1, [(2, "id"), (3, "(row)"), (4, "price_cents")])
    assert told.to_json()["rejects"][0] == {"row": 2, "field": "id", "value": "''", "wanted": "text that is not empty"}  # type: ignore[index]
    with pytest.raises(BadInput, match="list of ids"):
        live.remove("p1")


def test_changes_are_there_again_when_the_shop_is_opened_again(opened: Callable[[], LiveShop]) -> None:
    live = opened()
    number = live.shop.search.catalogue.number_of("p3")
    live.upsert([{"id": "new", "title": "purple toaster"}])
    live.remove(["p3", "new"])
    live.upsert([{"id": "other", "title": "velvet sofa"}])
    other = live.shop.search.catalogue.number_of("other")
    live.close()
    again = opened()
    assert again.shop.search.catalogue.number_of("other") == other == 201
    assert found(again, "velvet sofa")[0] == "other" and "p3" not in again.shop.search.catalogue.row_of_id
    again.upsert([{"id": "p3", "title": "back"}, {"id": "new", "title": "back too"}])
    assert [again.shop.search.catalogue.number_of(i) for i in ("p3", "new")] == [number, 200]


KILLED = """
import sys
from pathlib import Path
from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.config import Settings
live = LiveShop(Engines(Settings(home=Path(sys.argv[1]), encoder="static://", cross="none://")), catalogue=sys.argv[2])
print("open", flush=True)
for n in range(10_000):
    live.upsert([{"id": f"k{n}", "title": f"acknowledged thing {n}"}])
    if n % 3 == 0:
        live.remove([f"p{n}"])
    print(n, flush=True)
"""


def test_kill_9_loses_nothing_that_was_acknowledged(opened: Callable[[], LiveShop], tmp_path: Path, file: str) -> None:
    opened().close()
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "home"), file], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(12)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().split()
    last = max(int(t) for t in told if t.isdigit())
    live = opened()
    catalogue = live.shop.search.catalogue
    assert last >= 10 and {f"k{n}" for n in range(last + 1)} <= set(catalogue.row_of_id)
    assert not {f"p{n}" for n in range(0, last + 1, 3)} & set(catalogue.row_of_id)
    assert found(live, f"acknowledged thing {last}")[0] == f"k{last}"


def test_a_second_process_searches_and_is_refused_to_write(opened: Callable[[], LiveShop]) -> None:
    live, other = opened(), opened()
    live.upsert([{"id": "new", "title": "purple toaster"}])
    assert found(other, "oak desk")
    with pytest.raises(EngineBusy, match="another writer"):
        other.upsert([{"id": "x", "title": "y"}])
    assert ended(other, other.reindex()).state == "failed"


def test_every_search_answers_and_every_change_is_seen_within_a_second_under_load(opened: Callable[[], LiveShop]) -> None:
    live, stop = opened(), Event()
    failed: list[str] = []
    answered = [0, 0]

    def search(at: int) -> None:
        while not stop.is_set():
            try:
                page = live.shop.pages.page(f"{WORDS[answered[at] % 6]} {THINGS[answered[at] % 4]}")
                failed.extend(page.fallbacks)
                failed.extend([] if page.results else ["nothing found"])
            except Exception as e:  # noqa: BLE001 - whatever it is, the test tells it
                failed.append(repr(e))
            answered[at] += 1

    threads = [Thread(target=search, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    seen_s = []
    for n in range(12):
        began = monotonic()
        live.upsert(
            [
                {"id": f"n{n}", "title": f"purple toaster {n}", "attributes": {"colour": f"hue{n}"}},
                {"id": f"p{n}", "title": "changed"},
            ]
        )
        live.remove([f"p{100 + n}"])
        until = began + 5.0
        while f"n{n}" not in found(live, f"purple toaster {n}") and monotonic() < until:
            pass
        seen_s.append(monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == [] and min(answered) > 0
    assert np.median(seen_s) < 1.0, sorted(seen_s)
    assert len(live.shop.search.catalogue) == 200


def test_calls_from_many_threads_all_go_in(opened: Callable[[], LiveShop]) -> None:
    live = opened()
    threads = [Thread(target=live.upsert, args=([{"id": f"t{n}", "title": f"thing {n}"}],)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    c = live.shop.search.catalogue
    assert {f"t{n}" for n in range(20)} <= set(c.row_of_id) and len(set(c.numbers.tolist())) == 220


def test_a_full_index_takes_over_without_a_failed_search_and_with_the_changes_that_came_meanwhile(
    opened: Callable[[], LiveShop], tmp_path: Path
) -> None:
    live = opened()
    live.upsert([{"id": "old", "title": "old thing"}])
    written(tmp_path / "next.jsonl", [*rows(150), {"id": "fresh", "title": "fresh file"}])
    before = {i: live.shop.search.catalogue.number_of(i) for i in ("p5", "p149", "old")}
    job, n, failed = live.reindex(str(tmp_path / "next.jsonl")), 0, list[str]()
    with pytest.raises(EngineBusy, match="being made"):
        live.reindex()
    while live.job(job.id).state == "running":
        live.upsert([{"id": f"m{n}", "title": f"meanwhile {n}"}])
        page = live.shop.pages.page("red lamp")
        failed.extend(page.fallbacks if page.results else ["nothing"])
        n += 1
    told, c = live.job(job.id), live.shop.search.catalogue
    assert (told.state, told.rows, told.error, failed) == ("done", 151, "", [])
    assert {f"m{k}" for k in range(n)} <= set(c.row_of_id) and n > 1 and "p160" not in c.row_of_id and "old" not in c.row_of_id
    assert c.number_of("p5") == before["p5"] and c.retired["old"] == before["old"]
    assert len(set(c.numbers.tolist()) | set(c.retired.values())) == len(c) + len(c.retired)
    assert found(live, "meanwhile 0")[0] == "m0" and found(live, "fresh file")[0] == "fresh"
    live.close()
    again = opened()
    assert content(again) == {str(i): int(x) for i, x in zip(c.ids, c.numbers)}
    assert len([p for p in (tmp_path / "home" / "shops").iterdir() if p.name.startswith(("index-", "shop-"))]) <= 2


def content(live: LiveShop) -> dict[str, int]:
    c = live.shop.search.catalogue
    return {str(i): int(n) for i, n in zip(c.ids, c.numbers)}


def test_what_was_fitted_and_what_is_typed_goes_on_over_changes_and_a_new_index(opened: Callable[[], LiveShop]) -> None:
    live, known = opened(), Behaviour.none()
    live.refit(behaviour=known)
    before = live.shop
    assert before.search.fittings.profiles is not None
    live.change([{"id": "new", "title": "purple toaster"}], ["p2"])
    now = live.shop
    assert now.search.fittings.behaviour is known and now.pages.typing is before.pages.typing
    assert len(now.search.catalogue) == len(before.search.catalogue) and before.search is not now.search
    assert not any(s.product == 2 for s in now.pages.suggest("green kettle 2", limit=20)), "what left is not offered"
    live.refit(behaviour=None)
    assert live.shop.search.fittings.behaviour is None and found(live, "purple toaster")[0] == "new"
    live.refit(behaviour=known)
    assert ended(live, live.reindex("")).state == "done"
    after = live.shop
    assert after.search.fittings.behaviour is known and after.search.fittings.profiles is not None
    assert after.pages.typing is not now.pages.typing and after.pages.typing.made, "nobody who types waits"
    assert any(s.kind == "product" and "toaster" in s.text for s in after.pages.suggest("purple toa"))


def test_compaction_keeps_the_products_and_empties_the_journal(opened: Callable[[], LiveShop]) -> None:
    live = opened()
    live.change([{"id": "new", "title": "purple toaster"}], ["p1"])
    before = content(live)
    assert ended(live, live.reindex("")).state == "done"
    assert content(live) == before and found(live, "purple toaster")[0] == "new"
    assert live.upsert([{"id": "one", "title": "more"}]).pending == 1
    live.close()
    assert content(opened()).keys() == {*before, "one"}


def test_a_full_index_that_fails_leaves_the_shop_as_it_is(opened: Callable[[], LiveShop], tmp_path: Path) -> None:
    live = opened()
    with pytest.raises(NothingHere, match="no catalogue"):
        live.reindex(str(tmp_path / "nowhere.jsonl"))
    (tmp_path / "bad.jsonl").write_text("{}\n")
    job = ended(live, live.reindex(str(tmp_path / "bad.jsonl")))
    assert job.state == "failed" and "title" in job.error
    assert found(live, "red lamp") and not list((tmp_path / "home" / "shops").glob("index-*"))
    with pytest.raises(NothingHere, match="index-1"):
        live.job("index-9")


def test_a_full_index_tells_and_keeps_the_rows_that_did_not_go_in(opened: Callable[[], LiveShop], tmp_path: Path) -> None:
    live = opened()
    rows = [{"id": f"p{n}", "title": f"red lamp {n}"} for n in range(300)]
    rows[7]["title"] = ""
    rows[200:] = [{"id": "", "title": "nameless"}] * 100 + [{"id": "p999", "title": "green kettle"}]
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    job = ended(live, live.reindex(str(tmp_path / "some.jsonl")))
    assert (job.state, job.rows, job.rejected, len(job.rejects)) == ("done", 301, 101, 100)
    assert [(r["row"], r["field"]) for r in job.rejects[:2]] == [(8, "title"), (201, "id")]
    (tmp_path / "kept.jsonl").touch()
    copy_rejects(live.folder, str(tmp_path / "kept.jsonl"))
    kept = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    assert len(kept) == 101 and kept[:100] == list(job.rejects)


def test_a_closed_shop_refuses_changes(opened: Callable[[], LiveShop]) -> None:
    live = opened()
    live.close()
    with pytest.raises(EngineLost, match="closed"):
        live.upsert([{"id": "a", "title": "b"}])


HALF = """
import sys, os, signal
from pathlib import Path
from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.config import Settings
live = LiveShop(Engines(Settings(home=Path(sys.argv[1]), encoder="static://", cross="none://")), catalogue=sys.argv[2])
job = live.reindex("")
while live.job(job.id).step in ("waiting", "reading"):
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_while_an_index_is_made_leaves_the_old_one_and_no_rubbish(
    opened: Callable[[], LiveShop], tmp_path: Path, file: str
) -> None:
    live = opened()
    live.upsert([{"id": "new", "title": "purple toaster"}])
    live.close()
    assert (
        subprocess.run([sys.executable, "-c", HALF, str(tmp_path / "home"), file], check=False, timeout=120).returncode
        == -signal.SIGKILL
    )
    shops = tmp_path / "home" / "shops"
    assert list(shops.glob("index-*"))
    again = opened()
    assert not list(shops.glob("index-*"))
    assert found(again, "purple toaster")[0] == "new"


def test_a_draft_in_use_is_not_swept(tmp_path: Path) -> None:
    with drafted(tmp_path) as draft:
        assert sweep(tmp_path) == () and draft.is_dir()
    (tmp_path / "index-dead").mkdir()
    assert sweep(tmp_path) == ("index-dead",)


def files_of(folder: Path) -> list[str]:
    return sorted(
        str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "journal" not in p.parts and p.name != "in-use"
    )


def harmed(file: Path, how: str) -> None:
    body = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(body[: len(body) // 2])
    else:
        middle = len(body) // 2
        file.write_bytes(body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :] if body else b"x")


def test_whatever_happens_to_a_file_of_the_index_is_noticed_or_does_not_matter(tmp_path: Path, file: str) -> None:
    engines = Engines(settings(tmp_path / "home"))
    (folder,) = (tmp_path / "home" / "shops").glob("shop-*")
    names = files_of(folder)
    assert {"about.json", "catalogue/catalogue.json", "encoder.npz", "mapping.json", "units.npy"} <= set(names)
    noticed = set[str]()
    # What the reader of queries keeps is trained again by itself, which takes seconds; its own tests hold that.
    for name in [n for n in names if not n.startswith("reader")]:
        for how in ("gone", "cut", "flipped"):
            copied = tmp_path / "copied"
            shutil.copytree(folder, copied)
            harmed(copied / name, how)
            try:
                search = open_index(engines, copied, engines.models(), "ranker")
            except Damaged as e:
                assert "index" in str(e), (name, how)  # noqa: PT017
                noticed.add(name)
            else:
                assert len(search.search(["red lamp"]).decisions.ids) > 0, (name, how)
                search.close()
            shutil.rmtree(copied)
    assert {
        "about.json",
        "catalogue/catalogue.json",
        "catalogue/products.arrow",
        "encoder.npz",
        "mapping.json",
        "units.npy",
    } <= noticed


def test_a_damaged_index_is_made_again_by_itself_with_all_changes(tmp_path: Path, opened: Callable[[], LiveShop]) -> None:
    live = opened()
    live.change([{"id": "new", "title": "purple toaster"}], ["p3"])
    live.close()
    (folder,) = (tmp_path / "home" / "shops").glob("shop-*")
    harmed(folder / "catalogue" / "products.arrow", "cut")
    again = opened()
    assert found(again, "purple toaster")[0] == "new" and "p3" not in again.shop.search.catalogue.row_of_id
    assert not folder.exists() or again.upsert([{"id": "x", "title": "y"}]).pending == 3


def test_a_damaged_journal_is_a_clear_error(opened: Callable[[], LiveShop], tmp_path: Path, file: str) -> None:
    live = opened()
    for n in range(3):
        live.upsert([{"id": f"n{n}", "title": f"purple toaster {n}"}])
    live.close()
    (segment,) = (tmp_path / "home" / "shops").glob("shop-*/journal/0*")
    body = bytearray(segment.read_bytes())
    body[len(body) // 2] ^= 0xFF
    segment.write_bytes(bytes(body))
    with pytest.raises(EngineLost, match=r"journal.*byte"):
        opened()


FULL = """
import json, resource, signal, sys
from pathlib import Path
from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.config import Settings
from rialto.errors import EngineBusy, RialtoError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
live = LiveShop(Engines(Settings(home=Path(sys.argv[1]), encoder="static://", cross="none://")), catalogue=sys.argv[2])
live.upsert([{"id": "first", "title": "before the disk was full"}])
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
told = []
try:
    live.upsert([{"id": "big", "title": "purple toaster " + "word " * 1_900}])
except RialtoError as e:
    told.append(f"{type(e).__name__}: {e}")
job = live.reindex("")
while live.job(job.id).state == "running":
    pass
told.append(live.job(job.id).error)
answers = [r.product.id for r in live.shop.pages.page("before the disk was full").results]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
live.upsert([{"id": "after", "title": "after room was made"}])
told.append([r.product.id for r in live.shop.pages.page("after room was made").results][0])
live.close()
print(json.dumps([told, answers[0]]))
"""


def test_a_full_disk_is_told_and_nothing_is_lost(opened: Callable[[], LiveShop], tmp_path: Path, file: str) -> None:
    opened().close()
    made = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "home"), file, "6000"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    told, first = json.loads(made.stdout.splitlines()[-1])
    assert (
        told[0].startswith("EngineBusy") and "room" in told[0] and "room" in told[1] and told[2] == "after" and first == "first"
    )
    live = opened()
    assert {"first", "after"} <= set(live.shop.search.catalogue.row_of_id) and "big" not in live.shop.search.catalogue.row_of_id
    assert not list((tmp_path / "home" / "shops").glob("index-*"))


def test_a_changed_file_is_the_truth_and_its_products_keep_their_numbers(tmp_path: Path) -> None:
    file = written(tmp_path / "own.jsonl", rows(200))
    live = LiveShop(Engines(settings(tmp_path / "home")), catalogue=file)
    live.change([{"id": "new", "title": "purple toaster"}], ["p1"])
    before = content(live)
    live.close()
    written(Path(file), [{"id": "another", "title": "another one"}, *rows(50)])
    os.utime(file, ns=(1, 1))
    shop = open_shop(Engines(settings(tmp_path / "home")), catalogue=file)
    c = shop.search.catalogue
    assert (
        len(c) == 51 and c.number_of("p7") == before["p7"] and c.number_of("another") == 201 and c.retired["new"] == before["new"]
    )
    shop.search.close()


def test_the_limit_of_a_call_is_told(opened: Callable[[], LiveShop]) -> None:
    with pytest.raises(BadInput, match="in parts"):
        opened().upsert([{}] * 50_001)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
