"""A logged day in headless Chromium: the slider goes through it, a click tells who was chosen, who was next and why; nothing is live."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.match.offers import Message, Messages
from rialto.match.records import Drivers, Orders, Pings

pytestmark = [pytest.mark.xdist_group("serve"), pytest.mark.server]

LAT, LON, DAY = 52.5, 13.4, "2027-01-15"


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, serving: Callable[[Systems], AbstractContextManager[str]]
) -> Generator[str, None, None]:
    """Forty minutes of a fleet of 30, of which only the logs are left: the service was started anew a day later."""
    now, home = [1_800_000_000.0], tmp_path_factory.mktemp("logged")
    chosen = Settings(home=home, fleet=Fleet(on=True, lat=LAT, lon=LON, window_s=0.0))
    before, rng = Systems(Engines(chosen), clock=lambda: now[0]), np.random.default_rng(0)
    before.build("city")
    fleet = before.fleet
    fleet.enrol(Drivers.of(np.arange(30)))
    place, due = rng.normal(0.0, 0.012, (30, 2)), list[tuple[float, str, int, int]]()
    for step in range(80):
        fleet.pings(Pings.of(np.arange(30), lat=LAT + place[:, 0], lon=LON + place[:, 1], time_s=np.full(30, now[0])))
        ends, size = rng.normal(0.0, 0.012, (2, 4)), 2
        need = np.array([0, 1 if step == 40 else 0], dtype=np.uint64)  # one order that no driver may take
        fleet.place(
            Orders.of(
                np.array([2 * step, 2 * step + 1]), lat=LAT + ends[:, 0], lon=LON + ends[:, 1], placed_s=np.full(size, now[0]), need=need,
                drop_lat=LAT + ends[:, 2], drop_lon=LON + ends[:, 3],
            )
        )  # fmt: skip
        made = fleet.window()
        for order, driver in zip(made.orders.tolist(), made.drivers.tolist()):
            due += [
                (now[0] + a, kind, order, driver) for a, kind in ((5.0, "accepted"), (180.0, "picked_up"), (300.0, "delivered"))
            ]
        ready = sorted(d for d in due if d[0] <= now[0] + 30.0)
        due = [d for d in due if d[0] > now[0] + 30.0]
        for at_s, kind, order, driver in ready:
            now[0] = max(now[0], at_s)
            fleet.tell(Messages.of([Message(f"{kind}{order}", kind, order, driver)]))
        now[0] = 1_800_000_000.0 + 30.0 * (step + 1)
    before.close()
    later = Systems(Engines(chosen), clock=lambda: now[0] + 86_400.0)
    later.build("city")
    with serving(later) as where:
        yield where
    later.close()


@pytest.fixture
def seen(page: Page) -> Page:
    """The day's page."""
    page.goto(f"/city?day={DAY}")
    expect(page.locator("#mode")).to_have_text("logged")
    expect(page.locator("#when")).to_be_enabled()
    return page


def slide(page: Page, share: float) -> None:
    """Pull the slider to a share of the day."""
    page.evaluate(
        "s => { const e = document.getElementById('when'); e.value = Math.round(s * (e.max - 1)); e.dispatchEvent(new Event('input')); }",
        share,
    )


def test_the_slider_goes_through_the_day(seen: Page) -> None:
    expect(seen.locator("h1")).to_have_text(f"{DAY}, as it was logged")
    expect(seen.locator("#offers button")).to_have_count(2)
    slide(seen, 0.55)
    expect(seen.locator("#drivers circle.picked_up").first).to_be_visible()
    expect(seen.locator("#offers button")).to_have_count(20)
    expect(seen.locator("#waiting button").first).to_contain_text("Order 81")
    middle = seen.locator("#counts").inner_text()
    slide(seen, 0.1)
    expect(seen.locator("#counts")).not_to_have_text(middle)
    seen.locator("#when").press("ArrowRight")
    seen.locator("#now").click()
    expect(seen.locator("#when")).to_have_attribute("aria-valuetext", "the day's last")


def test_a_click_tells_chosen_runner_up_and_reason(seen: Page) -> None:
    slide(seen, 0.6)
    seen.locator("#drivers circle.busy").first.dispatch_event("click")
    expect(seen.locator("#why .verdict")).to_contain_text("for order")
    expect(seen.locator("#why .runner")).to_contain_text("Runner-up: driver")
    expect(seen.locator("#why")).to_contain_text("Had the choice cost")
    seen.locator("#waiting button").first.click()
    expect(seen.locator("#why .verdict")).to_have_text("Order 81 waits")


def test_axe_finds_nothing_nothing_overflows_and_the_day_is_chosen_from_a_list(
    seen: Page, violations: Callable[[Page], list[str]]
) -> None:
    slide(seen, 0.6)
    expect(seen.locator("#drivers circle.busy").first).to_be_visible()
    assert violations(seen) == []
    assert seen.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert seen.locator("#day").input_value() == DAY
    seen.locator("#day").select_option("")
    expect(seen.locator("h1")).to_have_text("The fleet, window by window")
    seen.locator("#day").select_option(DAY)
    expect(seen.locator("#mode")).to_have_text("logged")


def test_a_day_that_is_not_there_is_told_on_a_page(seen: Page, address: str) -> None:
    answer = seen.request.get(f"{address}/city?day=2020-01-01")
    assert answer.status == 404 and "days in the logs" in answer.text()
    assert seen.request.get(f"{address}/api/match/days").json() == {"days": [DAY]}
    told = seen.request.get(f"{address}/api/match/snapshot?day=x")
    assert told.status == 422 and "YYYY-MM-DD" in told.json()["detail"]
    cells = seen.request.get(f"{address}/api/match/cells?day={DAY}&resolution=8&at_s=1800001200").json()
    assert sum(c["waiting"] for c in cells["cells"]) >= 1 and sum(c["busy"] for c in cells["cells"]) > 5
