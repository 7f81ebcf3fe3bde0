"""The map in headless Chromium: a click tells the reason, the slider shows earlier positions, by hand and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from rialto.app.engines import Engines
from rialto.app.learning import fitter, scorer
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.match.eta import Trips, train
from rialto.match.records import Drivers, Orders, Pings

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.server]

LAT, LON = 52.5, 13.4
PLACES = "[...document.querySelectorAll('#drivers circle')].map(e => e.style.transform).join()"


def learned(engines: Engines) -> None:
    """A correction of drives goes live, so that times have intervals."""
    pytest.importorskip("catboost", reason="training needs catboost: pip install 'rialto[trees]'")
    chance, at_s = np.random.default_rng(0), np.full(3000, 1_800_000_000.0)
    start, goal = (np.array([LAT, LON]) + chance.uniform(-0.03, 0.03, (3000, 2)) for _ in range(2))
    took_s = 2.0 * engines.travel().seconds(start, goal, at_s=at_s) * chance.uniform(0.7, 1.3, 3000)
    models = engines.models()
    trips = Trips(start, goal, at_s, took_s)
    assert train(trips, engines.travel(), models, fit=fitter("RMSE", trees=30, depth=3), score=scorer(models)).version


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, serving: Callable[[Systems], AbstractContextManager[str]]
) -> Generator[str, None, None]:
    """A fleet of 30 drivers after six windows ten seconds apart; of two orders that wait one has no driver who may, one is not ready."""
    now = [1_800_000_000.0]
    chosen = Settings(home=tmp_path_factory.mktemp("fleet"), fleet=Fleet(on=True, lat=LAT, lon=LON, window_s=0.0))
    engines = Engines(chosen)
    learned(engines)
    systems = Systems(engines, clock=lambda: now[0])
    systems.build("city")
    fleet, rng = systems.fleet, np.random.default_rng(0)
    fleet.enrol(Drivers.of(np.arange(30)))
    place = rng.normal(0.0, 0.01, (30, 2))
    for step in range(6):
        place += rng.normal(0.0, 0.0005, place.shape)
        fleet.pings(Pings.of(np.arange(30), lat=LAT + place[:, 0], lon=LON + place[:, 1], time_s=np.full(30, now[0])))
        ends = rng.normal(0.0, 0.01, (2, 2))
        ids, need = np.array([step, 2**60 + step]), np.array([0, 1 if step == 0 else 0], dtype=np.uint64)
        fleet.place(Orders.of(ids, lat=LAT + ends[:, 0], lon=LON + ends[:, 1], placed_s=np.full(2, now[0]), need=need))
        if step == 5:
            late = Orders.of(
                np.array([90]), lat=np.array([LAT]), lon=np.array([LON]), placed_s=now[:], ready_s=np.array([now[0] + 1200.0])
            )
            fleet.place(late)
        fleet.window()
        now[0] += 10.0
    with serving(systems) as where:
        yield where
    systems.close()


@pytest.fixture
def seen(page: Page) -> Page:
    """The fleet's page."""
    page.goto("/city")
    expect(page.locator("#drivers circle")).to_have_count(30)
    return page


def test_axe_finds_nothing_on_the_fleet_and_nothing_overflows(seen: Page, violations: Callable[[Page], list[str]]) -> None:
    seen.locator("#offers button").first.click()
    expect(seen.locator("#why .verdict")).to_be_visible()
    assert violations(seen) == []
    assert seen.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_click_on_a_driver_or_an_order_tells_chosen_runner_up_and_age(seen: Page) -> None:
    seen.locator("#drivers circle.busy").first.dispatch_event("click")
    expect(seen.locator("#why .verdict")).to_contain_text("for order")
    expect(seen.locator("#why .runner")).to_contain_text("Runner-up: driver")
    expect(seen.locator("#why .person")).to_contain_text("position 10 s old")
    expect(seen.locator("#why .stops li")).to_have_count(2)  # offered: a pickup, and a drop that nobody placed
    expect(seen.locator("#why .stops li").first).to_contain_text("Picks up order")
    expect(seen.locator("#why .stops li").first).to_contain_text("if he says yes")
    seen.locator("#orders circle").first.dispatch_event("click")
    expect(seen.locator("#why .verdict")).to_have_text(f"Order {2**60} waits")  # beyond what a script's numbers hold
    seen.locator("#drivers circle.free").first.dispatch_event("click")
    expect(seen.locator("#why")).to_contain_text("is free; position 10 s old")


def test_the_panel_says_how_old_positions_are_what_drives_lie_between_and_why_an_order_is_held(
    seen: Page, violations: Callable[[Page], list[str]]
) -> None:
    seen.locator("#offers button").first.click()
    expect(seen.locator("#why tbody tr.chosen td").first).to_contain_text("position 0 s old")
    expect(seen.locator("#why tbody tr.chosen .between").nth(1)).to_have_text(re.compile(r"^\d+:\d\d to \d+:\d\d$"))
    expect(seen.locator("#why")).to_contain_text("In 90 of 100 drives")
    seen.get_by_label("Number").fill("90")
    seen.get_by_role("button", name="Show", exact=True).click()
    expect(seen.locator("#why")).to_contain_text("It is ready in 20:00, and who is sent now would be there long before.")
    expect(seen.locator("#why tbody")).to_contain_text("not now")
    assert violations(seen) == []
    assert seen.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_numbers_are_found_by_keyboard(seen: Page) -> None:
    seen.get_by_label("Number").fill("3")
    seen.keyboard.press("Enter")
    expect(seen.locator("#why .verdict")).to_contain_text("for order 3")
    seen.get_by_label("Order or driver").select_option("driver")
    seen.get_by_label("Number").fill("77")
    seen.keyboard.press("Enter")
    expect(seen.locator("#why")).to_contain_text("not on the map")


def test_the_slider_shows_earlier_positions_and_plays_up_to_now(seen: Page) -> None:
    slider = seen.get_by_label("Moment shown")
    expect(slider).to_be_enabled()
    expect(seen.locator("#mode")).to_have_text("live")
    live = seen.evaluate(PLACES)
    slider.focus()
    seen.keyboard.press("Home")
    expect(seen.locator("#mode")).to_have_text("replay")
    seen.wait_for_function(f"was => ({PLACES}) !== was", arg=live)
    expect(seen.locator("#counts")).to_contain_text("drivers free")
    expect(seen.get_by_role("button", name="Let it move")).to_be_visible()
    first = seen.evaluate(PLACES)
    seen.keyboard.press("ArrowRight")
    seen.wait_for_function(f"was => ({PLACES}) !== was", arg=first)
    seen.keyboard.press("Space")
    expect(seen.locator("#mode")).to_have_text("live")
    assert seen.evaluate(PLACES) == live
    seen.keyboard.press("Home")
    expect(seen.locator("#mode")).to_have_text("replay")
    seen.get_by_role("button", name="Now").click()
    expect(seen.locator("#mode")).to_have_text("live")


def test_the_made_up_city_is_replayed_too(page: Page) -> None:
    page.goto("/city")
    slider = page.get_by_label("Moment shown")
    expect(slider).to_be_enabled()
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#mode")).to_have_text("replay")
    then = page.evaluate(PLACES)
    page.get_by_role("button", name="Now").click()
    expect(page.locator("#mode")).to_have_text("live")
    page.wait_for_function(f"was => ({PLACES}) !== was", arg=then)
