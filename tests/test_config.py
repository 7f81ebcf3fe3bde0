"""Settings: typed, refused with every problem at once, chosen by URL."""

from pathlib import Path

import pytest

from rialto.config import SCHEMES, Settings, load
from rialto.errors import BadSettings


def test_a_file_and_above_it_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "rialto.toml"
    file.write_text('events = "kafka://localhost:9092/orders"\n[serve]\nport = 9000\n')
    s = load(file, environment={"RIALTO_SERVE__PORT": "9001", "RIALTO_SEED": "5"})
    assert (s.url("events").host, s.serve.port, s.seed) == ("localhost:9092", 9001, 5)


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('event = "x"\ngeo = "mongo://here"\nseed = "many"\n[serve]\nprot = 1\n')
    with pytest.raises(BadSettings) as e:
        load(file, environment={})
    text = str(e.value)
    assert "unknown setting 'event'; known: events" in text
    assert "unknown setting 'serve.prot'; known: port" in text
    assert "setting 'seed': got 'many'" in text
    assert "no engine answers to mongo://; known: grid://" in text


def test_a_file_that_is_not_there_or_not_toml_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read: No such file"):
        load(tmp_path / "none.toml", environment={})
    (tmp_path / "x.toml").write_text("= 1")
    with pytest.raises(BadSettings, match="is not TOML"):
        load(tmp_path / "x.toml", environment={})


def test_every_default_is_an_engine_that_exists() -> None:
    s = Settings()
    assert {port: s.url(port).scheme for port in SCHEMES}.keys() == SCHEMES.keys()


def test_a_url_option_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadSettings, match="wanted a number"):
        Settings(travel="circle://?speed_mps=fast").url("travel").number("speed_mps", 8.0)
