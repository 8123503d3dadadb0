"""State and web application of the drawing page; test_page_browser opens the page in a browser."""

import asyncio
import base64
import contextlib
import functools
import json
import math
import os
import re
import socket
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from networks import random_detector
from pages import serving

from veracity import __main__ as command
from veracity.detector.checkpoints import Checkpoint, save_checkpoint
from veracity.detector.decisions import flipped, is_sing
from veracity.errors import ConfigError, CorpusError
from veracity.experiments.drawing.explaining import explain_drawing
from veracity.experiments.drawing.files import import_drawings
from veracity.experiments.drawing.raster import draw
from veracity.explainers.lime import LimeSettings, fit_all
from veracity.games import solution_concepts
from veracity.games.game import Game, fill_game
from veracity.games.grid import masks_of
from veracity.page import server
from veracity.page import session as session_module
from veracity.page.server import Page
from veracity.page.session import PlacedDrawing, Session, SupersededError, save_drawing
from veracity.songs.frontend import log_mel, magnitudes
from veracity.songs.resynthesis import redrawn
from veracity.songs.settings import excerpt_samples

FRAMES, MELS = 25, 25
SETTINGS = LimeSettings(n_time=3, n_band=2)


@pytest.fixture(scope="module")
def session():
    detector = random_detector(excerpt_frames=FRAMES, n_mels=MELS)
    return Session(Checkpoint(detector, threshold=0.5), SETTINGS)


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "a-song.wav"
    seconds = np.arange(3 * 22050) / 22050
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (300 + 200 * seconds) * seconds), 22050)
    return path


@pytest.fixture(scope="module")
def song(session, audio):
    return session.song(audio)


def half_drawn(seed=0):
    coverage = np.zeros((FRAMES, MELS), dtype=np.float32)
    coverage[:12, :14] = np.random.default_rng(seed).random((12, 14))
    return coverage


# --- explaining a drawing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("everything", [False, True])
def test_an_explained_drawing_is_what_the_library_says_of_all_masks(session, song, everything):
    clean = session.excerpt(song, 20)
    coverage = np.ones((FRAMES, MELS), dtype=np.float32) if everything else half_drawn()
    drawn = draw(clean, coverage, level=float(clean.mean()) + 6)
    p_clean, p_drawn = session.model.p_sing(np.stack([clean, drawn]))
    threshold = float((p_clean + p_drawn) / 2)  # so that it flips
    found = explain_drawing(clean, coverage, 6, session.model, SETTINGS, threshold=threshold)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)  # some processors round batches differently
    close(found.log_mel, drawn)
    close((found.p_clean, found.p_drawn), (p_clean, p_drawn))
    assert found.flips
    games = [fill_game(drawn, session.grid, "mean"), Game(drawn, clean, session.grid)]
    filled, perturbed = (one.all_values for one in session.model.values(games))
    close(found.lime, fit_all(filled, SETTINGS).weights)
    close(found.shapley, solution_concepts.shapley(filled))
    flips = flipped(perturbed, threshold, is_sing(p_clean, threshold))
    expected = {tuple(np.flatnonzero(mask)) for mask in masks_of(solution_concepts.smallest_flip_sets(flips), 6)}
    touched = set(np.flatnonzero(found.touched).tolist())
    assert len(touched) == 6 if everything else 0 < len(touched) < 6
    # Sets that differ only in untouched segments are reported once, by their touched segments.
    assert set(found.smallest_sets) == {tuple(s for s in one if s in touched) for one in expected}


def test_nothing_drawn_flips_nothing(session, song):
    clean = session.excerpt(song, 0)
    found = explain_drawing(clean, np.zeros((FRAMES, MELS), np.float32), 5, session.model, SETTINGS, threshold=0.5)
    assert (found.flips, found.touched.any(), found.smallest_sets) == (False, False, [])
    assert found.p_clean == found.p_drawn


@pytest.mark.parametrize(
    ("newer", "expected"), [("this page", pytest.raises(SupersededError)), ("another page", contextlib.nullcontext())]
)
def test_a_newer_drawing_supersedes_an_older_one_of_the_same_page(session, song, monkeypatch, newer, expected):
    begun = []

    def explain(*args, check_cancelled, **kwargs):
        begun.append(True)
        if len(begun) == 1:  # another drawing arrives during the computation of the first
            session.explain(song, PlacedDrawing(0, half_drawn(), 5), newer)
        check_cancelled()
        return explain_drawing(*args, check_cancelled=check_cancelled, **kwargs)

    monkeypatch.setattr(session_module, "explain_drawing", explain)
    monkeypatch.setattr(session, "_working", contextlib.nullcontext())
    with expected:
        assert session.explain(song, PlacedDrawing(0, half_drawn(), 5), "this page")["p_clean"] > 0
    assert len(begun) == 2


def test_pages_that_were_closed_do_not_pile_up(session, song, monkeypatch):
    def stop(*args, **kwargs):
        raise SupersededError

    monkeypatch.setattr(session_module, "explain_drawing", stop)
    for number in range(session_module.MAX_PAGES + 5):
        with pytest.raises(SupersededError):
            session.explain(song, PlacedDrawing(0, half_drawn(), 5), f"page {number}")
    assert len(session._newest) == session_module.MAX_PAGES
    assert f"page {number}" in session._newest


def test_the_best_set_of_each_size_has_the_largest_value():
    values = np.random.default_rng(0).random(64)
    best, size = solution_concepts.best_sets(values), solution_concepts.sizes(6)
    assert size[best].tolist() == list(range(7))
    for k, mask in enumerate(best):
        assert values[mask] == values[size == k].max()


# --- sound ------------------------------------------------------------------------------------------------------------


def test_what_was_drawn_is_audible_where_it_was_drawn(session, song):
    clean = session.excerpt(song, 20)
    untouched = redrawn(song.audio, clean, clean, session.frontend, first_frame=20)
    np.testing.assert_allclose(untouched, song.audio, atol=1e-5)
    louder = clean.copy()
    louder[8:16, 10:14] += 2
    heard = redrawn(song.audio, clean, louder, session.frontend, first_frame=20)
    hop, window = session.frontend.hop_samples, session.frontend.frame_samples
    assert np.abs(heard - song.audio)[: 28 * hop - window].max() < 1e-5
    assert np.abs(heard - song.audio)[36 * hop + window :].max() < 1e-5
    frames = log_mel(magnitudes(torch.as_tensor(heard), session.frontend), session.frontend).numpy()[20 : 20 + FRAMES]
    inner = (slice(11, 13), slice(11, 13))
    np.testing.assert_allclose((frames - clean)[inner], 2, atol=0.6)  # bands and frames overlap
    before, after, p_sound = session.sounds(song, PlacedDrawing(60, half_drawn(), 5))
    assert len(before) == len(after) == (FRAMES - 1) * hop + window + 2 * round(0.5 * 22050)
    assert 0 <= p_sound <= 1
    clean = session.excerpt(song, 60)
    drawn = draw(clean, half_drawn(), level=float(clean.mean()) + 5)
    samples = excerpt_samples(60, session.frontend)
    part = slice(samples.start - round(0.5 * 22050), samples.stop + round(0.5 * 22050))
    np.testing.assert_array_equal(before, song.audio[part])
    of_whole_song = redrawn(song.audio, clean, drawn, session.frontend, first_frame=60)
    np.testing.assert_allclose(after, of_whole_song[part], atol=1e-5)


def test_digital_silence_stays_silent_whatever_is_drawn(session, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(3 * 22050), 22050)
    before, after, _ = session.sounds(session.song(tmp_path / "silence.wav"), PlacedDrawing(20, half_drawn(), 5))
    assert not session_module.is_audible(before, after)
    assert session_module.is_audible(before, after + np.float32(0.001))


# --- saving -----------------------------------------------------------------------------------------------------------


def test_a_saved_drawing_is_read_as_one_of_ones_own(tmp_path):
    coverage = half_drawn()
    coverage[0, 0] = 1.0
    path = save_drawing(tmp_path / "new", "my-horse_2", coverage)
    (found,) = import_drawings(tmp_path / "new", n_frames=FRAMES, n_mels=MELS).items()
    assert found[0] == "my-horse_2"
    np.testing.assert_allclose(found[1], coverage, atol=1e-6)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="Choose another name"):
        save_drawing(tmp_path / "new", "my-horse_2", half_drawn(1))
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "../up", "a/b", "A", "ä", "a.npy", "x" * 65, "a b"])
def test_a_drawing_has_a_plain_name(tmp_path, name):
    with pytest.raises(ConfigError, match="name: must be at most 64 lower-case letters"):
        save_drawing(tmp_path, name, half_drawn())
    with pytest.raises(ConfigError, match="Draw before you save"):
        save_drawing(tmp_path, "fine", np.zeros((FRAMES, MELS)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["a-file", "a-file/below", "x" * 300])
def test_a_folder_that_cannot_be_written_to_is_told_with_the_cure(tmp_path, folder):
    (tmp_path / "a-file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written \(.*\)\. Start the page with --drawings and a writable folder"):
        save_drawing(tmp_path / folder, "mine", half_drawn())
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


# --- the application --------------------------------------------------------------------------------------------------


@pytest.fixture
def page(session, song, tmp_path):
    return Page(lambda: (session, song), drawings=tmp_path / "drawings", is_synthetic=True)


@pytest.fixture
def client(page):
    with serving(page) as client:
        yield client


def sent(coverage):
    return base64.b64encode(np.round(255 * coverage).astype(np.uint8).tobytes()).decode()


def test_the_application_passes_on_what_the_library_says(client, session, song, tmp_path):
    about = client.get("/about").json()
    assert about["ready"]
    assert about["grid"] == {"n_time": 3, "n_band": 2}
    assert "horse" in about["shapes"]
    shown = client.get("/song").json()
    assert len(base64.b64decode(shown["image"])) == song.log_mel.size
    coverage = np.round(255 * half_drawn()) / 255
    asked = {"song": shown["song"], "start": 20, "coverage": sent(coverage), "strength": 6}
    found = client.post("/explain", json=asked).json()
    expected = session.explain(song, PlacedDrawing(20, coverage.astype(np.float32), 6))
    for name in ("p_clean", "p_drawn", "label_drawn", "lime", "shapley", "smallest_sets", "flips"):
        assert found[name] == expected[name]
    sounds = client.post("/sound", json=asked).json()
    assert all(sounds[name].startswith("data:audio/wav;base64,") for name in ("before", "after"))
    assert (sounds["label_sound"], sounds["is_audible"]) == (session.label(sounds["p_sound"]), True)
    shape = client.post("/shape", json={"name": "horse", "centre": [0.5, 0.5], "size": [0.5, 0.5]}).json()
    assert max(base64.b64decode(shape["coverage"])) > 100
    saved = client.post("/save", json={"name": "mine", "coverage": sent(coverage)}).json()
    assert saved["path"] == str(tmp_path / "drawings" / "mine.npy")
    assert len(import_drawings(tmp_path / "drawings", n_frames=FRAMES, n_mels=MELS)) == 1


@pytest.mark.parametrize(
    ("path", "wrong", "why"),
    [
        ("/explain", {"coverage": None}, "coverage: must be text, got None. Reload the page."),
        ("/explain", {"coverage": "AAAA"}, "625 cells, got 3"),
        ("/explain", {"coverage": "no base64!"}, "base64"),
        ("/explain", {"song": "gone"}, "song: no longer available. Reload the page."),
        ("/explain", {"song": []}, "song: must be text, got []."),
        *((path, {"start": start}, "first frame") for path in ("/explain", "/sound") for start in (10**6, -1, 10**400)),
        *(
            (path, {"start": start}, "start: must be a whole number")
            for path in ("/explain", "/sound")
            for start in (True, 0.5, 1.0, "1", None)
        ),
        *(
            (path, {"strength": strength}, "level above the mean of the excerpt: must be")
            for path in ("/explain", "/sound")
            for strength in (math.nan, math.inf, -math.inf, 1e300, 10**400, -1)
        ),
        ("/explain", {"strength": True}, "strength: must be a number, got True."),
        ("/shape", {"name": "unicorn"}, "unicorn"),
        ("/shape", {"name": 1}, "name: must be text, got 1."),
        ("/shape", {"centre": [2, 0.5]}, "centre of the shape, as a fraction of the excerpt: must be"),
        ("/shape", {"centre": [math.nan, 0.5]}, "centre of the shape, as a fraction of the excerpt: must be"),
        ("/shape", {"centre": 0.5}, "centre: must be a list, got 0.5."),
        ("/shape", {"centre": [0.5]}, "two numbers"),
        ("/shape", {"size": [0.5, 1e9]}, "size of the shape, as a fraction of the excerpt: must be"),
        ("/shape", {"size": [0, 0.5]}, "size of the shape, as a fraction of the excerpt: must be"),
        ("/shape", {"size": ["1", 0.5]}, "size of the shape, as a fraction of the excerpt: must be"),
        ("/save", {"name": "../x"}, "got '../x'"),
        ("/run/excerpt", {"domain": "waveform", "song": "a", "number": 0}, "without a run"),
        ("/run/excerpt", {"domain": "waveform", "song": "a", "number": True}, "number: must be a whole number, got True."),
        ("/run/sound", {"domain": "waveform", "song": "a", "number": 0, "segments": []}, "without a run"),
    ],
)
def test_a_wrong_question_is_answered_in_one_sentence(client, song, path, wrong, why, monkeypatch):
    monkeypatch.delattr(session_module, "explain_drawing")  # nothing is computed
    right = {"song": song.identity, "start": 0, "strength": 5, "coverage": sent(half_drawn())}
    right |= {"name": "horse", "centre": [0.5, 0.5], "size": [0.5, 0.5]}
    answer = client.post(path, data=json.dumps(right | wrong), headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert why in answer.json()["error"]
    assert "Error" not in answer.json()["error"]
    assert client.get("/about").status_code == 200


@pytest.mark.parametrize("content", ["{", "[]", "1", '{"a":' * 10**5 + "1" + "}" * 10**5, "9" * 5000, b"\xff"])
def test_what_is_no_question_is_told(client, content):
    answer = client.post("/explain", data=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("Reload the page.")


def test_what_nobody_has_foreseen_is_answered_too_and_told_in_the_terminal(capfd, client, monkeypatch):
    def fail(*args):
        raise RuntimeError("a secret path")

    monkeypatch.setattr(server, "save_drawing", fail)
    answer = client.post("/save", json={"name": "mine", "coverage": sent(half_drawn())})
    assert answer.status_code == 500
    assert "See its terminal for details." in answer.json()["error"]
    assert "secret" not in answer.text
    said, end = "", time.monotonic() + 20
    while "RuntimeError: a secret path" not in said:  # it is printed after the response has been sent
        assert time.monotonic() < end, said
        time.sleep(1)  # reading truncates the file into which the server writes, so the two must not meet
        said += capfd.readouterr().err


def test_every_page_keeps_its_own_song(client, page, session, song, tmp_path):
    mine = client.get("/song").json()
    assert mine["note"].startswith("Synthetic song:")
    soundfile.write(tmp_path / "other.wav", 0.2 * np.sin(np.arange(3 * 22050) / 9), 22050)
    other = client.put("/upload?name=other.wav", data=(tmp_path / "other.wav").read_bytes()).json()
    assert client.get("/song?song=" + other["song"]).json()["note"] == ""
    asked = {"start": 20, "coverage": sent(half_drawn()), "strength": 6, "page": "a page"}
    expected = {one.identity: session.explain(one, PlacedDrawing(20, half_drawn(), 6))["p_clean"] for one in (song, page.song)}
    assert len(set(expected.values())) == 2
    for identity, p_clean in expected.items():
        assert client.post("/explain", json=asked | {"song": identity}).json()["p_clean"] == p_clean
    assert "a page" in session._newest
    for number in range(server.MAX_SONGS - 1):
        page._keep(replace(song, name=f"song {number}"))
        assert client.get("/song?song=" + mine["song"]).json()["name"] == "a-song.wav"  # it is used, and stays
    gone = client.post("/sound", json=asked | {"song": other["song"]})
    assert gone.status_code == 400
    assert gone.json()["error"] == "song: no longer available. Reload the page."


def test_an_upload_is_read_and_removed_and_a_broken_one_says_so(client, page, audio, tmp_path, monkeypatch):
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert client.put("/upload?name=other.wav", data=audio.read_bytes()).json()["name"] == "other.wav"
    assert page.song.name == "other.wav"
    broken = client.put("/upload?name=broken.wav", data=audio.read_bytes()[:30])
    assert broken.status_code == 400
    assert "broken.wav" in broken.json()["error"]
    assert str(tmp_path) not in broken.json()["error"]
    for name in ("..%2F..%2Fetc%2Fx.wav", "noise.exe", ""):
        assert client.put(f"/upload?name={name}", data=b"noise").status_code == 400
    assert page.song.name == "other.wav"  # the page lives
    assert list((tmp_path / "temporary").iterdir()) == []


def test_uploads_are_bounded_in_size_and_length(client, page, audio, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "MAX_UPLOADED", 1000)
    large = client.put("/upload?name=large.wav", data=audio.read_bytes())
    assert large.status_code == 400
    assert "MiB" in large.json()["error"]
    monkeypatch.setattr(server, "MAX_UPLOADED", 1 << 26)
    monkeypatch.setattr(session_module, "MAX_SECONDS", 2)
    soundfile.write(tmp_path / "short.wav", np.ones(2205) / 2, 22050)
    short = client.put("/upload?name=short.wav", data=(tmp_path / "short.wav").read_bytes())
    assert "short.wav: shorter than one excerpt of 0.36 s, got 0.10 s." in short.json()["error"]
    soundfile.write(tmp_path / "empty.wav", np.ones(0), 22050)
    empty = client.put("/upload?name=empty.wav", data=(tmp_path / "empty.wav").read_bytes())
    assert "no samples. Replace it." in empty.json()["error"]
    assert "lists" not in empty.json()["error"]
    long = client.put("/upload?name=long.wav", data=audio.read_bytes())
    assert "long.wav: longer than 2 s. Cut it." in long.json()["error"]


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


def test_every_answer_has_the_headers_that_protect_it(client):
    for path in ("/", "/static/page.html", "/static/page.js", "/static/none", "/none", "/about", "/explain"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"] == server.HEADERS["Content-Security-Policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_request_of_another_type_is_refused_before_its_body_is_read(page):
    """Another site that is open in the browser can send text/plain without permission."""
    scope = {"type": "http", "method": "POST", "path": "/explain", "query_string": b"", "root_path": ""}
    scope |= {"headers": [(b"host", b"localhost"), (b"content-type", b"text/plain"), (b"content-length", b"400000000")]}
    sent = []

    async def receive():
        raise AssertionError("the body is read")

    async def send(message):
        sent.append(message)

    asyncio.run(server.application(page)(scope, receive, send))
    assert sent[0]["status"] == 400
    assert b"must be JSON" in sent[1]["body"]


def test_a_request_is_read_up_to_its_limit(client):
    long = client.post("/explain", data=b" " * (server.MAX_REQUEST_BYTES + 1), headers={"Content-Type": "application/json"})
    assert long.status_code == 400
    assert "at most 1 MiB" in long.json()["error"]


def test_names_of_uploads_neither_show_paths_nor_fill_the_page(client, audio):
    for name in (".", "..", "/", ""):
        assert client.put(f"/upload?name={name}", data=b"noise").json()["error"].startswith("song: cannot be decoded")
    assert len(client.put(f"/upload?name={3000 * 'x'}.wav", data=b"noise").json()["error"]) < 300
    assert len(client.put(f"/upload?name={3000 * 'x'}", data=audio.read_bytes()).json()["name"]) < 200


def test_a_song_that_is_too_long_is_decoded_no_further(tmp_path, session, monkeypatch):
    monkeypatch.setattr(session_module, "MAX_SECONDS", 2)
    monkeypatch.setattr("veracity.songs.decoding.BLOCK", 4096)
    monkeypatch.setattr("veracity.songs.audio.np.concatenate", None)  # what follows the decoding
    soundfile.write(tmp_path / "silence.flac", np.zeros(60 * 22050), 22050)
    with pytest.raises(CorpusError, match=r"silence.flac: longer than 2 s\. Cut it"):
        session.song(tmp_path / "silence.flac")


def test_uploads_of_a_killed_page_are_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    for process in (ended.pid, os.getpid()):
        (tmp_path / f"{server.UPLOADS}{process}-abc").mkdir()
        (tmp_path / f"{server.UPLOADS}{process}-abc" / "song.wav").touch()
    (tmp_path / f"{server.UPLOADS}notes").mkdir()
    server._remove_uploads_of_killed_pages()
    assert {path.name for path in tmp_path.iterdir()} == {f"{server.UPLOADS}{os.getpid()}-abc", f"{server.UPLOADS}notes"}


def test_a_page_whose_detector_cannot_be_made_says_why(tmp_path, capsys):
    def fail():
        raise ConfigError("there is no such detector: give another")

    page = Page(fail, drawings=tmp_path)
    page.prepare()
    assert capsys.readouterr().err == "error: there is no such detector: give another\n"
    assert page.about({})["failure"] == "there is no such detector: give another"
    with pytest.raises(ConfigError, match="no such detector"):
        page.ready()
    with pytest.raises(ConfigError, match="not ready yet"):
        Page(fail, drawings=tmp_path).ready()


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["missing.wav"], "missing.wav: file is missing. Correct its name"),
        (["--checkpoint", "missing.pt"], "missing.pt: file is missing. Correct its name"),
        (["--run", "results/missing"], "not a finished run"),
        (["--corpus", "data"], "--corpus: requires --run, got data. Add --run results/<run>"),
        (
            ["--run", "results/missing", "--corpus", "data"],
            "--corpus: folder is missing, got data. Give the folder of the",
        ),
        (["--port", "70000"], "--port: must be from 0 to 65535, got 70000. Give 0 for any free port."),
        (["--port=-1"], "--port: must be from 0 to 65535, got -1."),
    ],
)
def test_the_command_refuses_what_is_not_there(arguments, why, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main(["page", "--no-browser", "--port", "0", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert why in said


def test_a_port_that_is_taken_is_told_with_the_cure(capsys, audio):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command.main(["page", "--no-browser", "--port", str(port), str(audio)]) == 2
    assert re.fullmatch(
        rf"error: --port: cannot be opened \(.*\), got {port}\. Give another, or 0 for any free port\.\n",
        capsys.readouterr().err,
    )


def test_a_checkpoint_without_a_threshold_is_told(tmp_path, audio):
    path = tmp_path / "own.pt"
    save_checkpoint(path, Checkpoint(random_detector(excerpt_frames=FRAMES, n_mels=MELS)))
    assert "no threshold, so 0.5" in Session(path, SETTINGS).note
    assert (Session(path, SETTINGS, threshold=0.7).threshold, Session(path, SETTINGS, threshold=0.7).note) == (0.7, "")
    session, drawing = Session(path, SETTINGS), PlacedDrawing(0, half_drawn(), 5)
    assert json.dumps(session.explain(session.song(audio), drawing)["lime"])
