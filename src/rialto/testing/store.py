"""The exam of the `FeatureStore` port: what every engine of a feature store must do, as tests to inherit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineLost
from rialto.ports import FeatureStore
from rialto.testing.gaps import Exam

__all__ = ["FeatureStoreExam", "VersionsByHand"]

_NAMES = ["clicks", "price", "naïve"]
_SECONDS = [-5.0, 0.0, 1.0, 2.5, 1e9]


class VersionsByHand:
    """The law of a feature store in the plainest words: every version in a dictionary, searched through on every read.

    Example:
        >>> model = VersionsByHand()
        >>> model.write(np.array([7]), {"clicks": np.array([2.0])}, at_s=10.0)
        >>> model.read(np.array([7]), ["clicks", "views"], at_s=10.0).tolist()
        [[2.0, nan]]
    """

    def __init__(self) -> None:
        self._versions: dict[tuple[int, str], dict[float, float]] = {}

    def write(self, entities: NDArray[np.int64], columns: dict[str, NDArray[np.float64]], *, at_s: float) -> None:
        """Keep each value under the second it was written at; the same second again replaces."""
        for name, values in columns.items():
            for entity, value in zip(entities.tolist(), values.tolist()):
                self._versions.setdefault((entity, name), {})[at_s] = value

    def read(self, entities: NDArray[np.int64], names: list[str], *, at_s: float) -> NDArray[np.float64]:
        """The version with the largest second not above `at_s`, or NaN."""
        return np.array([[self._one(e, n, at_s) for n in names] for e in entities.tolist()]).reshape(len(entities), len(names))

    def _one(self, entity: int, name: str, at_s: float) -> float:
        known = [(second, value) for second, value in self._versions.get((entity, name), {}).items() if second <= at_s]
        return max(known)[1] if known else float("nan")

    def expire(self, *, before_s: float) -> None:
        """Drop every version with a second below `before_s`."""
        for cell, known in self._versions.items():
            self._versions[cell] = {second: value for second, value in known.items() if second >= before_s}


def _steps() -> st.SearchStrategy[list[tuple[Any, ...]]]:
    ids = st.lists(st.integers(-2, 3), max_size=5)
    value = st.sampled_from([float("nan"), 0.0, -0.0, 1.0, -2.5, float("inf")])
    written = ids.flatmap(
        lambda few: st.tuples(
            st.just("write"),
            st.just(few),
            st.dictionaries(st.sampled_from(_NAMES), st.lists(value, min_size=len(few), max_size=len(few))),
            st.sampled_from(_SECONDS),
        )
    )
    return st.lists(st.one_of(written, written, written, st.tuples(st.just("expire"), st.sampled_from(_SECONDS))), max_size=12)


class FeatureStoreExam(Exam):
    """Inherit, and say how to open the engine; the same folder must give the same store.

        class TestMyStore(FeatureStoreExam):
            def open(self, folder):
                return MyStore(folder)

    A slow engine may lower `examples`.
    """

    examples: ClassVar[int] = 100

    def open(self, folder: Path) -> FeatureStore:
        """Open the store that belongs to `folder`, an empty folder at first; a remote engine takes its name for a prefix."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[FeatureStore]:
        """An empty store."""
        store = self.open(tmp_path / "store")
        yield store
        store.close()

    def test_it_is_a_feature_store(self, store: FeatureStore) -> None:
        assert isinstance(store, FeatureStore)

    def test_what_was_never_written_is_nan_and_not_0(self, store: FeatureStore) -> None:
        store.write(_ids(1), {"a": _numbers(0.0)}, at_s=1.0)
        assert_array_equal(store.read(_ids(1, 2), ["a", "b"], at_s=9.0), [[0.0, np.nan], [np.nan, np.nan]])

    def test_the_last_value_written_at_or_before_the_time_is_read(self, store: FeatureStore) -> None:
        for second in (10.0, 20.0, 30.0):
            store.write(_ids(1), {"a": _numbers(second)}, at_s=second)
        read = [store.read(_ids(1), ["a"], at_s=at_s).item() for at_s in (9.9, 10.0, 19.9, 20.0, 29.9, 30.0, np.inf)]
        assert_array_equal(read, [np.nan, 10.0, 10.0, 20.0, 20.0, 30.0, 30.0])

    def test_an_older_write_never_hides_a_newer_one_and_is_read_in_its_time(self, store: FeatureStore) -> None:
        for second in (30.0, 10.0, 20.0):
            store.write(_ids(1), {"a": _numbers(second)}, at_s=second)
        assert [store.read(_ids(1), ["a"], at_s=at_s).item() for at_s in (10.0, 25.0, 35.0)] == [10.0, 20.0, 30.0]

    def test_nan_clears_from_its_time_on(self, store: FeatureStore) -> None:
        store.write(_ids(1, 2), {"a": _numbers(5.0, 6.0)}, at_s=1.0)
        store.write(_ids(1, 2), {"a": _numbers(np.nan, 7.0)}, at_s=2.0)
        assert_array_equal(store.read(_ids(1, 2), ["a"], at_s=2.0), [[np.nan], [7.0]])
        assert_array_equal(store.read(_ids(1, 2), ["a"], at_s=1.0), [[5.0], [6.0]])

    def test_of_two_writes_as_of_one_second_the_later_wins(self, store: FeatureStore) -> None:
        store.write(_ids(1), {"a": _numbers(5.0)}, at_s=1.0)
        store.write(_ids(1, 1), {"a": _numbers(6.0, 7.0)}, at_s=1.0)
        assert store.read(_ids(1), ["a"], at_s=1.0).item() == 7.0

    def test_expiry_forgets_what_was_written_before_and_nothing_else(self, store: FeatureStore) -> None:
        for second in (1.0, 2.0, 3.0):
            store.write(_ids(1), {"a": _numbers(second)}, at_s=second)
        store.write(_ids(2), {"a": _numbers(9.0)}, at_s=1.0)
        store.expire(before_s=2.0)
        assert_array_equal([store.read(_ids(1), ["a"], at_s=s).item() for s in (1.0, 2.0, 3.0)], [np.nan, 2.0, 3.0])
        assert_array_equal(store.read(_ids(2), ["a"], at_s=9.0), [[np.nan]])
        store.write(_ids(2), {"a": _numbers(8.0)}, at_s=4.0)
        assert store.read(_ids(2), ["a"], at_s=9.0).item() == 8.0

    def test_everything_may_expire(self, store: FeatureStore) -> None:
        store.write(_ids(*range(100)), {"a": np.arange(100.0)}, at_s=1.0)
        store.expire(before_s=np.inf)
        assert np.isnan(store.read(_ids(*range(100)), ["a"], at_s=np.inf)).all()

    def test_rows_and_columns_come_back_in_the_order_asked_for_repeats_included(self, store: FeatureStore) -> None:
        store.write(_ids(1, 2), {"a": _numbers(1.0, 2.0), "b": _numbers(10.0, 20.0)}, at_s=1.0)
        assert_array_equal(store.read(_ids(2, 1, 2), ["b", "a", "b"], at_s=1.0), [[20, 2, 20], [10, 1, 10], [20, 2, 20]])

    def test_any_int64_is_an_entity_and_any_number_a_value(self, store: FeatureStore) -> None:
        entities = np.array([-(2**63), 2**63 - 1, 0, -1, 2**53 + 1, 2**53], dtype=np.int64)
        values = np.array([np.inf, -np.inf, -0.0, 5e-324, 1.7e308, 0.1])
        store.write(entities, {"a": values}, at_s=1.0)
        read = store.read(entities, ["a"], at_s=1.0)[:, 0]
        assert read.dtype == np.float64
        assert_array_equal(read.view(np.int64), values.view(np.int64))

    def test_a_thousand_entities_and_fifty_names_are_one_read(self, store: FeatureStore) -> None:
        entities = np.arange(1000, dtype=np.int64) * 7919 - 4000
        values = np.arange(50_000.0).reshape(1000, 50)
        names = [f"f{i}" for i in range(50)]
        store.write(entities, {name: values[:, i] for i, name in enumerate(names)}, at_s=1.0)
        assert_array_equal(store.read(entities, names, at_s=2.0), values)

    def test_nothing_asked_for_is_nothing_read(self, store: FeatureStore) -> None:
        store.write(_ids(), {"a": _numbers()}, at_s=1.0)
        store.write(_ids(1), {}, at_s=1.0)
        assert store.read(_ids(), ["a"], at_s=1.0).shape == (0, 1)
        assert store.read(_ids(1, 2), [], at_s=1.0).shape == (2, 0)

    def test_whatever_was_written_and_expired_it_reads_as_by_hand(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        everyone = np.arange(-3, 5)

        @settings(max_examples=self.examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
        @given(_steps())
        def law(steps: list[tuple[Any, ...]]) -> None:
            store, model = self.open(tmp_path_factory.mktemp("store")), VersionsByHand()
            for verb, *arguments in steps:
                for each in (store, model):
                    _do(each, verb, arguments)
            for at_s in (-6.0, *_SECONDS):
                assert_array_equal(store.read(everyone, _NAMES, at_s=at_s), model.read(everyone, _NAMES, at_s=at_s))
            store.close()

        law()

    @pytest.mark.parametrize(
        ("entities", "columns", "at_s"),
        [
            (np.array([1, 2]), {"a": np.array([1.0])}, 1.0),
            (np.array([[1]]), {"a": np.array([[1.0]])}, 1.0),
            (np.array([1.5]), {"a": np.array([1.0])}, 1.0),
            (np.array(["x"]), {"a": np.array([1.0])}, 1.0),
            (np.array([2**63], dtype=np.uint64), {"a": np.array([1.0])}, 1.0),
            (np.array([1]), {"a": np.array(["x"])}, 1.0),
            (np.array([1]), {"a": np.array([None])}, 1.0),
            (np.array([1]), {"": np.array([1.0])}, 1.0),
            (np.array([1]), {"\ud800": np.array([1.0])}, 1.0),
            (np.array([1]), {3: np.array([1.0])}, 1.0),
            (np.array([1]), {"a": np.array([1.0])}, np.nan),
            (np.array([1]), {"a": np.array([1.0])}, np.inf),
            (np.array([1]), {"a": np.array([1.0])}, None),
        ],
    )
    def test_a_wrong_write_is_refused_and_writes_nothing(
        self, store: FeatureStore, entities: Any, columns: Any, at_s: Any
    ) -> None:
        with pytest.raises(BadInput, match="wanted"):
            store.write(entities, {"before": np.zeros(np.shape(entities)), **columns}, at_s=at_s)
        assert np.isnan(store.read(_ids(1, 2), ["before", "a"], at_s=np.inf)).all()

    def test_a_wrong_read_is_refused(self, store: FeatureStore) -> None:
        for entities, names, at_s in [
            (_ids(1), "clicks", 1.0),
            (_ids(1), [""], 1.0),
            (_ids(1), ["a"], np.nan),
            (_numbers(1.0), ["a"], 1.0),
        ]:
            with pytest.raises(BadInput, match="wanted"):
                store.read(entities, names, at_s=at_s)  # pyright: ignore[reportArgumentType]
        with pytest.raises(BadInput, match="wanted"):
            store.expire(before_s=np.nan)

    def test_several_threads_write_and_read(self, store: FeatureStore) -> None:
        def work(mine: int) -> None:
            for second in range(30):
                store.write(_ids(mine, mine + 100), {f"f{mine}": _numbers(second, second)}, at_s=float(second))
                assert store.read(_ids(mine), [f"f{mine}"], at_s=float(second)).item() == second

        threads = [Thread(target=work, args=(mine,)) for mine in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        read = store.read(_ids(0, 1, 2, 3), [f"f{mine}" for mine in range(4)], at_s=29.0)
        assert_array_equal(np.diag(read), [29.0] * 4)

    def test_a_store_opened_again_holds_what_was_written(self, tmp_path: Path) -> None:
        store = self.open(tmp_path / "store")
        for second in (1.0, 2.0, 3.0):
            store.write(_ids(1, 2), {"a": _numbers(second, -second)}, at_s=second)
        store.expire(before_s=2.0)
        store.close()
        again = self.open(tmp_path / "store")
        for at_s, wanted in [(1.0, np.nan), (2.0, 2.0), (3.0, 3.0)]:
            assert_array_equal(again.read(_ids(1, 2), ["a"], at_s=at_s), [[wanted], [-wanted]])
        again.close()

    def test_closing_twice_is_harmless_and_a_closed_store_says_so(self, store: FeatureStore) -> None:
        store.close()
        store.close()
        with pytest.raises(EngineLost, match="closed"):
            store.write(_ids(1), {"a": _numbers(1.0)}, at_s=1.0)
        with pytest.raises(EngineLost, match="closed"):
            store.read(_ids(1), ["a"], at_s=1.0)


def _ids(*entities: int) -> NDArray[np.int64]:
    return np.array(entities, dtype=np.int64)


def _numbers(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _do(store: Any, verb: str, arguments: list[Any]) -> None:
    if verb == "expire":
        store.expire(before_s=arguments[0])
    else:
        entities, columns, at_s = arguments
        store.write(_ids(*entities), {name: _numbers(*values) for name, values in columns.items()}, at_s=at_s)
