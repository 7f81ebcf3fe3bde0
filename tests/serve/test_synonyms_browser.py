"""The synonyms of the desk in headless Chromium: written, checked, saved, restored by keyboard, and found by a shopper."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from threading import Event
from time import monotonic

import httpx
import pytest
from playwright.sync_api import Page, expect

from rialto.app.suggesting import looks_logged
from rialto.app.systems import Systems

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.server]


@pytest.fixture
def emptied(address: str) -> Generator[str, None, None]:
    """Where the service is, whose synonyms are as they were again afterwards."""
    base = f"{address}/api/find/synonyms"
    before = httpx.get(base).json()
    yield address
    now = httpx.get(base).json()["version"]
    httpx.put(base, json={"expected": now, "who": "test", "text": before["text"]})


def seen(page: Page, name: str, width: int) -> None:
    if folder := os.environ.get("RIALTO_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


def test_synonyms_are_written_checked_saved_and_found(
    page: Page, emptied: str, violations: Callable[[Page], list[str]], width: int
) -> None:
    page.goto("/desk/synonyms")
    expect(page.locator("#history")).not_to_be_empty()
    assert violations(page) == []
    page.get_by_label("The shop’s own synonyms").fill("clodhoppers => shoes\nshoe, shoes")
    page.get_by_label("You are").fill("ann")
    page.get_by_role("button", name="Check").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_contain_text("singular and plural")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Save in spite of it")).to_be_visible()
    assert violations(page) == []
    seen(page, "refused", width)
    page.get_by_label("The shop’s own synonyms").fill("clodhoppers => shoes")
    page.get_by_label("Why").fill("spring")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("Saved as version")
    expect(page.locator("#history")).to_contain_text("added clodhoppers => shoes")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    seen(page, "saved", width)
    page.goto("/shop?q=clodhoppers")
    expect(page.locator(".too")).to_contain_text("shoes")
    assert violations(page) == []
    seen(page, "shop", width)
    page.get_by_label("Do not search for shoes too").click()
    page.wait_for_url("**undo=synonym**")


def test_which_completion_is_taken_is_told(page: Page, systems: Systems) -> None:
    ranker = systems.shop.search.ranker
    before = len(list(looks_logged(systems.log, ranker)))
    page.goto("/shop")
    box = page.locator("#q")
    box.press_sequentially("sh")
    expect(page.locator("#suggestions li").first).to_be_visible()
    box.press("ArrowDown")
    chosen = box.input_value()
    box.press("Enter")
    page.wait_for_url("**/shop?q=**")
    until, wait = monotonic() + 20.0, Event()
    while len(looks := list(looks_logged(systems.log, ranker))[before:]) < 1 and monotonic() < until:
        wait.wait(0.02)
    assert [(t.prefix, t.chosen) for t in looks] == [("sh", chosen)] and chosen in looks[0].shown
