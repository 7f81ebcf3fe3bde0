"""A small brand, a product and a brief for the tests of show; all made here."""

import base64
import io

import pytest
from PIL import Image, ImageDraw

from rialto.local.canvas import RasterCanvas
from rialto.local.critic import PixelCritic
from rialto.local.files import FileBlobs
from rialto.local.store import MemoryStore
from rialto.local.writer import GroundedWriter
from rialto.show.pipeline import build
from rialto.show.read import product_of, read_brief, read_kit


def png(picture):
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def photo(size=(480, 600)):
    """A blue bottle on white, its foot cut by the frame."""
    picture = Image.new("RGB", size, "#ffffff")
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((150, 140, 330, size[1] + 40), radius=40, fill="#2456a6")
    pen.rectangle((200, 60, 280, 150), fill="#1b1b1b")
    return png(picture)


def brief_json(**changes):
    slots = {"headline": 45, "support": 80, "price": 12, "call_to_action": 18, "disclaimer": 60}

    def unit(name, width, height, margin):
        zone = {"x": margin, "y": margin, "width": width - 2 * margin, "height": height - 2 * margin}
        return {
            "name": name,
            "width": width,
            "height": height,
            "safe_zone": zone,
            "slots": slots,
            "max_bytes": 250_000,
            "formats": ["jpeg", "png"],
        }

    surfaces = [unit("feed", 1200, 628, 48), unit("square", 1080, 1080, 60), unit("half page", 300, 600, 20)]
    plain = {"campaign": "Autumn", "products": ["p1", "p2"], "audience": "walkers", "goal": "clicks", "locales": ["en-US"]}
    return {**plain, "surfaces": surfaces, "starts": "2026-09-01", "ends": "2026-10-31", **changes}


def kit_json(**changes):
    mark = Image.new("RGBA", (240, 80), (0, 0, 0, 0))
    ImageDraw.Draw(mark).rounded_rectangle((0, 0, 239, 79), radius=20, fill="#14532d")
    colours = {"ink": "#1c2430", "ground": "#ffffff", "accent": "#14532d", "muted": "#e6ebe7"}
    logo = {"png_base64": base64.b64encode(png(mark)).decode(), "width": 240, "height": 80, "clear_space": 20}
    voice = {"tone": ["calm"], "approved": ["Made to move"], "banned": ["cheap"]}
    plain = {
        "name": "Northbay",
        "colours": colours,
        "logo": logo,
        "voice": voice,
        "calls_to_action": ["Shop now", "See the range"],
    }
    return {**plain, "disclaimers": [{"label": "Terms", "text": "While stocks last."}], **changes}


def row(**changes):
    plain = {"id": "p1", "title": "Tern Water Bottle", "brand": "Northbay", "category": "Gear/Bottles", "price_cents": 2450}
    words = "A bottle for long days. • Holds 750 ml. • Steel body with screw top. • Keeps cold for 12 hours."
    return {**plain, "description": words, "attributes": {"material": "Steel", "capacity_ml": 750, "dishwasher": True}, **changes}


@pytest.fixture(scope="session")
def canvas():
    return RasterCanvas()


@pytest.fixture(scope="session")
def brief():
    return read_brief(brief_json())


@pytest.fixture(scope="session")
def kit():
    return read_kit(kit_json())


@pytest.fixture(scope="session")
def product():
    return product_of(row(), image=photo())


@pytest.fixture
def new_studio(canvas):
    def make(store=None, contexts=1):
        blobs = FileBlobs(f"memory://show-{id(object())}")
        return build(
            canvas=canvas,
            writer=GroundedWriter(),
            critic=PixelCritic(),
            blobs=blobs,
            store=store or MemoryStore(),
            contexts=contexts,
        )

    return make


@pytest.fixture(scope="session")
def admitted(canvas, brief, kit, product):
    """A studio with six arms for each of three placements; tests that learn make their own."""
    studio = build(
        canvas=canvas, writer=GroundedWriter(), critic=PixelCritic(), blobs=FileBlobs("memory://show-tests"), store=MemoryStore()
    )
    refused = studio.admit(studio.compose(brief, kit, product, variants=6))
    assert not any(refused.values())
    return studio


@pytest.fixture(scope="session")
def made_up():
    """The makers of JSON, for tests that change a part of it."""
    return {"brief": brief_json, "kit": kit_json, "row": row, "photo": photo, "store": MemoryStore}
