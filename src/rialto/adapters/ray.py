"""Workers as actors of a Ray cluster: bytes in, bytes out, each in a process of its own on whichever machine has room."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from time import monotonic, sleep
from typing import Any

from rialto.errors import BadInput, EngineBusy, EngineMissing

__all__ = ["RayHosts"]

_STORE_BYTES = 80_000_000
"""Of a cluster begun here: what goes between workers is parcels, not tables; Ray takes no less."""

_END_S = 10.0


class RayHosts:
    """Starts workers as Ray actors.

    Every actor runs the code that its own machine has installed; nothing of ours is pickled but texts and bytes. Ray's usage report
    to its makers is switched off unless RAY_USAGE_STATS_ENABLED says otherwise.

    Args:
        address: Of a cluster that runs (`auto`, or HOST:PORT); "" = one of this machine's own, which ends with this.
        cpus: Processors of a cluster begun here; 0 = all of them.
        memory_mb: What an actor reserves of a machine's memory, so that Ray puts no more there than fit; 0 = no reservation.
        actor_cpus: What an actor reserves of a machine's processors.

    Raises:
        EngineMissing: Ray is not installed.
        EngineBusy: No cluster answers at the address.
        BadInput: Numbers below 0.
    """

    def __init__(self, *, address: str = "", cpus: int = 0, memory_mb: int = 0, actor_cpus: float = 0.0) -> None:
        if min(cpus, memory_mb, actor_cpus) < 0:
            raise BadInput(f"cpus={cpus}, memory_mb={memory_mb}, actor_cpus={actor_cpus}; wanted numbers of 0 or more.")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the behaviour to come; Ray warns of the old one
        if (
            not address
        ):  # a cluster of this machine's own has no business on the network: without this it listens on every address
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        try:
            import ray
        except ImportError:
            raise EngineMissing("ray", "pip install 'rialto[ray]'") from None
        self._ray = ray
        self._own = not ray.is_initialized()
        if self._own:
            self._begin(address, cpus)
        wants: dict[str, Any] = {"num_cpus": actor_cpus, "max_restarts": 0, "max_task_retries": 0}
        if memory_mb:
            wants["memory"] = memory_mb << 20
        self._actor: Any = ray.remote(_Actor).options(**wants)

    def _begin(self, address: str, cpus: int) -> None:
        ours: dict[str, Any] = {
            "num_cpus": cpus or None, "include_dashboard": False, "object_store_memory": _STORE_BYTES, "_node_ip_address": "127.0.0.1",
        }  # fmt: skip
        try:
            begin: Any = self._ray.init
            begin(**({"address": address} if address else ours), log_to_driver=False, configure_logging=False)
        except (ConnectionError, TimeoutError, OSError, RuntimeError) as e:
            raise EngineBusy(f"no Ray cluster answers at {address or 'this machine'!r}: {str(e)[:300]}") from e

    def start(self, target: str, spec: str) -> RayHost:
        """A worker in an actor of its own; it returns before the worker is made."""
        return RayHost(self._ray, self._actor.remote(target, spec))

    def close(self) -> None:
        """End the cluster, if it was begun here."""
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()


class RayHost:
    """One actor. What is sent is answered in its order; `ConnectionError` where it is gone."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor
        self._sent: deque[Any] = deque()
        self._pid = -1

    @property
    def pid(self) -> int:
        """Its process's number on its machine."""
        if self._pid < 0:
            self._pid = self._got(lambda: self._ray.get(self._actor.pid.remote()))
        return self._pid

    def send(self, body: bytes) -> None:
        """Ask; the answer is waited for by `recv`."""
        self._got(lambda: self._sent.append(self._actor.answer.remote(body)))

    def recv(self) -> bytes:
        """The answer to the oldest question that has none yet."""
        if not self._sent:
            raise ConnectionResetError("nothing was asked of this actor, so no answer will come")
        return self._got(lambda: self._ray.get(self._sent.popleft()))

    def ready(self) -> bool:
        """Whether `recv` would not wait; true too where the actor is gone."""
        return not self._sent or bool(self._ray.wait([self._sent[0]], timeout=0)[0])

    def end(self, *, at_once: bool) -> None:
        """End the actor: after what it was asked, or `at_once`; it returns when its process is gone, or some seconds later."""
        if not at_once:
            with suppress(ConnectionError, self._ray.exceptions.GetTimeoutError):  # it is gone, or hangs: what follows ends it
                self._got(lambda: self._ray.get(self._actor.close.remote(), timeout=_END_S))
        self._ray.kill(self._actor, no_restart=True)
        asked, until = self._actor.answer.remote(b""), monotonic() + _END_S
        while monotonic() < until:  # Ray says that an actor is dead before its process has let go of its files
            if self._ray.wait([asked], timeout=0.1)[0] and not _alive(self._pid):
                return
            sleep(0.01)

    def _got(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.OwnerDiedError) as e:
            raise ConnectionResetError(f"the actor is gone: {str(e)[:300]}") from e


class _Actor:
    """What runs in the actor's process: the worker that `target` names."""

    def __init__(self, target: str, spec: str) -> None:
        module, _, name = target.partition(":")
        self._worker = getattr(import_module(module), name)(spec)

    def answer(self, body: bytes) -> bytes:
        return self._worker.answer(body)

    def pid(self) -> int:
        return os.getpid()

    def close(self) -> None:
        self._worker.close()


def _alive(pid: int) -> bool:
    """Whether a process of this machine runs; False for one elsewhere, or whose number was never asked."""
    if pid < 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
