# ruff: noqa: E501
"""What is wrong with a catalogue is found where it was put, and a sound one is left in peace."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.builder import Builder
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import parsed
from rialto.find.mapping import FieldMap
from rialto.find.quality import Finding, report

MAPPING = FieldMap(
    id="id", title="title", brand="brand", category="category", description="text", price="price", price_unit="cents",
    stock="stock", group="group", image="image", attributes="attributes",
)  # fmt: skip
LAMP, KETTLE = ("oak", "floor", "lamp", "shade", "warm"), ("steel", "kettle", "boils", "water", "fast")


def shop(*extra: dict[str, Any]) -> Catalogue:
    """Forty lamps and forty kettles with nothing wrong, and `extra`."""
    builder, rng = Builder(), np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for n in range(80):
        words = list(rng.permutation(LAMP if n % 2 else KETTLE))
        rows.append({
            "id": f"p{n}", "title": f"{' '.join(words)} model{n}", "brand": "Lumo", "category": "Home/Lamps" if n % 2 else "Home/Kettles",
            "text": f"Number {n} with {' '.join(words)}", "price": int(rng.integers(1000, 3000)), "stock": 3, "image": f"{n}.png",
            "attributes": {"colour": "red", "width_cm": float(rng.integers(100, 200)) / 10},
        })  # fmt: skip
    for row in [*rows, *extra]:
        builder.add(*parsed(1, row, MAPPING))
    return builder.finish()


def odd(**fields: Any) -> dict[str, Any]:
    base = {
        "id": "odd", "title": "oak floor lamp odd", "brand": "Lumo", "category": "Home/Lamps", "text": "Something else entirely", "price": 2000,
        "stock": 1, "image": "o.png", "attributes": {"colour": "red", "width_cm": 15.2},
    }  # fmt: skip
    return {k: v for k, v in {**base, **fields}.items() if v is not None}


def found(c: Catalogue, kind: str, about: str = "") -> Finding | None:
    return next((f for f in report(c).findings if f.kind == kind and (not about or about in f.about)), None)


def test_a_sound_catalogue_has_no_findings() -> None:
    quality = report(shop(odd()))
    assert (quality.findings, quality.sound, quality.share_sound) == ((), 81, 1.0)


def test_missing_fields_and_attributes_are_named_with_their_products() -> None:
    c = shop(odd(price=None, image=None, attributes={"width_cm": 15.0}))
    for kind, about in (
        ("missing_field", "price_cents"),
        ("missing_field", "image"),
        ("missing_attribute", "Home/Lamps: colour"),
    ):
        finding = found(c, kind, about)
        assert finding is not None and finding.products == ("odd",) and finding.count == 1, about
    told = found(c, "missing_attribute")
    assert told is not None and told.share == 1 / 41 and "1 of 41 products in “Home/Lamps” do not say colour" in told.says
    assert report(c).sound == 80


def test_a_field_that_no_product_has_is_one_quiet_finding() -> None:
    c = shop()
    bare = Catalogue(c.ids, c.numbers, {**c.texts, "image": np.full(len(c), "", dtype=object)}, c.values, c.labels, c.measures)
    finding = found(bare, "missing_field", "image")
    assert finding is not None and finding.severity == "low" and "mapping" in finding.says and report(bare).sound == 80


def test_titles_with_markup_or_of_no_use_are_found() -> None:
    c = shop(odd(title="<b>Oak</b> lamp &amp; shade"), odd(id="s", title="Lamp"), odd(id="l", title="oak lamp " * 30))
    assert [(f.about, f.products) for f in report(c).findings if f.kind == "title"] == [
        ("markup", ("odd",)), ("too short", ("s",)), ("too long", ("l",)),
    ]  # fmt: skip


def test_duplicates_by_number_title_and_nearly_are_found_and_variants_are_not() -> None:
    text = "A long and winding account of one lamp that nobody else would write in just this way, whatever it was that they had to sell"
    c = shop(
        odd(id="a", title="twin lamp one"), odd(id="b", title="Twin Lamps one"),
        odd(id="e1", title="first code lamp", attributes={"ean": "4006381333931", "colour": "red", "width_cm": 12.0}),
        odd(id="e2", title="second code lamp", attributes={"ean": "4006381333931", "colour": "red", "width_cm": 12.0}),
        odd(id="n1", title="rare velvet sofa lamp", text=text), odd(id="n2", title="rare velvet sofa lamp again", text=text),
        odd(id="m1", title="rare disk 64 gb", text=text), odd(id="m2", title="rare disk 128 gb", text=text),
        odd(id="v1", title="variant lamp", group="g"), odd(id="v2", title="variant lamp", group="g"),
    )  # fmt: skip
    got = {f.about: set(f.products) for f in report(c).findings if f.kind == "duplicate"}
    assert got == {"title": {"a", "b"}, "article number": {"e1", "e2"}, "nearly": {"n1", "n2"}}


def test_odd_prices_are_found_with_what_is_usual() -> None:
    c = shop(
        odd(price=0, title="free lamp one"), odd(id="far", price=2_000_000, title="dear lamp two"),
        *(odd(id=f"h{n}", price=999_900, title=f"held lamp {'abc'[n]}{n}") for n in range(3)),
    )  # fmt: skip
    got = {f.about: f for f in report(c).findings if f.kind == "odd_price"}
    assert got["0"].products == ("odd",) and set(got["9999.00"].products) == {"h0", "h1", "h2"}
    assert got["far"].products[0] == "far" and "in Home/Lamps" in got["far"].hints[0] and "20,000.00" in got["far"].hints[0]


def test_a_number_in_another_unit_is_found_with_what_it_may_be() -> None:
    finding = found(shop(odd(attributes={"colour": "red", "width_cm": 15200.0}), odd(id="x", title="oak lamp x", attributes={"colour": "red", "width_cm": 15.2}),
                         odd(id="y", title="oak lamp y", attributes={"colour": "red", "width_cm": 15.2})), "odd_value")  # fmt: skip
    assert finding is not None and (finding.products, finding.about, finding.severity) == (("odd",), "width_cm", "medium")
    assert "may be 15.2, in another unit" in finding.hints[0]


def test_a_product_in_the_wrong_category_is_found_with_the_likely_one() -> None:
    finding = found(shop(odd(title="steel kettle boils water fast")), "wrong_category")
    assert finding is not None and finding.products == ("odd",) and finding.hints == ("Home/Lamps; reads like Home/Kettles",)


def test_a_report_is_json_and_names_at_most_a_hundred_products() -> None:
    c = shop(*(odd(id=f"f{n}", price=0, title=f"free lamp number {n} {n * 7919 % 1000}") for n in range(150)))
    finding = found(c, "odd_price", "0")
    assert finding is not None and (finding.count, len(finding.products)) == (150, 100)
    assert json.loads(json.dumps(report(c).to_json()))["products"] == 230


rows = st.fixed_dictionaries(
    {"id": st.text(min_size=1, max_size=3).filter(str.strip), "title": st.text(min_size=1, max_size=30).filter(str.strip)},
    optional={
        "price": st.integers(0, 10**9), "category": st.text(max_size=8), "text": st.text(max_size=40), "stock": st.integers(0, 3),
        "attributes": st.dictionaries(st.sampled_from(["a", "ean", "w"]), st.one_of(st.text(max_size=5), st.floats(-1e9, 1e9), st.booleans())),
    },
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(rows, max_size=30))
def test_any_catalogue_gets_a_report_whose_counts_add_up(put: list[dict[str, Any]]) -> None:
    builder = Builder()
    for row in put:
        try:
            builder.add(*parsed(1, row, MAPPING))
        except ValueError:
            continue
    c = builder.finish()
    quality = report(c)
    assert 0 <= quality.sound <= quality.products == len(c)
    for f in quality.findings:
        assert (
            0 < f.count <= len(c) and 0 < f.share <= 1 and set(f.products) <= set(c.ids) and len(f.hints) in (0, len(f.products))
        )
