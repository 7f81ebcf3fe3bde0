"""What many tests share: real servers on loopback, and the folder of real data; each skips with its reason where it is absent."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# An example has no deadline: the first one compiles its kernels, and machines are shared.
settings.register_profile("rialto", deadline=None)
settings.load_profile("rialto")

pytest.register_assert_rewrite("rialto.testing")

# Searches in tests go without the sentence encoder, also where it is installed; what tests it asks for it.
os.environ.setdefault("RIALTO_ENCODER", "static://")
os.environ.setdefault("RIALTO_CROSS", "none://")

from rialto.testing import servers  # noqa: E402  (its asserts are rewritten only if imported after the line above)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis of this worker's own, which other tests of the session share: use a prefix."""
    if reason := servers.absent("redis"):
        pytest.skip(reason)
    with servers.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def kafka_address() -> Iterator[str]:
    """Address of a Kafka; mark tests `xdist_group("kafka")`, so that one worker runs them all and one broker starts."""
    if reason := servers.absent("kafka"):
        pytest.skip(reason)
    with servers.kafka_broker() as address:
        yield address


@pytest.fixture(scope="session")
def opensearch_url() -> Iterator[str]:
    """URL of an OpenSearch (`http://`); mark tests `xdist_group("opensearch")`, so that one worker runs them all and one node starts."""
    if reason := servers.absent("opensearch"):
        pytest.skip(reason)
    with servers.opensearch_server() as url:
        yield url


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data, $RIALTO_DATA."""
    folder = Path(os.environ.get("RIALTO_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set RIALTO_DATA to its folder")
    return folder.resolve()
