"""Rendering: equal bytes for equal input, content names, provenance that readers find, weight kept."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rialto.errors import BadInput
from rialto.local.canvas import RasterCanvas
from rialto.local.files import FileBlobs
from rialto.local.writer import GroundedWriter
from rialto.show.compose import compose
from rialto.show.render import keep, render, with_provenance


@pytest.fixture(scope="module")
def creative(brief, kit, product, canvas):
    return compose(brief, kit, product, writer=GroundedWriter(), canvas=canvas, variants=1)[0]


def test_equal_input_gives_equal_bytes_and_names_on_another_canvas(creative, brief, canvas):
    one, other = (render(creative, brief.surfaces[0], canvas=c) for c in (canvas, RasterCanvas()))
    assert one.files == other.files and one.names == other.names


def test_files_open_at_the_surfaces_size_and_hold_the_same_picture(creative, brief, canvas):
    done = render(creative, brief.surfaces[0], canvas=canvas)
    for kind in ("jpeg", "png"):
        shown = Image.open(io.BytesIO(done.files[kind]))
        assert shown.size == (1200, 628)
        assert np.abs(np.asarray(shown.convert("RGB")).astype(int) - done.picture.pixels).mean() < 2


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_provenance_is_in_the_metadata(creative, brief, canvas, kind):
    shown = Image.open(io.BytesIO(render(creative, brief.surfaces[0], canvas=canvas).files[kind]))
    shown.load()
    packet = shown.info["xmp"] if kind == "jpeg" else shown.info["XML:com.adobe.xmp"].encode()
    assert (
        b"digitalsourcetype/composite" in packet
        and creative.fact_version.encode() in packet
        and str(creative.id).encode() in packet
    )


def test_a_file_of_another_kind_takes_no_provenance(creative):
    for kind in ("jpeg", "png"):
        with pytest.raises(BadInput):
            with_provenance(b"GIF89a", kind, creative)


def test_files_are_kept_under_their_content(creative, brief, canvas):
    blobs = FileBlobs("memory://render-kept")
    names = keep(render(creative, brief.surfaces[0], canvas=canvas), blobs)
    assert blobs.get(names["jpeg"])[:2] == b"\xff\xd8" and sorted(names.values()) == sorted(blobs.names("creatives/"))


def test_quality_falls_until_the_file_is_light_enough(creative, brief, canvas):
    roomy = render(creative, brief.surfaces[0], canvas=canvas).files["jpeg"]
    tight = render(creative, replace(brief.surfaces[0], max_bytes=len(roomy) - 1), canvas=canvas).files["jpeg"]
    assert len(tight) < len(roomy)
