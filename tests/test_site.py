"""The site of `make docs`: complete, with images and players of the tour, and without external resources."""

import os
import re
import subprocess
import sys

import pytest
import soundfile
import yaml
from PIL import Image
from workspaces import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of a site that was built in strict mode, with the executed tour."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", folder]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for path in pages:
        text = path.read_text(encoding="utf-8")
        sources = re.findall(r"<(?:script|img|audio|source|iframe|video)\b[^>]*?\bsrc=\"([^\"]*)", text)
        sources += re.findall(r"<link\b(?![^>]*rel=\"canonical\")[^>]*?\bhref=\"([^\"]*)", text)
        assert sources
        assert not [source for source in sources if re.match(r"(https?:)?//", source)], path
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", styles)


def test_the_tour_is_shown_as_it_ran(site):
    text = (site / "tour.html").read_text(encoding="utf-8")
    pictures = re.findall(r"<img[^>]*src=\"(output[^\"]*\.png)\"", text)
    assert len(pictures) == 1
    assert Image.open(site / pictures[0]).width > 600
    assert len(re.findall(r"<source src=\"data:audio/wav;base64,[A-Za-z0-9+/]{100000}", text)) == 2
    for said in ("segments: LIME's", "smallest sets:", "occlusion's first three:"):
        assert said in text
    assert "Traceback" not in text
    assert soundfile.info(ROOT / "results" / "example" / "adversarial.wav").subtype == "FLOAT"


def test_every_room_has_its_page_of_reference(site):
    rooms = [path.parent.name for path in (ROOT / "veracity").glob("*/__init__.py")]
    for name in [*rooms, "notebook", "labels", "errors"]:
        assert f'id="veracity.{name}' in (site / "reference" / f"{name}.html").read_text(encoding="utf-8")
    games = (site / "reference" / "games.html").read_text(encoding="utf-8")
    assert 'id="veracity.games.models.explained_model"' in games
    assert "The attacked detector." in games  # of its docstring


def test_every_page_of_docs_is_in_the_menu():
    nav = yaml.safe_load(re.sub(r"^  - Reference: \[\].*", "", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE))["nav"]
    listed = set(re.findall(r"\w+\.md", str(nav)))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= listed
