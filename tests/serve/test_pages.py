"""The pages without a browser: forms that work without script, text that is escaped, friendly pages where something is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from fastapi.testclient import TestClient

from rialto.app.engines import Engines
from rialto.app.shop import Shop, open_shop
from rialto.app.systems import Systems
from rialto.config import Settings
from rialto.serve import service
from rialto.serve.service import create
from rialto.worlds.shop import make_shop

pytestmark = pytest.mark.xdist_group("serve")

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = ["/", "/shop", "/shop?q=lamp&explain=1", "/shop/product/p00001", "/city", "/studio"]


class Read(HTMLParser):
    """Links, forms' fields, and elements that a strict policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fields: list[tuple[str, str]] = []
        self.forbidden: list[str] = []
        self.sources: list[str] = []
        self._form = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {k: v or "" for k, v in attrs}
        self.links += [told["href"]] if tag == "a" else []
        self.sources += [told[k] for k in ("src", "href", "action") if k in told]
        self._form = told.get("id", "") if tag == "form" else self._form
        picked = told.get("type") not in ("checkbox", "radio") or "checked" in told
        if tag == "input" and picked and self._form == "narrow" and "name" in told:
            self.fields.append((told["name"], told.get("value", "")))
        inline = tag == "style" or "style" in told or (tag == "script" and "src" not in told)
        self.forbidden += [tag] if inline or any(k.startswith("on") for k in told) else []


def page(client: httpx.Client, path: str) -> str:
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 200, answer.text
    return answer.text


def total(text: str) -> int:
    found = re.search(r'id="count"[^>]*>\s*([\d,]+)', text)
    return int(found[1].replace(",", "")) if found else 0


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=BROWSER)
    read = Read(answer.text)
    assert read.forbidden == []
    assert [s for s in read.sources if not s.startswith(("/", "#"))] == []
    assert "'unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(client: TestClient, path: str) -> None:
    links = {link for link in Read(page(client, path)).links if link.startswith("/")}
    assert {link: client.get(link).status_code for link in links if client.get(link).status_code != 200} == {}


def test_the_form_without_script_gives_the_same_page_again(client: TestClient) -> None:
    address = "/shop?q=shoes&select=colour%3Ared&select=colour%3Ablue&range.price_cents=..9000&in_stock=1"
    text = page(client, address)
    sent = [(n, v) for n, v in Read(text).fields if v]
    assert sorted(sent) == sorted(parse_qsl(address.split("?")[1]))
    assert total(page(client, f"/shop?{urlencode(sent)}")) == total(text) > 0


def test_chips_take_one_thing_away_each(client: TestClient) -> None:
    text = page(client, "/shop?q=shoes&select=colour%3Ared&range.price_cents=..9000")
    chips = re.findall(r'<a class="chip" href="([^"]+)"><span class="sr">Remove </span>([^<]+?) <', text)
    assert [(label, href.replace("&amp;", "&")) for href, label in chips] == [
        ("Colour: red", "/shop?q=shoes&range.price_cents=..9000"),
        ("Price: up to 90.00", "/shop?q=shoes&select=colour%3Ared"),
    ]


def test_a_rewrite_is_shown_and_can_be_undone(client: TestClient) -> None:
    text = page(client, "/shop?q=lamp+under+%2450")
    undo = re.search(r'class="undo" href="([^"]+)"', text)
    assert undo and re.search(r'class="rewrite" href="[^"]*undo=price[^"]*">.*up to 50.00', text)
    assert "Searched exactly as typed" in page(client, undo[1].replace("&amp;", "&"))


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' autofocus onfocus='x", "{{7*7}}"]
)
def test_what_was_typed_is_text_wherever_it_stands(client: TestClient, text: str) -> None:
    for query in (f"{text} under $50", text):
        answer = page(client, "/shop?" + urlencode({"q": query, "explain": "1", "fate": text, "in_stock": "1"}))
        assert Read(answer).forbidden == []
        assert "<img src=x" not in answer and "49" not in re.findall(r"“(.*?)”", answer)
    wrong = client.get(f"/shop/product/{text}", headers=BROWSER)
    assert wrong.status_code == 404 and Read(wrong.text).forbidden == []


def test_a_value_that_is_selected_but_gone_can_still_be_taken_away(client: TestClient) -> None:
    text = page(client, "/shop?q=lamp&select=brand%3ANobody+Ltd")
    assert "Nothing found" in text and "Brand: Nobody Ltd" in text and "Clear the filters" in text


def test_a_page_past_the_end_says_so(client: TestClient) -> None:
    assert "There is no page 40" in page(client, "/shop?q=lamp&page=40")


@pytest.mark.parametrize(
    ("path", "status"), [("/shop?page=-1", 422), ("/shop?select=nonsense:1", 422), ("/nowhere", 404), ("/shop/product/x", 404)]
)
def test_a_browser_is_told_what_is_wrong_on_a_page(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert 'href="/"' in answer.text


def test_a_system_that_is_being_built_has_a_page_that_waits(broken: Systems) -> None:
    answer = TestClient(create(broken)).get("/city", headers=BROWSER)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "The city is being built" in answer.text and "wait.js" in answer.text


def test_a_system_that_failed_has_a_page_that_says_why_and_does_not_wait(broken: Systems) -> None:
    answer = TestClient(create(broken)).get("/shop", headers=BROWSER)
    assert answer.status_code == 503
    assert "could not be built" in answer.text and "absent.jsonl" in answer.text and "wait.js" not in answer.text


def test_static_files_are_asked_again_so_that_a_new_version_shows(client: TestClient) -> None:
    answer = client.get("/static/rialto.css")
    assert answer.headers["cache-control"] == "no-cache"
    assert client.get("/static/rialto.css", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_every_static_file_and_template_is_used() -> None:
    texts = "".join(f.read_text() for f in [*service.HERE.rglob("*.html"), *service.HERE.glob("*.py")])
    files = [*(service.HERE / "static").iterdir(), *(service.HERE / "templates").iterdir()]
    assert [f.name for f in files if f.name not in texts] == []


@pytest.fixture
def pictured(tmp_path: Path) -> Shop:
    """A catalogue of four products whose picture is a file, a path out of the folder, an address elsewhere, and no picture at all."""
    make_shop(seed=1, products=4).write(tmp_path / "shop", pictures=True)
    folder = tmp_path / "shop"
    lines = (folder / "catalogue.jsonl").read_text().splitlines()
    (tmp_path / "outside.png").write_bytes((folder / "images" / "p00001.png").read_bytes())
    (folder / "images" / "text.png").write_text("no picture")
    for row, other in ((1, "../outside.png"), (2, "https://example.com/p.png"), (3, "images/text.png")):
        lines[row] = re.sub(r'"image": "[^"]*"', f'"image": "{other}"', lines[row])
    (folder / "catalogue.jsonl").write_text("\n".join(lines))
    return open_shop(
        Engines(Settings(home=tmp_path / "home", encoder="static://", cross="none://")), catalogue=str(folder / "catalogue.jsonl")
    )


def test_a_picture_is_the_catalogues_file_or_else_drawn(pictured: Shop) -> None:
    assert pictured.folder is not None
    file = (pictured.folder / "images" / "p00000.png").read_bytes()
    assert pictured.picture("p00000") == file
    drawn = [pictured.picture(f"p{n:05d}", size=64) for n in (1, 2, 3)]
    assert all(d.startswith(b"\x89PNG") and len(d) < len(file) for d in drawn)
    pictured.search.close()


ODD = {
    "id": 'a/b c?#"<i>%2F&', "title": 'Odd "one" <b>& more</b>', "brand": "Ä & 'Sons' <u>", "category": "Men's & more/Tops",
    "price_cents": 995, "attributes": {"ratio 16:9": "yes: no", "x.y": "1..2", "wide": True, "depth": 2.5},
}  # fmt: skip


@pytest.fixture
def odd(serving: Callable[[Systems], AbstractContextManager[str]], tmp_path: Path) -> Generator[httpx.Client, None, None]:
    """A shop over HTTP whose names are full of what means something elsewhere."""
    rows = [
        ODD,
        ODD | {"id": "2", "brand": "B", "title": "Plain", "attributes": {"ratio 16:9": "4:3", "depth": 3.5, "wide": False}},
    ]
    (tmp_path / "odd.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    systems = Systems(
        Engines(Settings(home=tmp_path / "home", encoder="static://", cross="none://")), catalogue=str(tmp_path / "odd.jsonl")
    )
    systems.build("shop")
    with serving(systems) as address, httpx.Client(base_url=address) as client:
        yield client
    systems.close()


def test_odd_names_are_shown_linked_and_ticked_as_they_are(odd: httpx.Client) -> None:
    text = page(odd, "/shop")
    read = Read(text)
    assert read.forbidden == []
    assert "<b>&" not in text and "Odd &#34;one&#34; &lt;b&gt;&amp; more&lt;/b&gt;" in text
    assert [link for link in read.links if link.startswith("/shop") and odd.get(link).status_code != 200] == []
    assert [link for link in read.sources if "/picture/" in link and odd.get(link).status_code != 200] == []
    boxes = [unescape(v) for v in re.findall(r'name="select" value="([^"]+)"', text)]
    assert {"ratio 16%3A9:yes: no", "brand:Ä & 'Sons' <u>"} <= set(boxes)
    for box in boxes:
        chosen = page(odd, "/shop?" + urlencode({"select": box}))
        assert total(chosen) >= 1 and 'class="chip"' in chosen
    happened = [{"request": "1", "product": ODD["id"], "kind": "click"}]
    assert odd.post("/api/find/events", json=happened).status_code == 202
    assert odd.get("/api/find/suggest?q=odd").json()[0]["href"] == "/shop/product/a%2Fb%20c%3F%23%22%3Ci%3E%252F%26"
