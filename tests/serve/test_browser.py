"""The pages in headless Chromium: by keyboard, by click, at a phone's width, for axe; nothing leaves the origin and no error is logged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Settings
from rialto.worlds.shop import make_shop

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.server]

PAGES = ["/", "/shop", "/shop?q=lamp+under+%2450&select=colour:white&explain=1&fate=p00001", "/shop?q=zzz&in_stock=1&select=brand:Nobody",
         "/shop/product/p00001", "/city", "/studio", "/nowhere"]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_and_nothing_overflows(page: Page, path: str, violations: Callable[[Page], list[str]]) -> None:
    page.goto(path)
    if path == "/city":
        expect(page.locator("#offers button").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("path", ["/shop?q=lamp&explain=1", "/city", "/studio"])
def test_axe_finds_nothing_after_something_was_opened(page: Page, path: str, violations: Callable[[Page], list[str]]) -> None:
    page.goto(path)
    if path == "/city":
        page.locator("#offers button").first.click()
        expect(page.locator("#why .verdict")).to_be_visible()
    closed = page.locator("details:not([open]) > summary:visible")
    for _ in range(min(closed.count(), 3)):
        closed.first.click()
    if path.startswith("/shop"):
        page.locator("#q").fill("la")
        expect(page.get_by_role("option").first).to_be_visible()
    assert violations(page) == []


def test_search_by_keyboard_alone(page: Page) -> None:
    page.goto("/shop")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("red shoes")
    page.keyboard.press("Enter")
    page.wait_for_url("**/shop?q=red+shoes")
    expect(page.get_by_role("heading", level=1)).to_have_text("“red shoes”")
    assert page.locator(".product").count() > 0


def test_the_combobox_is_worked_by_keyboard(page: Page) -> None:
    page.goto("/shop")
    box = page.get_by_role("combobox", name="Search the shop")
    box.focus()
    page.keyboard.type("sho")
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#offered")).to_contain_text("suggestion")
    page.keyboard.press("ArrowDown")
    first = page.get_by_role("option").first
    expect(first).to_have_attribute("aria-selected", "true")
    assert box.get_attribute("aria-activedescendant") == first.get_attribute("id")
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(box).to_have_value("sho")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(box).to_have_value("sho")
    page.keyboard.press("ArrowDown")
    chosen = box.input_value()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"“{chosen}”")


def test_an_answer_under_way_takes_nothing_from_who_is_choosing(page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/find/suggest*q=sho", lambda route: held.append(route))
    page.goto("/shop")
    box = page.get_by_role("combobox", name="Search the shop")
    box.press_sequentially("sh")
    expect(page.get_by_role("option").first).to_be_visible()
    with page.expect_request("**/api/find/suggest*q=sho"):
        page.keyboard.type("o")
    page.keyboard.press("ArrowDown")
    chosen = box.input_value()
    with page.expect_response("**/api/find/suggest*q=sho"):
        held[0].continue_()
    page.evaluate("() => new Promise(done => setTimeout(done))")
    expect(page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_value(chosen)
    page.keyboard.press("Escape")
    expect(box).to_have_value("sho")


def open_filters(page: Page, width: int) -> None:
    if width < 800:
        page.locator("#filters > summary").click()


def test_ticking_a_facet_changes_the_results_in_place_and_back_undoes_it(page: Page, width: int) -> None:
    page.goto("/shop?q=shoes")
    open_filters(page, width)
    line = page.locator("fieldset", has=page.get_by_text("Colour", exact=True)).locator("label").first
    promised = line.locator(".n").inner_text()
    before = page.locator("#count").inner_text()
    line.locator("input").focus()
    page.keyboard.press("Space")
    expect(page.locator("#count")).to_have_text(f"{promised} product{'' if promised == '1' else 's'}")
    expect(page.locator("#f-colour-1")).to_be_focused()
    expect(page.locator("#said")).to_contain_text(f"{promised} product")
    assert "select=colour" in page.url
    page.go_back()
    expect(page.locator("#count")).to_have_text(before)


def test_a_chip_is_removed_by_a_click(page: Page) -> None:
    page.goto("/shop?q=shoes&select=colour:red&in_stock=1")
    page.get_by_role("link", name="Remove Colour: red").click()
    expect(page.locator(".chips .chip")).to_have_count(1)
    expect(page.locator("#count")).to_be_focused()


def test_sorting_by_price_sorts(page: Page) -> None:
    page.goto("/shop?q=lamp")
    page.locator("#sort").select_option("price_up")
    page.wait_for_url("**sort=price_up**")
    expect(page.locator("#live")).to_have_attribute("aria-busy", "false")
    prices = [float(p) for p in page.locator(".product .price").all_inner_texts()]
    assert prices == sorted(prices)


def test_the_explain_switch_shows_why(page: Page) -> None:
    page.goto("/shop?q=lamp")
    assert page.locator(".because").count() == 0
    page.get_by_role("switch", name="Explain").check()
    expect(page.get_by_role("heading", name="Why these, in this order")).to_be_visible()
    expect(page.locator(".product .because")).to_have_count(page.locator(".product").count())
    page.get_by_label("What became of a product?").fill("p00001")
    page.get_by_role("button", name="Tell").click()
    expect(page.locator("#told")).to_be_visible()


def test_clicks_are_reported_and_a_basket_follows(page: Page, systems: Systems) -> None:
    page.goto("/shop?q=lamp")
    request = int(page.locator("[data-request]").get_attribute("data-request") or 0)
    page.locator(".product a.open").first.click()
    page.get_by_role("button", name="Add to basket").click()
    expect(page.locator("#carted")).to_contain_text("In the basket")
    until, kinds = monotonic() + 60.0, set[str]()
    while not {"impression", "click", "cart"} <= kinds and monotonic() < until:
        kinds = {f.kind for f in systems.log.feedback() if f.request == request}
        page.wait_for_timeout(50)
    assert kinds == {"impression", "click", "cart"}


def test_the_city_moves_and_tells_why_on_a_click(page: Page) -> None:
    page.goto("/city")
    expect(page.locator("#drivers circle").first).to_be_attached()
    places = "[...document.querySelectorAll('#drivers circle')].map(e => e.style.transform).join()"
    was = page.evaluate(places)
    page.wait_for_function(f"was => ({places}) !== was", arg=was)
    page.get_by_role("button", name="Hold still").click()
    for offer in page.locator("#offers button").all():  # of one that was declined, the latest window may say that its order waits
        with page.expect_response("**/api/match/why/*") as answer:
            offer.click()
        if answer.value.json()["chosen"]:
            break
    expect(page.locator("#why .verdict")).to_contain_text("for order")
    expect(page.locator("#why table tbody tr.chosen")).to_have_count(1)
    still = page.evaluate(places)
    page.evaluate("fetch('/api/match/snapshot')")
    assert page.evaluate(places) == still
    page.get_by_role("button", name="Let it move").click()
    page.wait_for_function(f"was => ({places}) !== was", arg=still)


def test_visitors_change_the_chances_of_creatives(page: Page) -> None:
    page.goto("/studio")
    told = page.locator(".creative .told")
    expect(told.first).to_contain_text("gates passed")
    before = page.locator(".chance strong").all_inner_texts()
    page.get_by_role("button", name="Let 500 visitors come").click()
    page.wait_for_url("**#desk")
    assert page.locator(".chance strong").all_inner_texts() != before


def test_a_page_opened_while_the_shop_is_built_opens_by_itself(
    browser: Browser,
    serving: Callable[[Systems], AbstractContextManager[str]],
    violations: Callable[[Page], list[str]],
    tmp_path: Path,
) -> None:
    make_shop(seed=1, products=40).write(tmp_path / "shop")
    catalogue = str(tmp_path / "shop" / "catalogue.jsonl")
    systems = Systems(
        Engines(Settings(home=tmp_path / "home", encoder="static://", cross="none://")), catalogue=catalogue, drivers=20
    )
    with serving(systems) as where:
        page = browser.new_page()
        page.goto(f"{where}/shop?q=lamp")
        expect(page.get_by_role("heading", level=1)).to_have_text("The shop is being built")
        assert violations(page) == []
        building = Thread(target=systems.build, args=("shop",))
        building.start()
        expect(page.locator("#count")).to_be_visible(timeout=30_000)
        building.join()
        page.close()
    systems.close()
