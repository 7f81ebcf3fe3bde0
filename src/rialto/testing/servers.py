"""Real servers on loopback for tests, each on a free port in a temporary folder; they answer when handed over, and end.

    with redis_server() as url:
        store = RedisStore.open(url)

`absent("redis")` says why a server cannot be started here, for a test's skip; None where it can.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Signal
from time import monotonic
from urllib.request import urlopen

from rialto.errors import BadInput, EngineLost, EngineMissing, known

__all__ = ["absent", "kafka_broker", "kafka_jars", "opensearch_jars", "opensearch_server", "redis_server"]

_KAFKA_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


def kafka_jars() -> Path:
    """The folder with Kafka's jars: $RIALTO_KAFKA_JARS, else `var/kafka` below the working directory."""
    return Path(os.environ.get("RIALTO_KAFKA_JARS", "var/kafka"))


def opensearch_jars() -> Path:
    """The folder with OpenSearch's jars: $RIALTO_OPENSEARCH_JARS, else `var/opensearch` below the working directory."""
    return Path(os.environ.get("RIALTO_OPENSEARCH_JARS", "var/opensearch"))


def absent(name: str) -> str | None:
    """Why the server called `name` cannot be started here, or None where it can.

    Raises:
        BadInput: No such server is known here.

    Example:
        >>> absent("redys")
        Traceback (most recent call last):
        rialto.errors.BadInput: there is no test server 'redys'; known: redis, opensearch, kafka.
    """
    if name == "redis":
        return None if shutil.which("redis-server") else "redis-server is not installed: apt-get install redis-server"
    if name == "kafka":
        if not shutil.which("java"):
            return "java is not installed: apt-get install openjdk-17-jre-headless"
        return (
            None if any(kafka_jars().glob("kafka_2.13-*.jar")) else f"no Kafka jars in {kafka_jars()}: sh deploy/kafka/fetch.sh"
        )
    if name == "opensearch":
        if not (opensearch_jars() / ".complete").is_file():
            return f"no OpenSearch jars in {opensearch_jars()}: sh deploy/opensearch/fetch.sh"
        wanted = _opensearch_java()
        return None if _java(wanted) else f"no Java {wanted} or later is installed: apt-get install default-jdk-headless"
    raise BadInput(f"there is no test server {name!r}; known: {known(name, ['kafka', 'opensearch', 'redis'])}.")


@contextmanager
def redis_server() -> Generator[str]:
    """A Redis that keeps nothing on disk; yields `redis://127.0.0.1:PORT/0`."""
    _wanted("redis")
    port = _free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with TemporaryDirectory(prefix="rialto-redis-") as folder, _running(command, Path(folder), lambda: _pongs(port), 20.0):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def kafka_broker() -> Generator[str]:
    """A Kafka of one node (KRaft); yields its bootstrap address, `127.0.0.1:PORT`. Up in about 5 s."""
    _wanted("kafka")
    port, controller = _free_port(), _free_port()
    with TemporaryDirectory(prefix="rialto-kafka-") as name:
        folder = Path(name)
        config = folder / "server.properties"
        config.write_text(_KAFKA_CONFIG.format(port=port, controller=controller, folder=folder))
        java = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{kafka_jars().resolve()}/*"]
        storage = [*java, "kafka.tools.StorageTool"]
        cluster = _output([*storage, "random-uuid"], folder).split()[-1]
        _output([*storage, "format", "-t", cluster, "-c", str(config)], folder)
        with _running([*java, "kafka.Kafka", str(config)], folder, lambda: _accepts(port), 60.0):
            yield f"127.0.0.1:{port}"


@contextmanager
def opensearch_server(*, heap_mb: int = 1024, lasting: bool = False) -> Generator[str]:
    """An OpenSearch of one node with the k-NN plugin; yields `http://127.0.0.1:PORT`. Up in about 6 s.

    Args:
        heap_mb: Java's heap.
        lasting: Compile what runs often with all that Java can: starts slower and serves faster, for measuring.
    """
    _wanted("opensearch")
    port, transport = _free_port(), _free_port()
    jars = opensearch_jars().resolve()
    with TemporaryDirectory(prefix="rialto-opensearch-", ignore_cleanup_errors=True) as name:
        java = [str(_java(_opensearch_java())), f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m"]
        java += [] if lasting else ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        node = ["-cp", f"{jars}/*:{jars}/classes", "Node", name, str(port), str(transport)]
        with _running([*java, *node], Path(name), lambda: _ready(port), 120.0):
            yield f"http://127.0.0.1:{port}"


def _opensearch_java() -> int:
    """The least Java that the OpenSearch at hand runs on."""
    release = (opensearch_jars() / ".complete").read_text().partition(".")[0]
    return 21 if int(release) >= 3 else 17


def _java(least: int) -> Path | None:
    """The oldest Java here that is `least` or later, as its version files say; None where there is none."""
    on_path = shutil.which("java")
    homes = [Path(os.environ.get("JAVA_HOME", "/nowhere")), *Path("/usr/lib/jvm").glob("*")]
    homes += [Path(on_path).resolve().parents[1]] if on_path else []
    found: list[tuple[int, Path]] = []
    for home in homes:
        about = home / "release"
        line = re.search(r'^JAVA_VERSION="(\d+)', about.read_text(), re.MULTILINE) if about.is_file() else None
        if line and int(line[1]) >= least and (home / "bin" / "java").exists():
            found.append((int(line[1]), home / "bin" / "java"))
    return min(found)[1] if found else None


def _wanted(name: str) -> None:
    if reason := absent(name):
        raise EngineMissing(f"the test server {name}", reason.partition(": ")[2])


def _output(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise EngineLost(f"{' '.join(command[-4:])} ended with {done.returncode}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


@contextmanager
def _running(command: Sequence[str], folder: Path, ready: Callable[[], bool], within_s: float) -> Generator[None]:
    # Where setpriv is at hand the kernel ends the server with us, even when we are killed.
    tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    log = folder / "server.out"
    with log.open("wb") as out:
        server = subprocess.Popen([*tied, *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _await(server, ready, within_s, log)
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(server: subprocess.Popen[bytes], ready: Callable[[], bool], within_s: float, log: Path) -> None:
    until = monotonic() + within_s
    while not ready():
        if server.poll() is not None or monotonic() > until:
            state = "still silent" if server.returncode is None else f"ended with {server.returncode}"
            raise EngineLost(f"the test server did not answer within {within_s:.0f} s ({state}): {log.read_text()[-2000:]}")
        Signal().wait(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def _ready(port: int) -> bool:
    """True where an OpenSearch answers at `port` and has its cluster state."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/_cluster/health", timeout=5.0) as answer:
            return b'"discovered_cluster_manager":true' in answer.read()
    except OSError:
        return False


def _pongs(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as wire:
            wire.sendall(b"PING\r\n")
            return wire.recv(16).startswith(b"+PONG")
    except OSError:
        return False
