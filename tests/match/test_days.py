"""Courier days from CSV: good rows come in whole, a wrong row is named with its line, and nothing else is guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, BadRow
from rialto.match.days import CourierDay, read_courier_day

ORDERS = "order_id,placed_s,ready_s,pickup_x_m,pickup_y_m,dropoff_x_m,dropoff_y_m\n"
COURIERS = "courier_id,on_s,off_s,x_m,y_m\n"
GOOD = "a,0,600,0,0,500,0\n"
CREW = "c,0,3600,10,0\n"


def day(folder: Path, orders: str, couriers: str = COURIERS + CREW, *, keep_going: bool = False) -> CourierDay:
    (folder / "orders.csv").write_text(orders, encoding="utf-8", newline="")
    (folder / "couriers.csv").write_text(couriers, encoding="utf-8", newline="")
    return read_courier_day(folder / "orders.csv", folder / "couriers.csv", keep_going=keep_going)


def test_good_day_comes_in_whole(tmp_path: Path) -> None:
    made = day(tmp_path, ORDERS + GOOD + 'b," 5 ",9.5,-1,2,3,4\r\n\n')
    assert made.order_ids.tolist() == ["a", "b"] and made.courier_ids.tolist() == ["c"]
    assert made.placed_s.tolist() == [0.0, 5.0] and made.ready_s.tolist() == [600.0, 9.5]
    assert made.pickup_m.tolist() == [[0, 0, 0], [-1, 2, 0]] and made.dropoff_m.tolist() == [[500, 0, 0], [3, 4, 0]]
    assert made.start_m.tolist() == [[10, 0, 0]] and made.off_s.tolist() == [3600.0]


def test_columns_come_in_any_order_with_a_byte_order_mark_and_others_beside_them(tmp_path: Path) -> None:
    made = day(tmp_path, "\ufeffNote,dropoff_y_m,dropoff_x_m,pickup_y_m,pickup_x_m,ready_s,placed_s,Order_ID\nx,4,3,2,1,9,5,a\n")
    assert (made.order_ids.tolist(), made.placed_s.tolist(), made.dropoff_m.tolist()) == (["a"], [5.0], [[3, 4, 0]])


def test_degrees_are_as_far_apart_as_on_the_globe(tmp_path: Path) -> None:
    heads = "order_id,placed_s,ready_s,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n"
    made = day(
        tmp_path,
        heads + "a,0,1,52.5,13.4,52.6,13.4\nb,0,1,52.5,13.4,52.5,13.6\n",
        "courier_id,on_s,off_s,lat,lon\nc,0,9,52.5,13.4\n",
    )
    north, east = np.linalg.norm(made.dropoff_m - made.pickup_m, axis=1)
    assert north == pytest.approx(11_119.5, rel=1e-4) and east == pytest.approx(13_538.0, rel=1e-3)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("b,x,600,0,0,5,0", "line|row 3.*placed_s.*'x'.*a number"),
        ("b,nan,600,0,0,5,0", "row 3.*placed_s.*finite"),
        ("b,0,inf,0,0,5,0", "row 3.*ready_s.*finite"),
        ("b,-1,600,0,0,5,0", "row 3.*placed_s.*0 or more"),
        ("b,700,600,0,0,5,0", "row 3.*ready_s.*swapped"),
        ("b,0,600,0,0,5", "row 3.*7 fields.*6 came"),
        ("a,0,600,0,0,5,0", "row 3.*order_id.*line 2 has it too"),
        (",0,600,0,0,5,0", "row 3.*order_id.*an id"),
        ("b,0,600,0,0,5e9,0", "row 3.*dropoff_x_m.*within 1000 km"),
    ],
)
def test_wrong_order_is_named_with_its_line_or_left_out_and_told(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(BadRow, match=says):
        day(tmp_path, ORDERS + GOOD + row + "\n")
    kept = day(tmp_path, ORDERS + GOOD + row + "\n", keep_going=True)
    assert kept.order_ids.tolist() == ["a"] and [(r.file, r.line) for r in kept.rejected] == [("orders.csv", 3)]


def test_wrong_rows_beside_the_first_are_counted(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match=r"row 2.*\(1 more wrong rows; --rejects"):
        day(tmp_path, ORDERS + "b,5,1,0,0,0,0\n" + "c,5,1,0,0,0,0\n")


def test_shift_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match=r"row 2.*couriers\.csv: off_s.*swapped"):
        day(tmp_path, ORDERS + GOOD, COURIERS + "c,3600,0,0,0\n")


def test_latitude_beyond_the_pole_is_taken_for_swapped(tmp_path: Path) -> None:
    heads = "order_id,placed_s,ready_s,pickup_lat,pickup_lon,dropoff_lat,dropoff_lon\n"
    with pytest.raises(BadRow, match="swapped"):
        day(tmp_path, heads + "a,0,1,151.2,-33.9,151.2,-33.9\n", "courier_id,on_s,off_s,lat,lon\nc,0,9,-33.9,151.2\n")


@pytest.mark.parametrize(
    ("orders", "couriers", "says"),
    [
        ("", COURIERS + CREW, "heading has 'order_id' not at all"),
        (ORDERS, COURIERS + CREW, "holds no row"),
        (ORDERS + GOOD, COURIERS, "holds no row"),
        (ORDERS.replace("ready_s", "ready"), COURIERS + CREW, "'ready_s' not at all.*nearest: ready"),
        (ORDERS.replace("ready_s", "placed_s"), COURIERS + CREW, "'placed_s' twice"),
        (ORDERS + GOOD, "courier_id,on_s,off_s,lat,lon\nc,0,9,1,1\n", "metres, couriers.csv of degrees"),
        (ORDERS + "a,0,\0,0,0,0,0\n", COURIERS + CREW, "NUL"),
    ],
)
def test_file_that_is_no_day_is_refused(tmp_path: Path, orders: str, couriers: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        day(tmp_path, orders, couriers)


def test_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        read_courier_day(tmp_path / "no.csv", tmp_path / "no.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        read_courier_day(tmp_path / "bytes.csv", tmp_path / "bytes.csv")


cells = st.one_of(st.sampled_from(["", "0", "5", "-1", "nan", "1e999", "x", "a", '"', "0x1", "１", " 7 "]), st.text(max_size=4))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(cells, min_size=5, max_size=8), max_size=6))
def test_whatever_the_rows_hold_each_is_taken_or_told(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    text = ORDERS + GOOD + "".join(",".join(row) + "\n" for row in rows)
    try:
        made = day(tmp_path_factory.mktemp("day"), text, keep_going=True)
    except (BadInput, UnicodeEncodeError):
        return
    numbers = np.concatenate([made.placed_s, made.ready_s, made.pickup_m.ravel(), made.dropoff_m.ravel()])
    assert np.all(np.isfinite(numbers)) and np.all(made.ready_s >= made.placed_s) and np.all(made.placed_s >= 0.0)
    assert len(set(made.order_ids.tolist())) == made.orders
