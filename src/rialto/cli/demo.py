"""`rialto demo` and `rialto serve`: the pages and the API in one process."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from rialto.cli.options import SettingsFile
from rialto.cli.output import out
from rialto.errors import EngineBusy

__all__ = ["demo", "serve"]

Host = Annotated[str | None, typer.Option(help="Address to listen on; the settings' where not given.")]
Port = Annotated[int | None, typer.Option(help="Port; 0 takes a free one; the settings' where not given.", min=0, max=65535)]


def demo(host: Host = None, port: Port = None, settings: SettingsFile = None) -> None:
    """Serve the made-up shop, city and studio, and print where to look."""
    _serve(settings, host, port, catalogue="", greet=True)


def serve(
    catalogue: Annotated[str, typer.Option(help="Catalogue to search; the made-up shop where not given.", metavar="FILE")] = "",
    host: Host = None,
    port: Port = None,
    settings: SettingsFile = None,
) -> None:
    """Serve the pages and the API until Ctrl-C."""
    _serve(settings, host, port, catalogue=catalogue, greet=False)


def _serve(settings: SettingsFile, host: str | None, port: int | None, *, catalogue: str, greet: bool) -> None:
    import uvicorn
    from threadpoolctl import threadpool_limits

    from rialto.app.engines import Engines
    from rialto.app.systems import Systems
    from rialto.config import load
    from rialto.serve.service import create

    chosen = load(settings)
    listening = _listen(host or chosen.serve.host, chosen.serve.port if port is None else port)
    where, number = listening.getsockname()[:2]
    address = f"http://[{where}]:{number}" if ":" in where else f"http://{where}:{number}"
    systems = Systems(Engines(chosen), catalogue=catalogue)
    systems.warm()
    if greet:
        out.print(f"\n[bold]Rialto[/] is at {address}\n")
        out.print(f"  search a shop         {address}/shop")
        out.print(f"  watch drivers matched {address}/city")
        out.print(f"  see a creative chosen {address}/studio\n")
        out.print("[dim]The first start builds the shop and takes some seconds. Ctrl-C ends it.[/]")
    else:
        out.print(f"Serving at {address}")
    server = uvicorn.Server(uvicorn.Config(create(systems), log_level="warning", access_log=False, timeout_graceful_shutdown=5))
    # Each request has a thread. Its small matrices are done sooner by that thread than by several that wait for one another.
    with threadpool_limits(limits=1, user_api="blas"):
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as e:
        made.close()
        raise EngineBusy(f"cannot listen on {host}:{port}: {e.strerror}. Give another --port, or 0 for a free one.") from None
    made.listen(256)
    return made
