"""The desk in headless Chromium: comparing by keyboard, a product's way, and rules from the first word to their restoring."""

from __future__ import annotations

from collections.abc import Callable, Generator

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.server]

OTHER = "/desk?q=red+lamp&b=%7B%22params%22%3A%7B%22find.rank.fusion%22%3A%22cosine%22%7D%7D"


@pytest.fixture
def emptied(address: str) -> Generator[str, None, None]:
    """Where the service is, whose rules are as they were again afterwards."""
    before = httpx.get(f"{address}/api/find/rules").json()["version"]
    yield address
    now = httpx.get(f"{address}/api/find/rules").json()["version"]
    httpx.post(f"{address}/api/find/rules/restore", json={"expected": now, "who": "test", "version": before})


@pytest.mark.parametrize("path", ["/desk", OTHER, "/desk/rules", "/desk/quality"])
def test_axe_finds_nothing_at_the_desk(page: Page, violations: Callable[[Page], list[str]], path: str) -> None:
    page.goto(path)
    page.wait_for_load_state("networkidle")
    for closed in page.locator("details:not([open]) > summary:visible").all()[:1]:
        closed.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_two_configurations_are_compared_by_keyboard_alone(page: Page, violations: Callable[[Page], list[str]]) -> None:
    page.goto("/desk")
    page.locator("#text").focus()
    page.keyboard.type("red lamp")
    page.keyboard.press("Enter")
    lists = page.locator("#lists ol")
    expect(lists).to_have_count(2)
    expect(page.locator("#said")).to_contain_text("results in both lists")
    page.locator("[data-side=b] [data-set=fusion]").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_url("**fusion**cosine**")
    expect(page.locator("#compared")).to_have_attribute("aria-busy", "false")
    assert lists.nth(0).locator("li").count() == lists.nth(1).locator("li").count() > 0
    first = lists.nth(1).locator("button").first
    first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.locator(".steps").first).to_contain_text("fusion")
    expect(dialog.locator(".because").first).to_contain_text("Fetched at place")
    assert violations(page) == []
    dialog.get_by_label("Filter features").fill("cosine")
    assert all("cosine" in t for t in dialog.locator("tbody tr:visible th").all_inner_texts())
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(first).to_be_focused()


def test_a_tunable_is_added_changed_and_removed_and_back_goes_back(page: Page) -> None:
    page.goto("/desk?q=lamp")
    page.locator("#add-b").select_option("find.diversity.brand")
    number = page.locator("[data-side=b] .sets input")
    expect(number).to_be_focused()
    number.fill("1")
    number.press("Tab")
    page.wait_for_url("**diversity.brand%22%3A1**")
    page.go_back()
    expect(page.locator("[data-side=b] .sets input")).to_have_value("4")
    page.get_by_role("button", name="Remove find.diversity.brand").click()
    expect(page.locator("[data-side=b] .sets li")).to_have_count(0)


def test_the_fate_of_any_product_is_told(page: Page) -> None:
    page.goto("/desk?q=lamp")
    page.get_by_label("What became of a product?").fill("p00001")
    page.get_by_role("button", name="Tell").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("dialog").locator(".because").first).not_to_be_empty()


def test_a_rule_is_made_previewed_saved_switched_and_undone(
    page: Page, emptied: str, violations: Callable[[Page], list[str]]
) -> None:
    page.goto("/desk/rules")
    page.get_by_label("You are").fill("Ann")
    page.get_by_role("button", name="New rule").click()
    page.get_by_label("Name").fill("Lamp of the week")
    expect(page.get_by_label("Id", exact=True)).to_have_value("lamp-of-the-week")
    page.get_by_label("Owner").fill("Ann")
    page.get_by_label("Find a product to add").fill("table lamp")
    page.keyboard.press("Enter")
    page.locator("#picked button").last.click()
    expect(page.get_by_label("Product ids")).not_to_have_value("")
    page.get_by_label("The whole query is").fill("table lamp")
    page.get_by_role("button", name="Check and preview").click()
    expect(page.locator("#verdict")).to_contain_text("past queries would change")
    assert violations(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#rules h2")).to_have_text("Lamp of the week")
    expect(page.locator("#said")).to_contain_text("added lamp-of-the-week")
    expect(page.get_by_role("button", name="Edit Lamp of the week")).to_be_focused()
    assert violations(page) == []
    page.get_by_role("switch", name="Lamp of the week enabled").click()
    expect(page.locator(".state")).to_have_text("Off")
    page.locator("#history").get_by_role("button", name="Restore").first.click()
    expect(page.locator(".state")).to_have_text("Acts")
    page.get_by_role("button", name="Edit Lamp of the week").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#no-rules")).to_be_visible()


def test_a_conflict_stands_against_saving_until_it_is_forced(page: Page, emptied: str) -> None:
    id = httpx.get(f"{emptied}/api/find/search?q=lamp").json()["results"][0]["product"]["id"]
    version = httpx.get(f"{emptied}/api/find/rules").json()["version"]
    pin = {"id": "one", "owner": "bo", "action": "pin", "place": 1, "products": {"ids": [id]}, "when": {"queries": ["lamp"]}}
    httpx.post(f"{emptied}/api/find/rules", json={"expected": version, "who": "bo", "rules": [pin]}).raise_for_status()
    page.goto("/desk/rules")
    page.get_by_role("button", name="New rule").click()
    page.locator(".acts-of label", has_text="Hide").click()
    page.get_by_label("Name").fill("Not this one")
    page.get_by_label("Owner").fill("Cy")
    page.get_by_label("Product ids").fill(id)
    page.get_by_label("The whole query is").fill("lamp")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#verdict .conflict.error").first).to_be_visible()
    page.get_by_role("button", name="Save in spite of it").click()
    expect(page.locator("#rules .rule")).to_have_count(2)
    expect(page.locator("#history")).to_contain_text("in spite of conflicts")
