"""TravelTimes from an OSRM server: its table service over HTTP, asked in tables that fit its limit, within one time for the whole call.

Source:
    OSRM's HTTP API, version 1, "Table service": `GET /table/v1/{profile}/{lon,lat;...}?sources=...&destinations=...`; `durations` in
    seconds, null where there is no way; `code` is `Ok` or names the problem.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy, EngineLost, EngineMissing, known

__all__ = ["OsrmAddress", "OsrmTimes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WANTED = "osrm://host:port/profile, or osrms:// with TLS"
_OPTIONS: Mapping[str, tuple[float, float, float]] = {
    "timeout_s": (2.0, 0.001, 3600.0),
    "max_table": (100.0, 2.0, 10_000.0),
    "reach_m": (1000.0, 1.0, 1e6),
}
"""Option -> default, least and most."""

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_BYTES = 1 << 28
_UNDER_WAY = 4
"""Tables that one call has the server work on at once."""

_NO_SEGMENT = re.compile(r"coordinate (\d+)")


@dataclass(frozen=True, slots=True)
class OsrmAddress:
    """An OSRM URL, read and checked.

    Args:
        server: `http://host:port`.
        profile: `driving`, or the name that the server's graph was given.
        options: `timeout_s` for a whole call (2), `max_table`, the most places in one table (100, as the server's
            `--max-table-size`), and `reach_m`, how far from a road a place may be (1000).

    Example:
        >>> a = OsrmAddress.of("osrm://localhost:5000/driving?timeout_s=0.5")
        >>> a.server, a.profile, a.options["timeout_s"], a.options["max_table"]
        ('http://localhost:5000', 'driving', 0.5, 100.0)
    """

    server: str
    profile: str
    options: Mapping[str, float]

    @classmethod
    def of(cls, url: str) -> OsrmAddress:
        """Read `osrm://host:port/profile?option=number`; `BadInput` tells what is wrong with it."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "osrms" else 5000)
        except ValueError as error:
            raise BadInput(f"the travel URL {url!r} cannot be read ({error}); wanted {_WANTED}.") from None
        profile = parts.path.strip("/") or "driving"
        host = parts.hostname or ""
        fits = parts.scheme in ("osrm", "osrms") and re.fullmatch(r"[\w.:-]+", host) and "@" not in parts.netloc
        if not fits or not re.fullmatch(r"[\w.-]+", profile):
            raise BadInput(f"the travel URL is {url!r}; wanted {_WANTED}.")
        options = {name: default for name, (default, _, _) in _OPTIONS.items()}
        for name, text in parse_qsl(parts.query, keep_blank_values=True):
            options[name] = _option(name, text)
        shown = f"[{host}]" if ":" in host else host
        return cls(f"{'https' if parts.scheme == 'osrms' else 'http'}://{shown}:{port}", profile, options)


class OsrmTimes:
    """Drive times from an OSRM server; safe for several threads.

    Trips are grouped by goal, and goals with all that lead to them are packed into tables of at most `max_table` places, four of them
    under way at a time. The answer does not know the hour: a factor of the hour belongs on top (`rialto.match.travel`).

    What cannot be told is declared: **inf** where no road leads from start to goal, **NaN** where one of them is on no road in reach.

    Args:
        address: Where to, and how.
        clock: Where time comes from.

    Raises:
        EngineMissing: urllib3 is not installed.

    Cost:
        A table holds (places - goals) x goals durations; the server makes all of them.
    """

    def __init__(self, address: OsrmAddress, *, clock: Callable[[], float] = monotonic) -> None:
        try:
            import urllib3
        except ImportError:
            raise EngineMissing("urllib3", "pip install 'rialto[osrm]'") from None
        self.address, self._http, self._clock = address, urllib3, clock
        self._pool: Any = urllib3.PoolManager(maxsize=8, retries=False, headers={"accept": "application/json"})

    @classmethod
    def open(cls, url: str) -> OsrmTimes:
        """An engine for `osrm://host:port/profile`; `BadInput` where the URL is wrong. The server is not asked yet."""
        return cls(OsrmAddress.of(url))

    def seconds(self, start: Floats, goal: Floats, *, at_s: Floats) -> Floats:
        """Seconds for each trip, shape (trips,); inf = no way, NaN = a place on no road; see `TravelTimes.seconds`.

        Raises:
            BadInput: what is no place, other shapes, or `at_s` that is not finite.
            EngineBusy: the server is away, asks to come back later, or did not answer all within `timeout_s`.
            EngineLost: it refuses, or what it answers is no table; its code stands in the text.
        """
        a, b = _places("start", start), _places("goal", goal)
        when = np.asarray(at_s, dtype=np.float64)
        if a.shape != b.shape or when.shape != (len(a),) or not np.isfinite(when).all():
            raise BadInput(f"start {a.shape}, goal {b.shape}, at_s {when.shape}; wanted as many of each, and finite seconds.")
        out = np.zeros(len(a))
        apart = np.flatnonzero((a != b).any(axis=1))  # a place is no way from itself, whatever the server rounds
        until_s = self._clock() + self.address.options["timeout_s"]
        (starts, start_of), (goals, goal_of) = _distinct(a[apart]), _distinct(b[apart])

        def ask(rows: Ints) -> None:
            s, s_at = np.unique(start_of[rows], return_inverse=True)
            g, g_at = np.unique(goal_of[rows], return_inverse=True)
            out[apart[rows]] = self._table(starts[s], goals[g], until_s)[s_at, g_at]

        tables = list(_packed(start_of, goal_of, int(self.address.options["max_table"])))
        if len(tables) == 1:
            ask(tables[0])
        elif tables:
            _at_once(ask, tables)
        return out

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._pool.clear()

    def _table(self, starts: Floats, goals: Floats, until_s: float) -> Floats:
        """Seconds from `starts` to `goals`, (starts, goals); a place that the server finds no road for is left out, and asked no more."""
        out = np.full((len(starts), len(goals)), np.nan)
        s, g = np.arange(len(starts)), np.arange(len(goals))
        while len(s) and len(g):
            status, answer = self._asked(starts[s], goals[g], until_s)
            code = str(answer.get("code", ""))
            if status < 300 and code == "Ok":
                out[np.ix_(s, g)] = self._durations(answer, len(s), len(g))
                return out
            lost = _NO_SEGMENT.search(str(answer.get("message", ""))) if code == "NoSegment" else None
            if lost is None or int(lost[1]) >= len(s) + len(g):
                raise self._failure(status, code, str(answer.get("message", "")))
            at = int(lost[1])
            s, g = (np.delete(s, at), g) if at < len(s) else (s, np.delete(g, at - len(s)))
        return out

    def _asked(self, starts: Floats, goals: Floats, until_s: float) -> tuple[int, dict[str, Any]]:
        """Status and body of one call."""
        places = ";".join(f"{lon:.7f},{lat:.7f}" for lat, lon in np.concatenate((starts, goals)).tolist())
        sources, destinations = (_numbers(0, len(starts)), _numbers(len(starts), len(starts) + len(goals)))
        reach = ";".join([f"{self.address.options['reach_m']:g}"] * (len(starts) + len(goals)))
        url = f"{self.address.server}/table/v1/{self.address.profile}/{places}"
        url += f"?sources={sources}&destinations={destinations}&annotations=duration&generate_hints=false&radiuses={reach}"
        status, body = self._fetched(url, until_s)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return status, cast("dict[str, Any]", answer)
        if status in _BUSY:  # a proxy before the server speaks HTML
            raise EngineBusy(f"{self._where} answers {status}. Try again later.")
        raise EngineLost(f"{self._where} answers {status} {body[:120]!r}; wanted OSRM's JSON. See what runs there.")

    def _fetched(self, url: str, until_s: float) -> tuple[int, bytes]:
        """Status and bytes of an answer; a server that drips them runs out of time like one that is silent, after twice the time at most."""
        errors = self._http.exceptions
        try:
            left_s = self._left(until_s)
            timeout = self._http.Timeout(connect=left_s, read=left_s)
            answer = self._pool.request("GET", url, timeout=timeout, preload_content=False, redirect=False)
            body = bytearray()
            try:
                while part := answer.read1(1 << 16):
                    body += part
                    self._left(until_s)
                    if len(body) > _MOST_BYTES:
                        raise EngineLost(f"{self._where} answers more than {_MOST_BYTES} bytes; wanted a table.")
            except BaseException:
                answer.close()
                raise
            answer.release_conn()
            return int(answer.status), bytes(body)
        except errors.SSLError as error:
            raise EngineLost(f"{self._where} has no certificate to trust: {error}.") from error
        except (errors.HTTPError, OSError) as error:
            plain = re.sub(r"<[^>]*>: |HTTP\w+\([^)]*\): ", "", str(error))
            raise EngineBusy(f"{self._where} gave no answer: {plain}. See that it runs there, and try again.") from error

    def _left(self, until_s: float) -> float:
        left_s = until_s - self._clock()
        if left_s <= 0.0:
            limit_s = self.address.options["timeout_s"]
            raise EngineBusy(f"{self._where} did not answer all within {limit_s:g} s; ask for fewer trips, or raise timeout_s.")
        return left_s

    def _durations(self, answer: Mapping[str, Any], starts: int, goals: int) -> Floats:
        try:
            table = np.array([[np.inf if x is None else float(x) for x in row] for row in answer["durations"]], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise EngineLost(
                f"{self._where} answers Ok without a table of durations ({type(error).__name__}: {error})."
            ) from None
        if table.shape != (starts, goals) or not (table >= 0.0).all():
            least = float(table.min()) if table.size else float("nan")
            raise EngineLost(
                f"{self._where} answers durations {table.shape}, least {least}; wanted {(starts, goals)}, 0 or more."
            )
        return table

    def _failure(self, status: int, code: str, message: str) -> EngineBusy | EngineLost:
        said = f"{self._where} answers {status} {code or '(no code)'}: {message[:300]}"
        if status in _BUSY:
            return EngineBusy(f"{said}. Try again later.")
        if code == "TooBig":
            return EngineLost(f"{said}. Give max_table as large as the server's --max-table-size, or smaller.")
        return EngineLost(f"{said}. Trying again does not help: see the profile's name and the server's log.")

    @property
    def _where(self) -> str:
        return f"OSRM at {self.address.server}, profile {self.address.profile!r}"


def _at_once(ask: Callable[[Ints], None], tables: list[Ints]) -> None:
    """Ask for tables, a few under way at any time; the first that fails ends the call, and what has not begun is not asked."""
    pool = ThreadPoolExecutor(min(_UNDER_WAY, len(tables)), thread_name_prefix="rialto-osrm")
    try:
        for _ in pool.map(ask, tables):
            pass
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _distinct(places: Floats) -> tuple[Floats, Ints]:
    found, of = np.unique(places, axis=0, return_inverse=True)
    return found, of.reshape(-1)  # numpy 2.0 answers a column


def _packed(start_of: Ints, goal_of: Ints, most: int) -> Iterator[Ints]:
    """Rows of tables of at most `most` places, a goal's rows together as far as they fit."""
    order = np.lexsort((start_of, goal_of))
    rows: list[int] = []
    starts: set[int] = set()
    goals: set[int] = set()
    for row, s, g in zip(order.tolist(), start_of[order].tolist(), goal_of[order].tolist()):
        if len(starts) + (s not in starts) + len(goals) + (g not in goals) > most:
            yield np.array(rows)
            rows, starts, goals = [], set(), set()
        rows.append(row)
        starts.add(s)
        goals.add(g)
    if rows:
        yield np.array(rows)


def _numbers(first: int, last: int) -> str:
    return ";".join(map(str, range(first, last)))


def _option(name: str, text: str) -> float:
    if name not in _OPTIONS:
        raise BadInput(f"the travel URL has the option {name!r}; known: {known(name, _OPTIONS)}.")
    _, least, most = _OPTIONS[name]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise BadInput(f"the travel URL has {name}={text!r}; wanted a number from {least:g} to {most:g}.")
    return value


def _places(name: str, values: Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise BadInput(f"{name} has shape {array.shape}; wanted (places, 2): latitude and longitude in degrees.")
    wrong = np.flatnonzero(~(np.abs(array) <= np.array([90.0, 180.0])).all(axis=1))
    if len(wrong):
        at = int(wrong[0])
        raise BadInput(
            f"{name}[{at}] is {array[at].tolist()}; wanted latitude within 90, longitude within 180. Are they swapped?"
        )
    return array
