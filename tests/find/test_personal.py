"""Personalisation: what was clicked agrees, old taste fades, strangers are missing and not zero, and the forgotten are gone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import read_catalogue
from rialto.find.personal import NAMES, Profiles, personal, pseudonym
from rialto.local.store import MemoryStore
from rialto.records import Candidates, Context, Requests

SECRET = b"a secret of the shop"
ANN, BO = pseudonym("ann", SECRET), pseudonym("bo", SECRET)
DAY = 86_400.0


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    file = tmp_path_factory.mktemp("goods") / "goods.csv"
    lines = ["id,title,brand,category,price_cents,size"]
    for n in range(20):
        lines.append(
            f"p{n},Thing {n},{'AB'[n % 2]},{'Home/Lamps' if n < 10 else 'Home/Chairs'},{100 * (n % 10 + 1)},{'SML'[n % 3]}"
        )
    file.write_text("\n".join([*lines, "plain,Plain thing,,,,"]) + "\n")
    return read_catalogue(str(file)).catalogue


def made(goods: Catalogue, profiles: Profiles, *shoppers: str, at_s: float = DAY) -> dict[str, np.ndarray]:
    size = len(goods)
    requests = Requests.of({"shopper": np.array(shoppers, dtype=object)}, time_s=at_s)
    each = Candidates(np.arange(len(shoppers) + 1) * size, np.tile(goods.numbers, len(shoppers)))
    columns = personal(profiles).compute(requests, each, Context())
    assert tuple(columns) == NAMES and all(v.dtype == np.float32 and v.shape == (len(each),) for v in columns.values())
    return {n: v.reshape(len(shoppers), size) for n, v in columns.items()}


def test_what_a_shopper_bought_agrees_and_a_stranger_is_missing(goods: Catalogue) -> None:
    profiles = Profiles(MemoryStore(depth=0), goods)
    profiles.learn(ANN, "purchase", ["p0", "nowhere"], at_s=DAY)
    got = made(goods, profiles, ANN, BO, "")
    brand, kind, size, price = (got[n][0] for n in ("personal_brand", "personal_type", "personal_size", "personal_price"))
    assert brand[0] == pytest.approx(5 / 8) and brand[1] == 0.0 and np.isnan(brand[20])
    assert kind[0] > kind[10] > 0.0 and np.isnan(kind[20])
    assert size[0] > 0.0 == size[1]
    assert price[0] == 0.0 and price[9] == 1.0 and np.isnan(price[20])
    assert all(np.isnan(v[1:]).all() for v in got.values())


def test_old_taste_fades_and_a_purchase_tells_more_than_a_click(goods: Catalogue) -> None:
    profiles = Profiles(MemoryStore(depth=0), goods, half_life_s=DAY)
    profiles.learn(ANN, "purchase", ["p0"], at_s=DAY)
    fresh, old = (made(goods, profiles, ANN, at_s=DAY * d)["personal_brand"][0, 0] for d in (1, 4))
    assert fresh > old > 0.0
    profiles.learn(ANN, "click", ["p1"], at_s=DAY)
    share = made(goods, profiles, ANN)["personal_brand"][0]
    assert share[0] == pytest.approx(5 * share[1])
    profiles.learn(ANN, "click", ["p1", "p3", "p5"], at_s=11 * DAY)
    share = made(goods, profiles, ANN, at_s=11 * DAY)["personal_brand"][0]
    assert share[1] > share[0]


def test_a_profile_is_read_as_of_the_request_s_own_time(goods: Catalogue) -> None:
    profiles = Profiles(MemoryStore(), goods)
    profiles.learn(ANN, "click", ["p0"], at_s=10.0)
    requests = Requests.of({"shopper": np.array([ANN, ANN], dtype=object)}, time_s=np.array([5.0, 15.0]))
    columns = personal(profiles).compute(requests, Candidates(np.array([0, 1, 2]), goods.numbers[[0, 0]]), Context())
    assert np.isnan(columns["personal_brand"]).tolist() == [True, False]


def test_the_forgotten_are_gone(goods: Catalogue) -> None:
    store = MemoryStore(depth=0)
    profiles = Profiles(store, goods)
    profiles.learn(ANN, "cart", ["p0"], at_s=9 * DAY)
    profiles.learn(BO, "cart", ["p0"], at_s=9 * DAY)
    profiles.forget(ANN, at_s=DAY)
    got = made(goods, profiles, ANN, BO, at_s=10 * DAY)
    assert all(np.isnan(v[0]).all() for v in got.values()) and not np.isnan(got["personal_brand"][1]).all()
    profiles.learn(ANN, "click", ["p1"], at_s=11 * DAY)
    assert made(goods, profiles, ANN, at_s=11 * DAY)["personal_brand"][0, 0] == 0.0


def test_a_profile_outlives_its_catalogue_and_keeps_the_heaviest(goods: Catalogue, tmp_path: Path) -> None:
    store = MemoryStore(depth=0)
    file = tmp_path / "many.csv"
    file.write_text("id,title,brand\n" + "\n".join(f"q{n},Thing {n},Brand{n}" for n in range(40)) + "\nq40,Other,A\n")
    many = read_catalogue(str(file)).catalogue
    profiles = Profiles(store, many)
    profiles.learn(ANN, "purchase", ["q40"], at_s=1.0)
    for n in range(40):
        profiles.learn(ANN, "click", [f"q{n}"], at_s=float(n + 2))
    assert made(goods, Profiles(store, goods), ANN)["personal_brand"][0, 0] > 0.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([ANN, BO, ""]), st.sampled_from(["click", "cart", "purchase"]), st.integers(0, 20), st.floats(0, 1e7)
        ),
        max_size=12,
    )
)
def test_agreement_stays_in_its_range_and_a_batch_is_its_requests(
    goods: Catalogue, events: list[tuple[str, str, int, float]]
) -> None:
    profiles = Profiles(MemoryStore(depth=0), goods)
    for who, kind, n, at_s in events:
        profiles.learn(who, kind, [f"p{n}"], at_s=at_s)
    both, alone = made(goods, profiles, ANN, BO, at_s=1e8), made(goods, profiles, BO, at_s=1e8)
    for name, values in both.items():
        known = values[~np.isnan(values)]
        low = -1.0 if name == "personal_price" else 0.0
        assert (known >= low).all() and (known <= 1.0).all()
        assert np.array_equal(values[1], alone[name][0], equal_nan=True)


def test_bad_input_is_named(goods: Catalogue) -> None:
    profiles = Profiles(MemoryStore(), goods)
    with pytest.raises(BadInput, match="known: click"):
        profiles.learn(ANN, "clik", ["p0"], at_s=1.0)
    with pytest.raises(BadInput, match="what `pseudonym` gives"):
        profiles.learn("ann@example.org", "click", ["p0"], at_s=1.0)
    with pytest.raises(BadInput, match="at_s is nan"):
        profiles.learn(ANN, "click", ["p0"], at_s=float("nan"))
    with pytest.raises(BadInput, match="wanted 16 to 64"):
        pseudonym("ann", b"short")
    with pytest.raises(BadInput, match="half_life_s"):
        Profiles(MemoryStore(), goods, half_life_s=0.0)
    assert pseudonym("ann", SECRET) != pseudonym("ann", SECRET + b"2")
