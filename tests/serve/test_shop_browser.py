"""The shop's finer parts in headless Chromium: rewrites taken back, numbers, search inside a facet, categories, product hits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.server]


PAGES = ["/shop/category/Home", "/shop?q=lapm+under+%2450+without+shade", "/shop?q=lamp&range.price_cents=100..9900",
         "/shop?q=lamp&select=brand:Nobody"]  # fmt: skip


def open_filters(page: Page, width: int) -> None:
    if width < 800:
        page.locator("#filters > summary").click()


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_in_the_shops_states(
    page: Page, width: int, violations: Callable[[Page], list[str]], path: str
) -> None:
    page.goto(path)
    open_filters(page, width)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_rewrite_is_taken_back_alone_and_all_together(page: Page) -> None:
    page.goto("/shop?q=lapm+under+%2450")
    expect(page.locator(".rewrites")).to_contain_text("Showing results for lamp")
    page.get_by_role("link", name="Undo Price up to 50.00").click()
    page.wait_for_url("**undo=price**")
    expect(page.locator(".understood li")).to_have_count(1)
    expect(page.locator("#count")).to_be_focused()
    page.locator(".rewrites .undo").click()
    page.wait_for_url("**undo=all**")
    expect(page.locator(".rewrites")).to_contain_text("Searched exactly as typed")


def test_two_numbers_bound_a_facet(page: Page, width: int) -> None:
    page.goto("/shop?q=lamp")
    open_filters(page, width)
    page.get_by_label("Price from").fill("30")
    page.get_by_label("Price from").press("Enter")
    page.wait_for_url("**range.price_cents=3000..")
    page.get_by_label("Price to").fill("80")
    page.get_by_label("Price to").press("Tab")
    page.wait_for_url("**range.price_cents=3000..8000")
    expect(page.get_by_role("link", name="Remove Price")).to_be_visible()
    prices = [float(p.replace(",", "")) for p in page.locator(".product .price").all_inner_texts()]
    assert prices and all(30 <= p <= 80 for p in prices)
    page.get_by_label("Price from").fill("90")
    page.get_by_label("Price from").press("Enter")
    assert "90" not in page.url


def test_an_answer_that_comes_late_leaves_the_shopper_where_they_type(page: Page, width: int) -> None:
    page.goto("/shop?q=lamp")
    open_filters(page, width)
    page.evaluate(
        "() => { const f = fetch; window.fetch = (...a) => new Promise(r => { window.letGo = () => { r(f(...a)); }; }); }"
    )
    page.get_by_label("Price from").fill("30")
    page.get_by_label("Price from").press("Enter")
    page.get_by_label("Price to").fill("80")
    page.evaluate("() => window.letGo()")
    page.wait_for_url("**range.price_cents=3000..")
    expect(page.get_by_label("Price to")).to_be_focused()
    expect(page.get_by_label("Price to")).to_have_value("80")
    page.get_by_label("Price to").press("Tab")
    page.evaluate("() => window.letGo()")
    page.wait_for_url("**range.price_cents=3000..8000")
    expect(page.get_by_label("Price from")).to_have_value("30.00")


def test_a_facet_is_searched_inside_and_what_is_found_can_be_ticked(page: Page, width: int) -> None:
    page.goto("/shop?q=lamp")
    open_filters(page, width)
    field = page.locator("[data-facet=brand]")
    names = field.locator(".what").all_text_contents()
    field.get_by_label("Find in brand").fill(names[-1][:4])
    expect(page.locator("#said")).to_contain_text("in Brand")
    line = field.locator("label", has_text=names[-1])
    promised = line.locator(".n").inner_text()
    line.locator("input").check()
    expect(page.locator("#count")).to_have_text(f"{promised} product{'' if promised == '1' else 's'}")
    page.goto("/shop?q=lamp")
    open_filters(page, width)
    field.get_by_label("Find in brand").fill("qqqqqq")
    expect(field).to_contain_text("None of its values")


def test_categories_are_walked_down_and_up(page: Page) -> None:
    page.goto("/shop")
    page.get_by_role("navigation", name="Categories").get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    below = page.locator(".departments a").first
    promised = below.locator(".n").inner_text()
    below.click()
    expect(page.locator("#count")).to_have_text(f"{promised} product{'' if promised == '1' else 's'}")
    page.locator("#sort").select_option("price_up")
    page.wait_for_url("**/shop/category/Home/**sort=price_up")
    page.get_by_role("navigation", name="Category", exact=True).get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")


def test_what_is_chosen_before_the_script_has_come_is_asked_for_when_it_comes(page: Page, width: int) -> None:
    held: list[Route] = []
    page.route("**/static/shop.js*", lambda route: held.append(route))
    page.goto("/shop?q=lamp", wait_until="commit")
    page.locator("#sort").select_option("price_up")
    open_filters(page, width)
    page.get_by_label("In stock only").check()
    expect(page.locator("html.scripted")).to_have_count(0)
    held[0].continue_()
    page.wait_for_url("**in_stock=1**sort=price_up")
    expect(page.get_by_label("In stock only")).to_be_checked()
    expect(page.locator("#sort")).to_have_value("price_up")
    page.go_back()
    expect(page.get_by_label("In stock only")).not_to_be_checked()
    page.unroute("**/static/shop.js*")
    page.reload()
    expect(page.locator("html.scripted")).to_have_count(1)
    assert "sort" not in page.url


def test_products_stand_below_the_box_with_picture_and_price_and_typos_are_marked(
    page: Page, violations: Callable[[Page], list[str]]
) -> None:
    page.goto("/shop")
    page.locator("#q").focus()
    page.keyboard.type("lapm")
    hit = page.locator("#suggestions .hit").first
    expect(hit.locator("img")).to_be_visible()
    expect(hit.locator(".kind")).not_to_be_empty()
    expect(page.locator("#suggestions b", has_text="lamp").first).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("ArrowUp")
    expect(page.locator("#suggestions").get_by_role("option").last).to_have_attribute("aria-selected", "true")
    expect(page.locator("#q")).to_have_value("lapm")
    page.keyboard.press("Enter")
    page.wait_for_url("**/shop/product/**")
