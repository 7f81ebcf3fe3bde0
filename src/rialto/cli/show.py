"""`rialto show`: compose creatives from a brief, check them, render them, explain a choice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, progress, table
from rialto.errors import BadInput

if TYPE_CHECKING:
    from rialto.show.records import BrandKit, Brief, Creative, Product, Verdict

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Creatives: which text, image and layout goes in this place?")

BriefFile = Annotated[Path | None, typer.Option("--brief", help="Brief, JSON; a made-up one where not given.", metavar="FILE")]
KitFile = Annotated[Path | None, typer.Option("--kit", help="Brand kit, JSON; a made-up one where not given.", metavar="FILE")]
Luma = Annotated[Path | None, typer.Option(help="Folder with products.csv and images/.", metavar="FOLDER")]
ProductName = Annotated[str, typer.Option("--product", help="A part of the product's title in the luma folder.")]
Variants = Annotated[int, typer.Option(help="Creatives for each surface, at most.", min=1, max=48)]


def _parts(brief: Path | None, kit: Path | None, luma: Path | None, product: str, seed: int) -> tuple[Brief, BrandKit, Product]:
    from dataclasses import replace

    from rialto.app.studio import luma_product, made_up
    from rialto.show.read import read_brief, read_kit

    made_brief, made_kit, made_product = made_up(seed=seed)
    chosen = luma_product(luma, product) if luma is not None else made_product
    asked = read_brief(_text(brief)) if brief is not None else replace(made_brief, products=(chosen.id,))
    return asked, read_kit(_text(kit)) if kit is not None else made_kit, chosen


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"file {str(path)!r} cannot be read as text: {e}.") from None


@app.command()
def compose(
    brief: BriefFile = None, kit: KitFile = None, luma: Luma = None, product: ProductName = "", variants: Variants = 4,
    seed: Seed = 0, as_json: AsJson = False, settings: SettingsFile = None,
) -> None:  # fmt: skip
    """Write copy from catalogue facts and lay it out for every surface of the brief."""
    from rialto.app.studio import open_studio

    with opened(settings) as engines:
        creatives = open_studio(engines).compose(*_parts(brief, kit, luma, product, seed), variants=variants, seed=seed)
    if as_json:
        json_out([_told(c) for c in creatives])
        return
    rows = [(c.surface, c.layout, c.theme, c.copy.get("headline", ""), c.copy.get("call_to_action", "")) for c in creatives]
    out.print(table(f"{len(creatives)} creatives", ("surface", "layout", "theme", "headline", "call to action"), rows))


def _told(c: Creative) -> dict[str, Any]:
    return {"id": str(c.id), "surface": c.surface, "layout": c.layout, "theme": c.theme, "locale": c.locale, "copy": dict(c.copy),
            "product": c.product_id, "fact_version": c.fact_version}  # fmt: skip


@app.command()
def check(
    brief: BriefFile = None, kit: KitFile = None, luma: Luma = None, product: ProductName = "", variants: Variants = 2,
    price_cents: Annotated[int | None, typer.Option(help="Check against this price: what if the catalogue changes it?")] = None,
    seed: Seed = 0, as_json: AsJson = False, settings: SettingsFile = None,
) -> None:  # fmt: skip
    """Put every creative before every gate and print what each says."""
    from rialto.app.studio import open_studio
    from rialto.show.read import at_price

    asked, brand, chosen = _parts(brief, kit, luma, product, seed)
    now = chosen if price_cents is None else at_price(chosen, price_cents)
    with opened(settings) as engines:
        studio = open_studio(engines)
        creatives = studio.compose(asked, brand, chosen, variants=variants, seed=seed)
        verdicts = {c.id: studio.check(c, product=now) for c in creatives}
    if as_json:
        json_out([{**_told(c), "verdicts": verdicts[c.id]} for c in creatives])
    else:
        for c in creatives:
            _print_gates(c, verdicts[c.id])
    if not all(v.passed for vs in verdicts.values() for v in vs):
        raise typer.Exit(1)


def _print_gates(c: Creative, verdicts: list[Verdict]) -> None:
    refused = [v for v in verdicts if not v.passed]
    state = f"[red]{len(refused)} refused[/]" if refused else f"[green]all {len(verdicts)} gates passed[/]"
    out.print(f"{c.surface} · {c.layout} · “{c.copy.get('headline', '')}”: {state}")
    for v in refused:
        out.print(f"  {v.rule}: {v.reason}", markup=False)


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="Folder to write the files into.")],
    brief: BriefFile = None, kit: KitFile = None, luma: Luma = None, product: ProductName = "", variants: Variants = 2,
    seed: Seed = 0, as_json: AsJson = False, settings: SettingsFile = None,
) -> None:  # fmt: skip
    """Render every creative that passes every gate and write its files."""
    from rialto.app.studio import open_studio

    written: list[dict[str, Any]] = []
    refused: list[str] = []
    with opened(settings) as engines, progress("rendering", quiet=as_json) as advance:
        studio = open_studio(engines)
        creatives = studio.compose(*_parts(brief, kit, luma, product, seed), variants=variants, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        for n, c in enumerate(creatives):
            done = studio.render(c)
            bad = [v for v in studio.check(c, done) if not v.passed]
            refused += [f"{c.surface}: {v.rule}: {v.reason}" for v in bad]
            for kind, body in done.files.items() if not bad else ():
                path = folder / f"{c.surface}-{n:02d}.{'jpg' if kind == 'jpeg' else kind}"
                path.write_bytes(body)
                written.append(
                    {"file": str(path), "bytes": len(body), "surface": c.surface, "headline": c.copy.get("headline", "")}
                )
            advance(n + 1, len(creatives))
    if as_json:
        json_out({"written": written, "refused": refused})
        return
    out.print(
        table(f"{len(written)} files", ("file", "bytes", "headline"), [(w["file"], w["bytes"], w["headline"]) for w in written])
    )
    for line in refused:
        out.print(f"refused: {line}", markup=False)


@app.command()
def explain(
    placement: Annotated[str, typer.Option(help="Surface to choose for; the first where not given.")] = "",
    visitors: Annotated[int, typer.Option(help="Made-up visitors who come first.", min=0)] = 2000,
    seed: Seed = 0, as_json: AsJson = False, settings: SettingsFile = None,
) -> None:  # fmt: skip
    """Let made-up visitors come to a campaign, then choose once more and say why: belief, chance and end of every creative."""
    from rialto.app.trying import campaign

    with campaign(settings, seed) as gallery:
        where = placement or gallery.brief.surfaces[0].name
        gallery.choose(where)
        if visitors:
            gallery.visit(where, visitors, seed=seed)
        outcome = gallery.choose(where, seed=seed, explain=True)
        fates = gallery.studio.explain(outcome)
        told = [{"id": str(f.id), "end": f.end, "propensity": f.propensity, "headline": gallery.creative(f.id).copy["headline"],
                 "layout": gallery.creative(f.id).layout, **f.columns} for f in fates]  # fmt: skip
    if as_json:
        json_out(told)
        return
    heads = ("end", "headline", "layout", "believed rate", "± sd", "views", "propensity")
    rows = [(t["end"], t["headline"], t["layout"], t["mean"], t["sd"], t["shows"], t["propensity"]) for t in told]
    out.print(table(f"{where} after {visitors:,} visitors", heads, rows))
