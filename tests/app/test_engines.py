"""Settings choose engines by URL, and a system does not notice which."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.config import Settings
from rialto.errors import BadSettings, EngineError, EngineMissing
from rialto.spine.log import DecisionLog, Feedback


def use(engines: Engines) -> tuple[list[float], int]:
    """Write and read through whatever the settings named."""
    store, log = engines.features(), DecisionLog(engines.events())
    store.write(np.array([7]), {"clicks": np.array([3.0])}, at_s=10.0)
    log.write_feedback([Feedback("click", 5, 7, 1.0, 11.0)])
    return store.read(np.array([7, 8]), ["clicks"], at_s=20.0).ravel().tolist(), len(list(log.feedback()))


def test_local_engines_need_nothing(tmp_path: Path) -> None:
    engines = Engines(Settings(home=tmp_path, features="local://"))
    (known, missing), events = use(engines)
    engines.close()
    assert (known, events) == (3.0, 1)
    assert np.isnan(missing)
    (again, _), events = use(Engines(Settings(home=tmp_path, features="local://")))
    assert (again, events) == (3.0, 1), "what was written is there again, and the repeated event is read once"


@pytest.mark.server
@pytest.mark.xdist_group("kafka")
def test_kafka_and_redis_by_url(tmp_path: Path, kafka_address: str, redis_url: str) -> None:
    settings = Settings(home=tmp_path, events=f"kafka://{kafka_address}/by-url", features=f"{redis_url}?prefix=by-url")
    engines = Engines(settings)
    (known, _), events = use(engines)
    engines.close()
    assert (known, events) == (3.0, 1)


def test_a_missing_client_library_answers_with_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(EngineMissing, match=r"pip install 'rialto\[kafka\]'"):
        Engines(Settings(home=tmp_path, events="kafka://localhost:1/x")).events()


def test_a_server_that_is_not_there_is_an_engine_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:1"):
        use(Engines(Settings(home=tmp_path, features="redis://127.0.0.1:1/0")))


def test_params_of_the_settings_are_checked_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as e:
        Engines(Settings(home=tmp_path, params={"find.decide.size": -1, "find.nothing": 2}))
    assert len(e.value.problems) == 2
