"""The feature store on Redis: a hash for each entity, whose fields hold the versions of a value; scripts read and write many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, isnan
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy, EngineLost, EngineMissing
from rialto.records import Columns

__all__ = ["RedisStore"]

# A field holds its versions newest first, 16 bytes each: the second it was written at and the value, little-endian doubles.
# KEYS[1] is the prefix, which routes the call; an entity's hash is prefix .. its 8 bytes. `oldest` is a sorted set of the
# entities by the second of their oldest version, so that expiry visits only those that have something to forget.
_READ = """
local prefix, ids, at = KEYS[1], ARGV[1], struct.unpack('<d', ARGV[2])
local sub, unpacked, call, names, out = string.sub, struct.unpack, redis.call, {}, {}
local none, size = struct.pack('<dd', 0 / 0, 0 / 0), 0
for i = 3, #ARGV do names[i - 2] = ARGV[i] end
for e = 1, #ids, 8 do
  local found = call('HMGET', prefix .. sub(ids, e, e + 7), unpack(names))
  for n = 1, #names do
    local versions, value = found[n], none
    if versions then
      if #versions == 16 then
        value = versions
      else
        for v = 1, #versions, 16 do
          if unpacked('<d', versions, v) <= at then value = sub(versions, v, v + 15) break end
        end
      end
    end
    size = size + 1
    out[size] = value
  end
end
return table.concat(out)
"""
_WRITE = """
local prefix, oldest, ids, values, when, depth = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local at, names, width = struct.unpack('<d', when), {}, #ARGV - 4
for i = 5, #ARGV do names[i - 4] = ARGV[i] end
for e = 0, #ids / 8 - 1 do
  local id = string.sub(ids, 8 * e + 1, 8 * e + 8)
  local key, pairs, first = prefix .. id, {}, at
  local found = redis.call('HMGET', key, unpack(names))
  for n = 1, width do
    local place = 8 * (e * width + n - 1) + 1
    local fresh, versions, v = when .. string.sub(values, place, place + 7), found[n] or '', 1
    while v <= #versions and struct.unpack('<d', versions, v) > at do v = v + 16 end
    local tail = v
    if v <= #versions and struct.unpack('<d', versions, v) == at then tail = v + 16 end
    versions = string.sub(versions, 1, v - 1) .. fresh .. string.sub(versions, tail)
    if depth >= 0 then versions = string.sub(versions, 1, 16 * (depth + 1)) end
    pairs[2 * n - 1], pairs[2 * n] = names[n], versions
  end
  redis.call('HSET', key, unpack(pairs))
  redis.call('ZADD', oldest, 'LT', string.format('%.17g', first), id)
end
"""
_EXPIRE = """
local prefix, oldest, before = KEYS[1], KEYS[2], struct.unpack('<d', ARGV[1])
local ids = redis.call('ZRANGEBYSCORE', oldest, '-inf', '(' .. ARGV[2], 'LIMIT', 0, 1000)
for _, id in ipairs(ids) do
  local key, first = prefix .. id, nil
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local versions = all[i + 1]
    local size = #versions
    while size > 0 and struct.unpack('<d', versions, size - 15) < before do size = size - 16 end
    if size == 0 then
      redis.call('HDEL', key, all[i])
    else
      if size < #versions then redis.call('HSET', key, all[i], string.sub(versions, 1, size)) end
      local last = struct.unpack('<d', versions, size - 15)
      if not first or last < first then first = last end
    end
  end
  if first then redis.call('ZADD', oldest, string.format('%.17g', first), id) else redis.call('ZREM', oldest, id) end
end
return #ids
"""
_CELLS_A_CALL = 20_000  # Redis does nothing else while a script runs: some 10 ms
_MOST_NAMES = 3000  # of one call: Lua's `unpack` is bounded


class RedisStore:
    """A `FeatureStore` in Redis 6.2 or later: one round trip for a read of many entities, all versions kept until they expire.

    All keys carry one hash tag, `{prefix}`: in a cluster a store lives on one node, and several stores spread.

    Args:
        url: `redis://host:port/database`, `rediss://` for TLS, or `unix://`; a user and password may stand in it.
        prefix: Names this store among others in the same database.
        depth: Older versions to keep of each value; None keeps all until they expire. A value that is written often and never
            expires wants a bound: a write copies its versions.
        timeout_s: Longest wait for an answer.

    Raises:
        BadInput: The URL is not of that form.
        EngineMissing: redis-py is not installed.
        EngineBusy: No Redis answers there now.
        EngineLost: Redis refuses this user.

    Example:
        >>> RedisStore.open("localhost:6379")
        Traceback (most recent call last):
        rialto.errors.BadInput: the feature store's URL is 'localhost:6379'; wanted redis://host:port/database.
    """

    def __init__(self, url: str, *, prefix: str = "rialto", depth: int | None = None, timeout_s: float = 5.0) -> None:
        if not prefix or "{" in prefix or "}" in prefix:
            raise BadInput(f"prefix is {prefix!r}; wanted a text of one character or more without braces.")
        if (depth is not None and depth < 0) or not timeout_s > 0:
            raise BadInput(
                f"depth is {depth} and timeout_s {timeout_s}; wanted versions, 0 or more or None, and seconds above 0."
            )
        try:
            import redis
        except ImportError:
            raise EngineMissing("redis", "pip install 'rialto[redis]'") from None
        self._redis, self._closed = redis, False
        self._keys = [f"{{{prefix}}}:".encode(), f"{{{prefix}}}oldest".encode()]
        self._depth = -1 if depth is None else depth
        try:
            self._client: Any = redis.Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
        except ValueError:
            raise BadInput(f"the feature store's URL is {_public(url)!r}; wanted redis://host:port/database.") from None
        self._where = f"Redis at {_public(url)}"
        self._shas: dict[str, str] = {}
        try:
            self._asked(self._load)
        except BaseException:
            self._client.close()
            raise

    @classmethod
    def open(cls, url: str, *, depth: int | None = None, timeout_s: float = 5.0) -> RedisStore:
        """Open `redis://host:port/database?prefix=shop`; without a prefix it is `rialto`."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        prefix = query.pop("prefix", "rialto")
        return cls(urlunsplit(parts._replace(query=urlencode(query))), prefix=prefix, depth=depth, timeout_s=timeout_s)

    def write(self, entities: NDArray[np.int64], columns: Columns, *, at_s: float) -> None:
        """Set `columns` (name -> (entities,) float64) as of `at_s`. A NaN clears. An older write never hides a newer one.

        A large write goes in parts of some 20,000 values in one round trip; each part is seen whole or not at all.

        Raises:
            BadInput: A column has another length or no numbers, an entity is no integer, or `at_s` is not finite; nothing was
                written.
            EngineBusy: No answer came in time, or Redis is full: write again, which does no harm if it was written.
            EngineLost: Redis refuses, or the store is closed.
        """
        self._open_or_raise()
        wanted, when = _entities(entities), _second(at_s, "at_s")
        if not isfinite(at_s):
            raise BadInput(f"at_s is {at_s!r}; wanted finite seconds since 1970.")
        names, values = [_name(name) for name in columns], _values(columns, len(wanted))
        step = max(1, _CELLS_A_CALL // max(1, len(names)))
        calls: list[list[Any]] = []
        for row in range(0, len(wanted) if names else 0, step):
            part = slice(row, row + step)
            calls.append([wanted[part].astype(">i8").tobytes(), values[part].tobytes(), when, self._depth, *names])
        self._run(_WRITE, calls)

    def read(self, entities: NDArray[np.int64], names: Sequence[str], *, at_s: float) -> NDArray[np.float64]:
        """Values as of `at_s`, shape (entities, names): the last written at or before `at_s` and not expired; else NaN.

        Raises:
            BadInput: An entity is no integer, a name no text, or `at_s` is NaN.
            EngineBusy: No answer came in time.
            EngineLost: Redis refuses, or the store is closed.

        Cost:
            One round trip; the server looks at entities x names fields, and at the versions newer than `at_s`.
        """
        self._open_or_raise()
        if isinstance(names, str):
            raise BadInput(f"names is the text {names!r}; wanted a sequence of names. For one name pass [{names!r}].")
        wanted, when, fields = _entities(entities), _second(at_s, "at_s"), [_name(name) for name in names]
        _bounded(fields)
        if not fields or not len(wanted):
            return np.empty((len(wanted), len(fields)))
        step = max(1, _CELLS_A_CALL // len(fields))
        ids = [wanted[row : row + step].astype(">i8").tobytes() for row in range(0, len(wanted), step)]
        parts = self._run(_READ, [[part, when, *fields] for part in ids])
        found = np.frombuffer(b"".join(parts), dtype="<f8").reshape(len(wanted), len(fields), 2)
        return np.where(found[..., 0] <= at_s, found[..., 1], np.nan)  # a sole version came back whatever its second

    def expire(self, *, before_s: float) -> None:
        """Forget every value written before `before_s`, a thousand entities a call.

        Raises:
            BadInput: `before_s` is NaN.
            EngineBusy: No answer came in time; some may be forgotten, so call again.
        """
        self._open_or_raise()
        when = _second(before_s, "before_s")
        while self._run(_EXPIRE, [[when, repr(float(before_s))]])[0]:
            pass

    def _load(self) -> None:
        for script in (_READ, _WRITE, _EXPIRE):
            self._shas[script] = str(self._client.script_load(script))

    def _run(self, script: str, calls: Sequence[list[Any]]) -> list[Any]:
        """The answers of `script` to each of `calls`, in one round trip; two where the server was started anew since."""

        def trip() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipe:
                for arguments in calls:
                    pipe.evalsha(self._shas[script], len(self._keys), *self._keys, *arguments)
                return pipe.execute() if calls else []

        def two() -> list[Any]:
            try:
                return trip()
            except self._redis.exceptions.NoScriptError:
                self._load()
                return trip()

        return self._asked(two)

    def _asked(self, call: Callable[[], Any]) -> Any:
        errors = self._redis.exceptions
        try:
            return call()
        except errors.AuthenticationError as error:
            raise EngineLost(f"{self._where} refuses this user: {error}. See user and password.") from error
        except (errors.ConnectionError, errors.TimeoutError) as error:
            raise EngineBusy(f"{self._where} does not answer: {error}. See that it runs there, and try again.") from error
        except errors.RedisError as error:
            busy = isinstance(error, (errors.OutOfMemoryError, errors.ReadOnlyError, errors.TryAgainError))
            kind = EngineBusy if busy else EngineLost
            raise kind(f"{self._where} answers: {error}. {'Try again later.' if busy else 'See its log and version.'}") from error

    def _open_or_raise(self) -> None:
        if self._closed:
            raise EngineLost("the feature store was closed. Open it again.")

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        self._closed = True
        self._client.close()


def _public(url: str) -> str:
    """The URL without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def _entities(entities: Any) -> NDArray[np.int64]:
    found = np.asarray(entities)
    if found.ndim != 1:
        raise BadInput(f"entities has shape {found.shape}; wanted (entities,). For one entity pass np.array([entity]).")
    if found.size and (found.dtype.kind not in "iu" or (found.dtype == np.uint64 and int(found.max()) >= 2**63)):
        raise BadInput(f"entities holds {found.dtype}, among them {found[0]!r}; wanted int64 numbers.")
    return found.astype(np.int64)


def _second(at_s: Any, called: str) -> bytes:
    if not isinstance(at_s, (int, float, np.number)) or isnan(at_s):  # pyright: ignore[reportArgumentType]
        raise BadInput(f"{called} is {at_s!r}; wanted seconds since 1970.")
    return np.array(at_s, dtype="<f8").tobytes()


def _name(name: Any) -> bytes:
    try:
        encoded = name.encode() if isinstance(name, str) else b""
    except UnicodeEncodeError:
        encoded = b""
    if not encoded:
        raise BadInput(f"a feature is called {name!r}; wanted a text of one character or more, without lone surrogates.")
    return encoded


def _values(columns: Columns, rows: int) -> NDArray[np.float64]:
    """The columns side by side, shape (entities, names)."""
    values = np.empty((rows, len(columns)), dtype="<f8")
    for place, (name, column) in enumerate(columns.items()):
        numbers = np.asarray(column)
        if numbers.dtype.kind not in "fiub":
            raise BadInput(f"column {name!r} holds {numbers.dtype}; wanted numbers, NaN where missing.")
        if numbers.shape != (rows,):
            raise BadInput(f"column {name!r} has shape {numbers.shape}; wanted ({rows},), one value for each entity.")
        values[:, place] = numbers
    _bounded(columns)
    return values


def _bounded(names: Any) -> None:
    if len(names) > _MOST_NAMES:
        raise BadInput(f"{len(names)} names in one call; wanted at most {_MOST_NAMES}. Ask in parts.")
