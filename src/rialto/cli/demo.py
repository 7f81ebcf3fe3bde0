"""`rialto demo` and `rialto serve`: the pages and the API behind one port."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.find_shop import MappingFile
from rialto.cli.options import SettingsFile, with_fleet
from rialto.cli.output import out
from rialto.errors import EngineBusy

if TYPE_CHECKING:
    from rialto.config import Settings

__all__ = ["demo", "listen", "serve"]

Host = Annotated[str | None, typer.Option(help="Address to listen on; the settings' where not given.")]
Workers = Annotated[
    int | None, typer.Option(help="Processes that answer searches; the settings' where not given.", min=1, max=64)
]
Port = Annotated[int | None, typer.Option(help="Port; 0 takes a free one; the settings' where not given.", min=0, max=65535)]


def demo(host: Host = None, port: Port = None, workers: Workers = None, settings: SettingsFile = None) -> None:
    """Serve the made-up shop, city and studio, and print where to look."""
    _serve(settings, host, port, workers=workers, catalogue="", greet=True)


def serve(
    catalogue: Annotated[str, typer.Option(help="Catalogue to search; the made-up shop where not given.", metavar="FILE")] = "",
    mapping: MappingFile = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    fleet: Annotated[
        str,
        typer.Option(
            help="Dispatch a fleet around this place instead of showing a made-up city; over the settings' `fleet`.",
            metavar="LAT,LON",
        ),
    ] = "",
    shards: Annotated[
        int, typer.Option(help="Share the fleet's city among so many processes; over the settings' `shards`.", min=0, max=256)
    ] = 0,
    settings: SettingsFile = None,
) -> None:
    """Serve the pages and the API until Ctrl-C."""
    _serve(settings, host, port, workers=workers, catalogue=catalogue, mapping=mapping, fleet=fleet, shards=shards, greet=False)


def _serve(
    settings: SettingsFile, host: str | None, port: int | None, *, workers: int | None, catalogue: str, greet: bool,
    mapping: Path | None = None, fleet: str = "", shards: int = 0,
) -> None:  # fmt: skip
    from threadpoolctl import threadpool_limits

    from rialto.app.engines import Engines
    from rialto.app.systems import Systems
    from rialto.config import load
    from rialto.serve.many import check, serve_many
    from rialto.serve.service import create
    from rialto.serve.worker import Server, config

    chosen = _with_mapping(with_fleet(load(settings), fleet), mapping)
    if shards:
        chosen = chosen.model_copy(update={"shards": f"process://{shards}"})
    listening = listen(host or chosen.serve.host, chosen.serve.port if port is None else port)
    where, number = listening.getsockname()[:2]
    address = f"http://[{where}]:{number}" if ":" in where else f"http://{where}:{number}"
    systems, many = Systems(Engines(chosen), catalogue=catalogue), workers or chosen.serve.workers
    if many > 1:
        check(systems)
    systems.warm()
    if greet:
        out.print(f"\n[bold]Rialto[/] is at {address}\n")
        out.print(f"  search a shop         {address}/shop")
        out.print(f"  watch drivers matched {address}/city")
        out.print(f"  see a creative chosen {address}/studio\n")
        out.print("[dim]The first start builds the shop and takes some seconds. Ctrl-C ends it.[/]")
    else:
        out.print(f"Serving at {address}")
    # Each request has a thread. Its small matrices are done sooner by that thread than by several that wait for one another.
    with threadpool_limits(limits=1, user_api="blas"):
        if many > 1:
            serve_many(systems, listening, workers=many, catalogue=catalogue)
        else:
            Server(config(create(systems))).run(sockets=[listening])


def _with_mapping(chosen: Settings, mapping: Path | None) -> Settings:
    """The settings with another mapping; a wrong one is told before anything listens."""
    from rialto.find.mapping import read_mapping

    if mapping is None:
        return chosen
    read_mapping(str(mapping))
    return chosen.model_copy(update={"mapping": str(mapping)})


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; `EngineBusy` where the address is taken or not this machine's."""
    # With the protocol named, the event loop sends without delay; else an answer's body waits some 40 ms for the head to be acknowledged.
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as e:
        made.close()
        raise EngineBusy(f"cannot listen on {host}:{port}: {e.strerror}. Give another --port, or 0 for a free one.") from None
    made.listen(256)
    return made
