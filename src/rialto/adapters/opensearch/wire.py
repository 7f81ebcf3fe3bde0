"""Calls to OpenSearch over HTTP: the URL read, connections kept, every failure as an error of the port's tree."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost, EngineMissing, known

__all__ = ["Address", "Wire", "failure"]

_WANTED = "opensearch://[user:password@]host:port[,host:port]/index, or opensearchs:// with TLS"
_OPTIONS = ("timeout_s", "write_timeout_s", "shards", "replicas", "verify", "ca", "language")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,199}")
_FORMS = {
    **dict.fromkeys(("timeout_s", "write_timeout_s"), re.compile(r"\d{1,6}(\.\d+)?|\.\d+")),
    **dict.fromkeys(("shards", "replicas"), re.compile(r"\d{1,4}")),
}
_BUSY = frozenset({408, 429, 502, 503, 504})
_NDJSON, _JSON = "application/x-ndjson", "application/json"


@dataclass(frozen=True, slots=True)
class Address:
    """An OpenSearch URL, read and checked.

    Args:
        nodes: `http://host:port` of each node; a call goes to the first that can be reached.
        index: The index, or the beginning of the names of several.
        user: `user:password`, or "".
        options: What stood behind the question mark.

    Example:
        >>> a = Address.of("opensearch://ann:secret@one:9200,two:9200/shop?timeout_s=2")
        >>> a.nodes, a.index, a.number("timeout_s", 5.0)
        (('http://one:9200', 'http://two:9200'), 'shop', 2.0)
        >>> str(a)
        'OpenSearch at http://one:9200,http://two:9200'
    """

    nodes: tuple[str, ...]
    index: str
    user: str
    options: Mapping[str, str]

    @classmethod
    def of(cls, url: str) -> Address:
        """Read `opensearch://host:port/index`; `BadInput` tells what is wrong with it, without its password."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise BadInput(f"the index's URL cannot be read ({error}); wanted {_WANTED}.") from None
        user, _, hosts = parts.netloc.rpartition("@")
        shown = f"{parts.scheme}://{hosts}{parts.path}"
        nodes = [h for h in hosts.split(",") if re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/@\[\]]+)(:\d{1,5})?", h)]
        index = parts.path.strip("/")
        if parts.scheme not in ("opensearch", "opensearchs") or len(nodes) != len(hosts.split(",")):
            raise BadInput(f"the index's URL is {shown!r}; wanted {_WANTED}.")
        if not _NAME.fullmatch(index):
            raise BadInput(f"the index's URL is {shown!r}; wanted {_WANTED}, the index in small letters, digits, '-', '_', '.'.")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name in options:
            if name not in _OPTIONS:
                raise BadInput(f"{shown} has the option {name!r}; known: {known(name, _OPTIONS)}.")
        for name, value in options.items():
            form = _FORMS.get(name)
            if form and value and not (form.fullmatch(value) and float(value) >= (0 if name == "replicas" else 1e-3)):
                raise BadInput(
                    f"{shown} has {name}={value!r}; wanted {'seconds' if name.endswith('timeout_s') else 'a whole number'} above 0."
                )
        scheme = "https" if parts.scheme == "opensearchs" else "http"
        return cls(tuple(f"{scheme}://{h if _ported(h) else h + ':9200'}" for h in nodes), index, unquote(user), options)

    def number(self, name: str, default: float) -> float:
        """The option `name` as a number; `default` where it is not given."""
        return float(self.options.get(name) or default)

    def __str__(self) -> str:
        return f"OpenSearch at {','.join(self.nodes)}"


class Wire:
    """Kept connections to the nodes of one address; safe for several threads.

    urllib3 and not the vendor's client, which brings gRPC, protobuf and requests along for what are six kinds of call here.

    Args:
        address: Where to; its options `timeout_s` (5) and `write_timeout_s` (60) bound each wait for an answer, `verify=no`
            takes any certificate, `ca` names a file of trusted ones.

    Raises:
        EngineMissing: urllib3 is not installed.
    """

    def __init__(self, address: Address) -> None:
        try:
            import urllib3
        except ImportError:
            raise EngineMissing("urllib3", "pip install 'rialto[opensearch]'") from None
        self.address, self._http, self._closed, self._nodes = address, urllib3, False, list(address.nodes)
        self.timeout_s, self._write_timeout_s = address.number("timeout_s", 5.0), address.number("write_timeout_s", 60.0)
        user = {"authorization": f"Basic {b64encode(address.user.encode()).decode()}"} if address.user else {}
        trust: dict[str, Any] = {}
        if address.nodes[0].startswith("https"):
            verified = address.options.get("verify", "yes") != "no"
            trust = {"cert_reqs": "CERT_REQUIRED" if verified else "CERT_NONE", "ca_certs": address.options.get("ca")}
            if not verified:
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._pool: Any = urllib3.PoolManager(num_pools=len(address.nodes), maxsize=16, headers=user, retries=False, **trust)

    def call(self, method: str, path: str, body: Any = None, *, writes: bool = False, absent: bool = False) -> Any:
        """The answer to one call, from JSON.

        Args:
            method, path: As in `PUT`, `/shop`.
            body: Sent as JSON; a list is sent as lines of JSON.
            writes: Waits for `write_timeout_s`.
            absent: None for what is not there, instead of an error.

        Raises:
            EngineBusy: no node answers in time, or it asks to come back later.
            EngineLost: the server refuses, what was asked for is gone, or this index is closed.
        """
        if self._closed:
            raise EngineLost("this index in OpenSearch is closed; open it again.")
        answer = self._sent(method, path, *_encoded(body), self._write_timeout_s if writes else self.timeout_s)
        if answer.status == 404 and absent:
            return None
        try:
            found = json.loads(answer.data) if answer.data else {}
        except ValueError as error:
            found = {"error": repr(answer.data[:200])}  # a proxy before the server speaks HTML
            if answer.status < 300:
                raise EngineLost(f"{self.address} answers {found['error']}; wanted JSON. See what runs there.") from error
        if answer.status >= 300:
            raise failure(f"{self.address}, {method} {path.partition('?')[0]}", answer.status, found)
        return found

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._closed = True
        self._pool.clear()

    def _sent(self, method: str, path: str, body: bytes | None, kind: str, timeout_s: float) -> Any:
        """The answer of the first node that can be reached; a call that may have arrived is not sent twice."""
        errors = self._http.exceptions
        timeout = self._http.Timeout(connect=min(timeout_s, 3.0), read=timeout_s)
        unreached: Exception | None = None
        for node in self._nodes:
            headers = {**self._pool.headers, "content-type": kind}
            try:
                return self._pool.request(method, node + path, body=body, headers=headers, timeout=timeout)
            except (errors.NewConnectionError, errors.ConnectTimeoutError, errors.NameResolutionError) as error:
                unreached = error
                self._nodes = [*(n for n in self._nodes if n != node), node]  # the next call begins with another
            except errors.SSLError as error:
                raise EngineLost(f"{self.address} has no certificate to trust: {error}. Give ca=FILE, or verify=no.") from error
            except (errors.HTTPError, OSError) as error:
                raise EngineBusy(
                    f"{self.address} gave no answer within {timeout_s:g} s: {_plain(error)}. See that it runs there, and try again."
                ) from error
        raise EngineBusy(
            f"{self.address} does not answer: {_plain(unreached)}. See that it runs there, and try again."
        ) from unreached


def failure(where: str, status: int, body: Any) -> EngineError:
    """The error of the port's tree for an answer of OpenSearch with `status` of 300 or more.

    Example:
        >>> type(failure("here", 429, {"error": {"reason": "too many requests"}})).__name__
        'EngineBusy'
    """
    error = cast("dict[str, Any]", body).get("error", body) if isinstance(body, dict) else body
    cause: Any = error
    if isinstance(error, dict):
        roots = cast("Sequence[Any]", error.get("root_cause") or [error])
        cause = f"{roots[0].get('type', '')} {roots[0].get('reason', '')}".strip()
    said = f"{where} answers {status}: {str(cause)[:500]}."
    if status in _BUSY:
        return EngineBusy(f"{said} Try again later.")
    if status in (401, 403):
        return EngineLost(f"{said} It refuses this user: see user and password.")
    return EngineLost(f"{said} Trying again does not help: see its log, or index again.")


def _encoded(body: Any) -> tuple[bytes | None, str]:
    if isinstance(body, list):
        lines = [
            x if isinstance(x, str) else json.dumps(x, ensure_ascii=False, separators=(",", ":")) for x in cast("list[Any]", body)
        ]
        return ("\n".join(lines) + "\n").encode(), _NDJSON
    return (None if body is None else json.dumps(body, ensure_ascii=False).encode()), _JSON


def _ported(host: str) -> bool:
    return bool(re.search(r":\d+$", host))


def _plain(error: Exception | None) -> str:
    """urllib3's texts without the objects that it prints."""
    return re.sub(r"<[^>]*>: |HTTP\w+\([^)]*\): ", "", str(error))
