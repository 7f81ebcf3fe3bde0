from hashlib import sha256

import numpy as np
import pytest

from rialto.adapters.redis import RedisStore
from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.testing import servers
from rialto.testing.store import FeatureStoreExam

pytestmark = pytest.mark.server


def _prefix(folder):
    return sha256(str(folder).encode()).hexdigest()[:20]


class TestRedisStore(FeatureStoreExam):
    @pytest.fixture(autouse=True)
    def _url(self, redis_url):
        self.url = redis_url

    def open(self, folder):
        return RedisStore(self.url, prefix=_prefix(folder))


def test_a_url_may_name_the_prefix_and_stores_of_other_prefixes_are_not_touched(redis_url, tmp_path):
    mine, other = (RedisStore.open(f"{redis_url}?prefix={_prefix(tmp_path)}{i}") for i in range(2))
    for store in (mine, other):
        store.write(np.array([1]), {"a": np.array([1.0])}, at_s=1.0)
    mine.expire(before_s=np.inf)
    assert np.isnan(mine.read(np.array([1]), ["a"], at_s=1.0)).all()
    assert other.read(np.array([1]), ["a"], at_s=1.0).item() == 1.0
    mine.close()
    other.close()


def test_expiry_leaves_no_key_behind(redis_url, tmp_path):
    import redis

    store = RedisStore(redis_url, prefix=_prefix(tmp_path))
    store.write(np.arange(2500), {"a": np.arange(2500.0)}, at_s=-1.5)
    store.expire(before_s=-1.5)
    assert not np.isnan(store.read(np.arange(2500), ["a"], at_s=0.0)).any()
    store.expire(before_s=-1.25)
    with redis.Redis.from_url(redis_url) as client:
        assert list(client.scan_iter(f"{{{_prefix(tmp_path)}}}*")) == []
    store.close()


def test_a_bounded_history_forgets_the_oldest_and_never_answers_with_another_value(redis_url, tmp_path):
    store = RedisStore(redis_url, prefix=_prefix(tmp_path), depth=1)
    for second in (1.0, 2.0, 3.0):
        store.write(np.array([1]), {"a": np.array([second])}, at_s=second)
    read = [store.read(np.array([1]), ["a"], at_s=at_s).item() for at_s in (1.0, 2.0, 3.0)]
    np.testing.assert_array_equal(read, [np.nan, 2.0, 3.0])
    store.close()


def test_a_server_that_is_not_there_is_busy_and_named_without_its_password():
    with pytest.raises(EngineBusy, match=r"Redis at redis://127\.0\.0\.1:1/0 does not answer.*See that it runs") as caught:
        RedisStore("redis://ann:secret@127.0.0.1:1/0")
    assert "secret" not in str(caught.value)


def test_a_server_that_goes_away_is_busy_and_one_of_another_address_is_not_touched(tmp_path):
    if reason := servers.absent("redis"):
        pytest.skip(reason)
    with servers.redis_server() as url:
        store = RedisStore(url)
        store.write(np.array([1]), {"a": np.array([1.0])}, at_s=1.0)
    with pytest.raises(EngineBusy, match="does not answer"):
        store.read(np.array([1]), ["a"], at_s=1.0)
    store.close()


def test_a_server_that_forgot_the_scripts_is_given_them_again(redis_url, tmp_path):
    import redis

    store = RedisStore(redis_url, prefix=_prefix(tmp_path))
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    store.write(np.array([1]), {"a": np.array([1.0])}, at_s=1.0)
    assert store.read(np.array([1]), ["a"], at_s=1.0).item() == 1.0
    store.close()


def test_a_read_of_a_thousand_entities_and_twenty_names_is_one_call(redis_url, tmp_path):
    import redis

    store = RedisStore(redis_url, prefix=_prefix(tmp_path))
    store.read(np.arange(1000), [f"f{i}" for i in range(20)], at_s=1.0)
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        store.read(np.arange(1000), [f"f{i}" for i in range(20)], at_s=1.0)
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 1
    store.close()


def test_a_full_server_is_busy_and_writes_nothing(tmp_path):
    if reason := servers.absent("redis"):
        pytest.skip(reason)
    import redis

    with servers.redis_server() as url, redis.Redis.from_url(url) as client:
        store = RedisStore(url)
        client.config_set("maxmemory", "1mb")
        with pytest.raises(EngineBusy, match="Try again later"):
            store.write(np.array([1]), {"a": np.array([1.0])}, at_s=1.0)
        client.config_set("maxmemory", "0")
        assert np.isnan(store.read(np.array([1]), ["a"], at_s=1.0)).all()
        store.close()


def test_a_server_that_asks_for_a_password_is_lost(tmp_path):
    if reason := servers.absent("redis"):
        pytest.skip(reason)
    import redis

    with servers.redis_server() as url, redis.Redis.from_url(url) as client:
        client.config_set("requirepass", "secret")
        with pytest.raises(EngineLost, match="See user and password"):
            RedisStore(url)
        with pytest.raises(EngineLost, match="See user and password"):
            RedisStore(url.replace("//", "//:wrong@"))
        RedisStore(url.replace("//", "//:secret@")).close()


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://127.0.0.1:1", "redis://127.0.0.1:port/0"])
def test_a_url_of_another_form_is_refused(url):
    with pytest.raises(BadInput, match="wanted redis://host:port/database"):
        RedisStore(url)


def test_settings_without_sense_are_refused():
    for wrong in ({"prefix": ""}, {"prefix": "a{b"}, {"depth": -1}, {"timeout_s": 0.0}):
        with pytest.raises(BadInput, match="wanted"):
            RedisStore("redis://127.0.0.1:1/0", **wrong)


def test_too_many_names_for_one_call_are_refused(redis_url, tmp_path):
    store = RedisStore(redis_url, prefix=_prefix(tmp_path))
    with pytest.raises(BadInput, match="at most 3000"):
        store.read(np.array([1]), [f"f{i}" for i in range(3001)], at_s=1.0)
    store.write(np.array([1]), {f"f{i}": np.array([float(i)]) for i in range(3000)}, at_s=1.0)
    assert store.read(np.array([1]), [f"f{i}" for i in range(3000)], at_s=1.0).sum() == 4498500.0
    store.close()
