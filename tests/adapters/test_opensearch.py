import socket
import sys
from base64 import b64encode
from contextlib import contextmanager
from hashlib import sha256
from threading import Event, Thread

import numpy as np
import pytest

from rialto.adapters.opensearch import OpenSearchText, OpenSearchVectors
from rialto.adapters.opensearch.wire import Address, Wire
from rialto.errors import BadInput, EngineBusy, EngineLost, EngineMissing, RialtoError
from rialto.ports import Clause, TextField, TextQuery
from rialto.testing.text import TextIndexExam
from rialto.testing.vectors import VectorIndexExam

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("opensearch")]


def _url(server, folder):
    return server.replace("http", "opensearch") + "/t" + sha256(str(folder).encode()).hexdigest()[:20]


class TestOpenSearchText(TextIndexExam):
    @pytest.fixture(autouse=True)
    def _server(self, opensearch_url):
        self.server = opensearch_url

    def open(self, fields, folder):
        return OpenSearchText.open(_url(self.server, folder), fields)


class TestOpenSearchVectors(VectorIndexExam):
    @pytest.fixture(autouse=True)
    def _server(self, opensearch_url):
        self.server = opensearch_url

    def open(self, dimensions, folder):
        return OpenSearchVectors.open(_url(self.server, folder), dimensions)


@pytest.fixture
def url(opensearch_url, tmp_path):
    return _url(opensearch_url, tmp_path)


def _filled(url, **filters):
    index = OpenSearchText.open(url, [TextField("title")])
    index.add(np.arange(3), {"title": ["bodok", "bodok kirin", "kirin"]}, filters)
    return index


def _ids(index, text, *clauses):
    return index.search([TextQuery(text, clauses)], limit=10).ids.tolist()


@pytest.mark.parametrize(
    "wrong",
    ["", "opensearch://", "opensearch://host:9200", "http://host:9200/a", "opensearch://h/A", "opensearch://h/a/b", "opensearch://h o/a",
     "opensearch://h:9200,/a", "opensearch://[h/a", "opensearch://h/_all", "opensearch://h/a*", "opensearch://h/a?shard=2", "opensearch://h/a?shards=x",
     "opensearch://h/a?timeout_s=0", "opensearch://h/a?timeout_s=nan", "opensearch://h/a?shards=0", "opensearch://h/a?replicas=-1"],
)  # fmt: skip
def test_a_url_of_another_form_is_refused(wrong):
    with pytest.raises(BadInput, match=r"wanted|known"):
        OpenSearchText.open(wrong, [TextField("title")])


def test_a_password_is_never_repeated():
    for wrong in ("opensearch://ann:secret@host:9200", "opensearch://ann:secret@127.0.0.1:1/a"):
        with pytest.raises(RialtoError) as caught:
            OpenSearchText.open(wrong, [TextField("title")])
        assert "secret" not in str(caught.value)


def test_a_missing_client_library_answers_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(EngineMissing, match=r"pip install 'rialto\[opensearch\]'"):
        OpenSearchText.open("opensearch://host/a", [TextField("title")])


def test_a_server_that_is_not_there_is_busy_and_named():
    with pytest.raises(EngineBusy, match=r"OpenSearch at http://127\.0\.0\.1:1 does not answer.*See that it runs"):
        OpenSearchVectors.open("opensearch://127.0.0.1:1/a", 3)


def test_the_next_node_answers_where_the_first_cannot_be_reached(opensearch_url, url):
    there = url.replace("opensearch://", "opensearch://127.0.0.1:1,")
    assert _ids(_filled(there), "kirin") == [2, 1]


@contextmanager
def _speaking(answer, user="", heard=None):
    """A server that says `answer` to one call, or nothing."""
    done, heard = Event(), [] if heard is None else heard

    def serve():
        wire, _ = listener.accept()
        with wire:
            heard.append(wire.recv(65536))
            wire.sendall(answer)
            if not answer:
                done.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield f"opensearch://{user}127.0.0.1:{listener.getsockname()[1]}/a?timeout_s=0.3"
        done.set()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", EngineBusy),
        (b'HTTP/1.1 429 Too Many\r\ncontent-length: 30\r\n\r\n{"error":{"reason":"so full"}}', EngineBusy),
        (b"HTTP/1.1 503 No\r\ncontent-length: 5\r\n\r\n<html", EngineBusy),
        (b"HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\n{}", EngineLost),
        (b"HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\n{}", EngineLost),
        (b"HTTP/1.1 200 Yes\r\ncontent-length: 5\r\n\r\nhello", EngineLost),
        (b"nonsense\r\n\r\n", EngineBusy),
    ],
    ids=["silent", "429", "503", "401", "400", "no json", "no http"],
)
def test_what_a_server_says_is_an_error_of_the_port(answer, error):
    with _speaking(answer) as address, pytest.raises(error, match="OpenSearch at http"):
        Wire(Address.of(address)).call("GET", "/")


def test_user_and_password_are_sent():
    heard = []
    with _speaking(b"HTTP/1.1 200 Yes\r\ncontent-length: 2\r\n\r\n{}", "ann:s%40cret@", heard) as address:
        assert Wire(Address.of(address)).call("GET", "/") == {}
    assert b"Basic " + b64encode(b"ann:s@cret") in heard[0]


def test_an_index_of_something_else_is_refused(url):
    _filled(url).close()
    with pytest.raises(BadInput, match="Choose another index"):
        OpenSearchText.open(url, [TextField("title"), TextField("text")])
    with pytest.raises(BadInput, match="Choose another index"):
        OpenSearchVectors.open(url, 3)


def test_what_was_written_is_there_on_reopening_with_its_filters(url):
    _filled(url, price=np.array([1.0, 2.0, 3.0])).close()
    again = OpenSearchText.open(url, [TextField("title")])
    assert _ids(again, "kirin", Clause("price", high=2.0)) == [1]
    with pytest.raises(BadInput, match="holds number"):
        again.add(np.array([9]), {"title": ["x"]}, {"price": np.array(["a"], dtype=object)})


def test_a_filter_field_that_another_process_added_is_known(url):
    reader = OpenSearchText.open(url, [TextField("title")])
    _filled(url, **{"a.b *": np.array(["x", None, ("x", "y")], dtype=object)}).close()
    assert _ids(reader, "kirin", Clause("a.b *", ("x",))) == [2]


def test_an_index_that_is_gone_is_lost_and_a_closed_one_too(url):
    index, other = _filled(url), OpenSearchText.open(url, [TextField("title")])
    index._store.wire.call("DELETE", f"/{index._store.name}")
    with pytest.raises(EngineLost, match="index_not_found"):
        _ids(other, "kirin")
    other.close()
    with pytest.raises(EngineLost, match="closed"):
        _ids(other, "kirin")


def test_a_folder_keeps_its_index_when_it_is_moved_and_a_passing_one_goes(url, tmp_path):
    first = OpenSearchVectors.beside(url, 2, tmp_path / "draft")
    first.add(np.array([5]), np.ones((1, 2), np.float32))
    first.close()
    (tmp_path / "draft").rename(tmp_path / "kept")
    assert OpenSearchVectors.beside(url, 2, tmp_path / "kept").search(np.ones((1, 2), np.float32), limit=1).ids.tolist() == [5]
    passing = OpenSearchVectors.beside(url, 2, None)
    wire = Wire(Address.of(url))
    assert wire.call("GET", f"/{passing._store.name}", absent=True)
    passing.close()
    assert wire.call("GET", f"/{passing._store.name}", absent=True) is None


@pytest.mark.parametrize("words", [1, 2, 3, 5, 7])
def test_a_share_of_the_words_is_rounded_up(url, words):
    index = OpenSearchText.open(url, [TextField("title")])
    spoken = [f"w{i}x" for i in range(words)]
    index.add(np.arange(words), {"title": [" ".join(spoken[: n + 1]) for n in range(words)]}, {})
    for percent in range(0, 101, 5):
        found = index.search([TextQuery(" ".join(spoken), match_share=percent / 100)], limit=words).ids
        assert len(found) == words + 1 - max(1, -(-percent * words // 100)), percent


def test_a_batch_of_many_queries_is_answered_in_their_order(url):
    index = OpenSearchText.open(url, [TextField("title")])
    index.add(np.arange(250), {"title": [f"t{i}x" for i in range(250)]}, {})
    hits = index.search([TextQuery(f"t{i}x") for i in reversed(range(250))], limit=3)
    assert hits.ids.tolist() == list(reversed(range(250)))


def test_more_nearest_than_the_graph_gives_are_scanned(url):
    index = OpenSearchVectors.open(url, 3)
    rng = np.random.default_rng(0)
    index.add(np.arange(50), rng.normal(size=(50, 3)).astype(np.float32))
    hits = index.search(rng.normal(size=(2, 3)).astype(np.float32), limit=6000)
    assert np.diff(hits.offsets).tolist() == [50, 50]
    assert np.all(np.diff(hits.scores[:50]) <= 0)


def test_bounds_are_said():
    for dimensions in (0, -1, 16_001):
        with pytest.raises(BadInput, match="1 to 16000"):
            OpenSearchVectors.open("opensearch://127.0.0.1:1/a", dimensions)
    for fields in ([], [TextField("")], [TextField("a"), TextField("a")], [TextField("a", boost=0.0)], [TextField("a", b=1.5)]):
        with pytest.raises(BadInput, match="wanted"):
            OpenSearchText.open("opensearch://127.0.0.1:1/a", fields)
    with pytest.raises(BadInput, match="language"):
        OpenSearchText.open("opensearch://127.0.0.1:1/a?language=xx", [TextField("a")])
