"""What the page asks the library for, and the web application that passes it on; test_page_browser opens it in a browser."""

import base64
import json

import numpy as np
import pytest
import soundfile
import torch
from networks import random_detector
from pages import serving

from veracity import __main__ as command
from veracity.detector.checkpoints import Checkpoint, save_checkpoint
from veracity.detector.decisions import flipped, is_sing
from veracity.errors import ConfigError
from veracity.experiments.pen.explaining import explain_drawing
from veracity.experiments.pen.files import import_drawings
from veracity.experiments.pen.raster import draw
from veracity.explainers.lime import LimeSettings, fit_all
from veracity.games import readouts
from veracity.games.game import Game, fill_game
from veracity.games.grid import masks_of
from veracity.page import desk as desk_module
from veracity.page import server
from veracity.page.desk import Desk, SupersededError, save_drawing
from veracity.page.server import Page
from veracity.songs.frontend import log_mel, magnitudes
from veracity.songs.resynthesis import redrawn

FRAMES, MELS = 25, 25
SETTINGS = LimeSettings(n_time=3, n_band=2)


@pytest.fixture(scope="module")
def desk():
    detector = random_detector(excerpt_frames=FRAMES, n_mels=MELS)
    return Desk(Checkpoint(detector, threshold=0.5), SETTINGS)


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "a-song.wav"
    time = np.arange(3 * 22050) / 22050
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (300 + 200 * time) * time), 22050)
    return path


@pytest.fixture(scope="module")
def song(desk, audio):
    return desk.song(audio)


def half_drawn(seed=0):
    coverage = np.zeros((FRAMES, MELS), dtype=np.float32)
    coverage[:12, :14] = np.random.default_rng(seed).random((12, 14))
    return coverage


# --- explaining a drawing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("everything", [False, True])
def test_an_explained_drawing_is_what_the_library_says_of_all_masks(desk, song, everything):
    clean = desk.excerpt(song, 20)
    coverage = np.ones((FRAMES, MELS), dtype=np.float32) if everything else half_drawn()
    drawn = draw(clean, coverage, level=float(clean.mean()) + 6)
    p_clean, p_drawn = desk.model.p_sing(np.stack([clean, drawn]))
    threshold = float((p_clean + p_drawn) / 2)  # so that it flips
    found = explain_drawing(clean, coverage, 6, desk.model, SETTINGS, threshold=threshold)
    np.testing.assert_array_equal(found.log_mel, drawn)
    assert (found.p_clean, found.p_drawn) == (p_clean, p_drawn)
    assert found.flips
    games = [fill_game(drawn, desk.grid, "mean"), Game(drawn, clean, desk.grid)]
    filled, perturbed = (one.all_values for one in desk.model.values(games))
    np.testing.assert_array_equal(found.lime, fit_all(filled, SETTINGS).weights)
    np.testing.assert_array_equal(found.shapley, readouts.shapley(filled))
    flips = flipped(perturbed, threshold, is_sing(p_clean, threshold))
    expected = {tuple(np.flatnonzero(mask)) for mask in masks_of(readouts.smallest_flip_sets(flips), 6)}
    touched = set(np.flatnonzero(found.touched).tolist())
    assert len(touched) == 6 if everything else 0 < len(touched) < 6
    # Of sets that differ in segments that were not touched, only the part that was is told.
    assert set(found.smallest_sets) == {tuple(s for s in one if s in touched) for one in expected}


def test_nothing_drawn_flips_nothing(desk, song):
    clean = desk.excerpt(song, 0)
    found = explain_drawing(clean, np.zeros((FRAMES, MELS), np.float32), 5, desk.model, SETTINGS, threshold=0.5)
    assert (found.flips, found.touched.any(), found.smallest_sets) == (False, False, [])
    assert found.p_clean == found.p_drawn


def test_a_newer_drawing_supersedes_an_older_one(desk, song, monkeypatch):
    told = []

    def explain(*args, go_on, **kwargs):
        told.append(len(told))
        if len(told) == 1:  # while the first one is computed, another one comes
            with desk._count:
                desk._newest += 1
        go_on()
        return explain_drawing(*args, go_on=go_on, **kwargs)

    monkeypatch.setattr(desk_module, "explain_drawing", explain)
    with pytest.raises(SupersededError):
        desk.explain(song, 0, half_drawn(), 5)
    assert desk.explain(song, 0, half_drawn(), 5)["p_clean"] > 0
    assert len(told) == 2


def test_the_best_set_of_each_size_has_the_largest_value():
    values = np.random.default_rng(0).random(64)
    best, size = readouts.best_sets(values), readouts.sizes(6)
    assert size[best].tolist() == list(range(7))
    for k, mask in enumerate(best):
        assert values[mask] == values[size == k].max()


# --- sound ------------------------------------------------------------------------------------------------------------


def test_what_was_drawn_is_heard_where_it_was_drawn(desk, song):
    clean = desk.excerpt(song, 20)
    untouched = redrawn(song.audio, clean, clean, desk.frontend, first_frame=20)
    np.testing.assert_allclose(untouched, song.audio, atol=1e-5)
    louder = clean.copy()
    louder[8:16, 10:14] += 2
    heard = redrawn(song.audio, clean, louder, desk.frontend, first_frame=20)
    hop, window = desk.frontend.hop_samples, desk.frontend.frame_samples
    assert np.abs(heard - song.audio)[: 28 * hop - window].max() < 1e-5
    assert np.abs(heard - song.audio)[36 * hop + window :].max() < 1e-5
    frames = log_mel(magnitudes(torch.as_tensor(heard), desk.frontend), desk.frontend).numpy()[20 : 20 + FRAMES]
    inner = (slice(11, 13), slice(11, 13))
    np.testing.assert_allclose((frames - clean)[inner], 2, atol=0.6)  # bands and frames overlap
    before, after, p_heard = desk.sounds(song, 60, half_drawn(), 5)
    assert len(before) == len(after) == (FRAMES - 1) * hop + window + 2 * round(0.5 * 22050)
    assert 0 <= p_heard <= 1


# --- saving -----------------------------------------------------------------------------------------------------------


def test_a_saved_drawing_is_read_as_one_of_ones_own(tmp_path):
    coverage = half_drawn()
    coverage[0, 0] = 1.0
    path = save_drawing(tmp_path / "new", "my-horse_2", coverage)
    (found,) = import_drawings(tmp_path / "new", n_frames=FRAMES, n_mels=MELS).items()
    assert found[0] == "my-horse_2"
    np.testing.assert_allclose(found[1], coverage, atol=1e-6)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="choose another name"):
        save_drawing(tmp_path / "new", "my-horse_2", half_drawn(1))
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "../up", "a/b", "A", "ä", "a.npy", "x" * 65, "a b"])
def test_a_drawing_has_a_plain_name(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be called"):
        save_drawing(tmp_path, name, half_drawn())
    with pytest.raises(ConfigError, match="nothing is drawn"):
        save_drawing(tmp_path, "fine", np.zeros((FRAMES, MELS)))
    assert list(tmp_path.iterdir()) == []


# --- the application --------------------------------------------------------------------------------------------------


@pytest.fixture
def page(desk, song, tmp_path):
    return Page(lambda: (desk, song), drawings=tmp_path / "drawings", note="a note")


@pytest.fixture
def client(page):
    with serving(page) as client:
        yield client


def sent(coverage):
    return base64.b64encode(np.round(255 * coverage).astype(np.uint8).tobytes()).decode()


def test_the_application_passes_on_what_the_library_says(client, desk, song, tmp_path):
    about = client.get("/about").json()
    assert about["ready"]
    assert about["note"] == "a note"
    assert about["grid"] == {"n_time": 3, "n_band": 2}
    assert "horse" in about["shapes"]
    assert len(base64.b64decode(client.get("/song").json()["image"])) == song.log_mel.size
    coverage = np.round(255 * half_drawn()) / 255
    asked = {"start": 20, "coverage": sent(coverage), "strength": 6}
    found = client.post("/explain", json=asked).json()
    expected = desk.explain(song, 20, coverage.astype(np.float32), 6)
    for name in ("p_clean", "p_drawn", "label_drawn", "lime", "shapley", "smallest_sets", "flips"):
        assert found[name] == expected[name]
    sounds = client.post("/sound", json=asked).json()
    assert all(sounds[name].startswith("data:audio/wav;base64,") for name in ("before", "after"))
    shape = client.post("/shape", json={"name": "horse", "centre": [0.5, 0.5], "size": [0.5, 0.5]}).json()
    assert max(base64.b64decode(shape["coverage"])) > 100
    saved = client.post("/save", json={"name": "mine", "coverage": sent(coverage)}).json()
    assert saved["path"] == str(tmp_path / "drawings" / "mine.npy")
    assert len(import_drawings(tmp_path / "drawings", n_frames=FRAMES, n_mels=MELS)) == 1


@pytest.mark.parametrize(
    ("path", "asked", "why"),
    [
        ("/explain", {"start": 0, "strength": 5}, "incomplete"),
        ("/explain", {"start": 0, "coverage": "AAAA", "strength": 5}, "3 cells"),
        ("/explain", {"start": 0, "coverage": "no base64!", "strength": 5}, "incomplete"),
        ("/explain", {"start": 10**6, "coverage": sent(half_drawn()), "strength": 5}, "first frame"),
        ("/explain", {"start": -1, "coverage": sent(half_drawn()), "strength": 5}, "first frame"),
        ("/shape", {"name": "unicorn", "centre": [0, 0], "size": [1, 1]}, "unicorn"),
        ("/save", {"name": "../x", "coverage": sent(half_drawn())}, "cannot be called"),
        ("/run/excerpt", {"domain": "waveform", "song": "a", "number": 0}, "without a run"),
        ("/run/sound", {"domain": "waveform", "song": "a", "number": 0, "segments": []}, "without a run"),
    ],
)
def test_a_wrong_question_is_answered_in_one_sentence(client, path, asked, why):
    answer = client.post(path, json=asked)
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert client.get("/about").status_code == 200


def test_an_upload_is_read_and_removed_and_a_broken_one_says_so(client, page, audio, tmp_path, monkeypatch):
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert client.put("/upload?name=other.wav", data=audio.read_bytes()).json() == {"name": "other.wav"}
    assert page.song.name == "other.wav"
    broken = client.put("/upload?name=broken.wav", data=audio.read_bytes()[:30])
    assert broken.status_code == 400
    assert "broken.wav" in broken.json()["error"]
    assert str(tmp_path) not in broken.json()["error"]
    for name in ("..%2F..%2Fetc%2Fx.wav", "noise.exe", ""):
        assert client.put(f"/upload?name={name}", data=b"noise").status_code == 400
    assert page.song.name == "other.wav"  # the page lives
    assert list((tmp_path / "temporary").iterdir()) == []


def test_uploads_are_bounded_in_size_and_length(client, page, audio, monkeypatch):
    monkeypatch.setattr(server, "MOST_UPLOADED", 1000)
    large = client.put("/upload?name=large.wav", data=audio.read_bytes())
    assert large.status_code == 400
    assert "MiB" in large.json()["error"]
    monkeypatch.setattr(server, "MOST_UPLOADED", 1 << 26)
    monkeypatch.setattr(desk_module, "MOST_SECONDS", 2)
    long = client.put("/upload?name=long.wav", data=audio.read_bytes())
    assert "long.wav lasts 3 s: give at most 2 s" in long.json()["error"]


def test_only_this_machine_is_answered_and_nothing_is_fetched_elsewhere(client):
    assert client.get("/about", headers={"Host": "evil.example"}).status_code == 400
    assert client.post("/save", data="{}", headers={"Content-Type": "text/plain"}).status_code == 400  # what forms send
    assert client.post("/save", data="{", headers={"Content-Type": "application/json"}).status_code == 400
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/", "/static/page.js", "/static/page.css"):
        text = client.get(path).text
        assert len(text) > 1000
        assert "https://" not in text


def test_a_page_whose_detector_cannot_be_made_says_why(tmp_path):
    def fail():
        raise ConfigError("there is no such detector: give another")

    page = Page(fail, drawings=tmp_path)
    page.prepare()
    assert page.about({})["failure"] == "there is no such detector: give another"
    with pytest.raises(ConfigError, match="no such detector"):
        page.ready()
    with pytest.raises(ConfigError, match="still being made"):
        Page(fail, drawings=tmp_path).ready()


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["missing.wav"], "there is no file missing.wav"),
        (["--checkpoint", "missing.pt"], "there is no file missing.pt"),
        (["--run", "results/missing"], "no finished run"),
    ],
)
def test_the_command_refuses_what_is_not_there(arguments, why, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main(["page", "--no-browser", "--port", "0", *arguments]) == 2
    assert why in capsys.readouterr().err


def test_a_checkpoint_without_a_threshold_is_told(tmp_path, audio):
    path = tmp_path / "own.pt"
    save_checkpoint(path, Checkpoint(random_detector(excerpt_frames=FRAMES, n_mels=MELS)))
    assert "no threshold: 0.5" in Desk(path, SETTINGS).note
    assert (Desk(path, SETTINGS, threshold=0.7).threshold, Desk(path, SETTINGS, threshold=0.7).note) == (0.7, "")
    assert json.dumps(Desk(path, SETTINGS).explain(Desk(path, SETTINGS).song(audio), 0, half_drawn(), 5)["lime"])
