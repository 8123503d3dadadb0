"""The site as `make docs` has built it: whole, with the tour's pictures and players, and with nothing from elsewhere."""

import re

import pytest
import yaml
from PIL import Image
from workspaces import ROOT

SITE = ROOT / "site"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (SITE / "index.html").is_file(), reason="there is no site: make docs"),
]


def page(name):
    return (SITE / name).read_text(encoding="utf-8")


def test_nothing_is_fetched_from_elsewhere():
    pages = sorted(SITE.rglob("*.html"))
    assert len(pages) > 20
    for path in pages:
        text = path.read_text(encoding="utf-8")
        sources = re.findall(r"<(?:script|img|audio|source|iframe|video)\b[^>]*?\bsrc=\"([^\"]*)", text)
        sources += re.findall(r"<link\b(?![^>]*rel=\"canonical\")[^>]*?\bhref=\"([^\"]*)", text)
        assert sources
        assert not [source for source in sources if re.match(r"(https?:)?//", source)], path
    styles = "".join(path.read_text(encoding="utf-8") for path in SITE.rglob("*.css"))
    assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", styles)


def test_the_tour_is_shown_as_it_ran():
    text = page("tour.html")
    pictures = re.findall(r"<img[^>]*src=\"(output[^\"]*\.png)\"", text)
    assert len(pictures) == 1
    assert Image.open(SITE / pictures[0]).width > 600
    assert len(re.findall(r"<source src=\"data:audio/wav;base64,[A-Za-z0-9+/]{100000}", text)) == 2
    for said in ("segments: LIME's", "smallest sets:", "occlusion's first three:"):
        assert said in text
    assert "Traceback" not in text


def test_every_room_has_its_page_of_reference():
    rooms = [path.parent.name for path in (ROOT / "veracity").glob("*/__init__.py")]
    for name in [*rooms, "notebook", "labels", "errors"]:
        assert f'id="veracity.{name}' in page(f"reference/{name}.html")
    games = page("reference/games.html")
    assert 'id="veracity.games.models.explained_model"' in games
    assert "The attacked detector." in games  # of its docstring


def test_every_page_of_docs_is_in_the_menu():
    nav = yaml.safe_load(re.sub(r"^  - Reference: \[\].*", "", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE))["nav"]
    listed = set(re.findall(r"\w+\.md", str(nav)))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= listed
