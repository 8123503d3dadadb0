"""The page in a real browser: draw, see, hear, save, and find the drawing in a run's Figure 1; toggle a run's segments."""

import base64
import shutil
import time

import numpy as np
import pytest
import soundfile
import torch
from networks import random_detector
from pages import serving
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from workspaces import SMALL, Workspace

from veracity.attacks.excerpts import Excerpts
from veracity.detector.checkpoints import Checkpoint
from veracity.experiments.drawings import DrawnExcerpt
from veracity.jobs import store
from veracity.page.runs import FinishedRun
from veracity.page.server import Page
from veracity.page.session import PlacedDrawing, Session

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sung(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "a-song.wav"
    time = np.arange(6 * 22050) / 22050
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * (300 + 100 * time) * time), 22050)
    return path


@pytest.fixture(scope="module")
def session(sung):
    """Return a detector with P(sing) near the threshold for the song, so that any drawing has an effect."""
    detector = random_detector()
    p = np.median(Session(Checkpoint(detector, threshold=0.5)).song(sung).p_sing)
    with torch.no_grad():
        detector.fc3.weight.mul_(4)
        detector.fc3.bias.mul_(4).sub_(4 * float(np.log(p / (1 - p))))
    return Session(Checkpoint(detector, threshold=0.5))


@pytest.fixture(scope="module")
def song(session, sung):
    return session.song(sung)


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    return tmp_path_factory.mktemp("drawings") / "mine"


@pytest.fixture
def page(session, song, drawings, browser):
    """Open the page and wait until it has explained the excerpt as it is."""
    with serving(Page(lambda: (session, song), drawings=drawings)) as client:
        browser.set_window_size(1300, 1700)
        browser.get(client.address)
        until(browser, lambda: text_of(browser, "before"))
        yield browser
        browser.get("about:blank")
        browser.get_log("browser")  # a rejected upload is logged, so the log is cleared for the next test


def until(browser, condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, browser.get_log("browser")
        time.sleep(0.05)
    return found


def text_of(browser, name):
    return browser.find_element(By.ID, name).text


def source_of(browser, name):
    return browser.execute_script(f"return document.getElementById('{name}').src")


def settled(browser):
    """Wait until the page has the sound, where it may be the same as before."""
    until(browser, lambda: browser.find_element(By.ID, "sounds").get_attribute("aria-busy") == "false")


def after_change(browser, act):
    """Act, and wait until the page has the sound, which comes last, of what is drawn then."""
    settled(browser)
    before = source_of(browser, "sound-after")
    act()
    until(browser, lambda: source_of(browser, "sound-after") not in ("", before))


def stroke(browser, *moves):
    canvas = browser.find_element(By.ID, "excerpt")
    chain = ActionChains(browser).move_to_element_with_offset(canvas, -150, -50).click_and_hold()
    for move in moves:
        chain = chain.move_by_offset(*move)
    chain.release().perform()


def drawn(browser):
    """Return the current drawing, by saving it under a separate name."""
    name = f"seen-{time.monotonic_ns()}"
    field = browser.find_element(By.ID, "name")
    field.clear()
    field.send_keys(name, Keys.ENTER)
    said = until(browser, lambda: f"{name}.npy" in text_of(browser, "saved") and text_of(browser, "saved"))
    return np.load(said.split("Saved as ")[1].split(". To use it")[0])


def weights(browser, table):
    rows = browser.find_elements(By.CSS_SELECTOR, f"#{table} tr")
    values = [[float(cell.text) for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]
    return np.array(values)[::-1].T.ravel()  # from rows of falling bands to segments


def test_a_stroke_is_drawn_explained_and_heard(page, session, song):
    before = text_of(page, "after")
    after_change(page, lambda: stroke(page, (120, 40), (120, -60)))
    coverage = drawn(page)
    assert 0.01 < (coverage > 0.5).mean() < 0.2
    start = int(page.find_element(By.ID, "start").get_attribute("value"))
    expected = session.explain(song, PlacedDrawing(start, coverage, 5))
    assert float(text_of(page, "after").split(",")[0]) == pytest.approx(expected["p_drawn"], abs=6e-4)
    assert text_of(page, "after") != before
    assert (text_of(page, "outcome") == "The label has flipped.") == expected["flips"]
    np.testing.assert_allclose(weights(page, "lime"), expected["lime"], atol=6e-4)
    np.testing.assert_allclose(weights(page, "shapley"), expected["shapley"], atol=6e-4)
    sets = expected["smallest_sets"]
    assert text_of(page, "sets-summary").startswith(f"{len(sets)} set" if sets else "No part")
    for name in ("sound-before", "sound-after"):
        played = page.execute_async_script(
            "const [name, done] = arguments; const a = document.getElementById(name); a.muted = true;"
            "a.ontimeupdate = () => a.currentTime > 0.2 && done([a.duration, a.error]); a.play();",
            name,
        )
        assert played[0] == pytest.approx((114 * 315 + 1024) / 22050 + 1, abs=0.6)
        assert played[1] is None
    assert source_of(page, "sound-before") != source_of(page, "sound-after")


def test_tools_change_what_is_drawn(page):
    after_change(page, lambda: stroke(page, (200, 0)))
    thin = drawn(page)
    page.execute_script("document.getElementById('width').value = 12")
    after_change(page, lambda: stroke(page, (200, 0)))
    thick = drawn(page)
    assert thick.sum() > 2 * thin.sum()
    after_change(page, lambda: page.find_element(By.ID, "undo").click())
    np.testing.assert_array_equal(drawn(page), thin)
    page.find_element(By.CSS_SELECTOR, "[value=rubber]").click()
    after_change(page, lambda: stroke(page, (100, 0)))
    assert 0 < drawn(page).sum() < thin.sum()
    p_before = text_of(page, "after")
    strength = page.find_element(By.ID, "strength")
    after_change(page, lambda: strength.send_keys(Keys.ARROW_RIGHT))
    assert text_of(page, "strength-value") == "5.5"
    assert text_of(page, "after") != p_before
    after_change(page, lambda: page.find_element(By.ID, "clear").click())
    assert text_of(page, "outcome") == "Nothing is drawn yet."


def test_ready_shapes_are_drawn_as_the_library_draws_them(page, session):
    assert Select(page.find_element(By.ID, "shape")).first_selected_option.text == "horse"
    after_change(page, lambda: page.find_element(By.ID, "stamp").click())
    np.testing.assert_allclose(drawn(page), session.shape("horse", (0.5, 0.5), (0.45, 0.45)), atol=0.003)


def test_the_keyboard_draws_too(page):
    canvas = page.find_element(By.ID, "excerpt")
    page.execute_script("arguments[0].focus()", canvas)
    after_change(page, lambda: canvas.send_keys(Keys.SPACE, Keys.ARROW_RIGHT * 10, Keys.ARROW_UP * 5, Keys.SPACE))
    coverage = drawn(page)
    assert coverage[57, 40] == coverage[67, 45] == 1
    assert coverage[67, 30] == coverage[40, 40] == 0
    after_change(page, lambda: canvas.send_keys("z"))
    assert text_of(page, "outcome") == "Nothing is drawn yet."
    slider = page.find_element(By.ID, "start")
    before = slider.get_attribute("aria-valuetext")
    after_change(page, lambda: slider.send_keys(Keys.ARROW_RIGHT))
    assert slider.get_attribute("aria-valuetext") != before


def test_screen_readers_are_told_of_everything(page):
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('input, select, button, canvas, audio')].filter(e =>"
        " !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && !e.textContent.trim()).map(e => e.outerHTML)"
    )
    assert unnamed == []
    live = page.find_elements(By.CSS_SELECTOR, "[aria-live=polite]")
    assert {element.get_attribute("id") for element in live} >= {"outcome", "state", "saved"}
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    assert page.execute_script("return performance.getEntriesByType('resource').every(r => r.name.startsWith(location.origin))")


def test_a_newer_stroke_supersedes_what_is_computed(page, session, song):
    for _ in range(3):
        stroke(page, (200, 30))
    after_change(page, lambda: stroke(page, (150, 90)))
    start = int(page.find_element(By.ID, "start").get_attribute("value"))
    expected = session.explain(song, PlacedDrawing(start, drawn(page), 5))
    assert float(text_of(page, "after").split(",")[0]) == pytest.approx(expected["p_drawn"], abs=6e-4)


def set_start(browser, start):
    browser.execute_script(
        "const s = document.getElementById('start'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))", start
    )


def test_another_tab_changes_neither_song_nor_stroke_of_this_one(page, session, song, tmp_path):
    other = tmp_path / "other.wav"
    soundfile.write(other, 0.2 * np.sin(np.arange(4 * 22050) / 9), 22050)
    first, address, before = page.current_window_handle, page.current_url, set(session._newest)
    page.switch_to.new_window("tab")
    try:
        page.get(address)
        until(page, lambda: source_of(page, "sound-after"))
        after_change(page, lambda: page.find_element(By.ID, "upload").send_keys(str(other)))
        assert text_of(page, "song-name") == "other.wav"
        page.switch_to.window(first)
        assert text_of(page, "song-name") == "a-song.wav"
        after_change(page, lambda: stroke(page, (120, 40)))
        start = int(page.find_element(By.ID, "start").get_attribute("value"))
        expected = session.explain(song, PlacedDrawing(start, drawn(page), 5))
        assert float(text_of(page, "after").split(",")[0]) == pytest.approx(expected["p_drawn"], abs=6e-4)
        assert len(set(session._newest) - before - {""}) == 1  # of the other tab, because a tab supersedes only its own strokes
    finally:
        page.switch_to.window(first)
        for handle in page.window_handles:
            if handle != first:
                page.switch_to.window(handle)
                page.close()
        page.switch_to.window(first)


def test_the_drawing_stays_when_another_excerpt_or_song_is_chosen(page, tmp_path):
    after_change(page, lambda: stroke(page, (120, 40)))
    after_change(page, lambda: stroke(page, (50, -90)))
    before, p_before = drawn(page), text_of(page, "after")
    after_change(page, lambda: set_start(page, 7))
    np.testing.assert_array_equal(drawn(page), before)
    assert text_of(page, "after") != p_before  # it is explained again
    other = tmp_path / "other.wav"
    soundfile.write(other, 0.2 * np.sin(np.arange(4 * 22050) / 9), 22050)
    after_change(page, lambda: page.find_element(By.ID, "upload").send_keys(str(other)))
    assert page.find_element(By.ID, "upload").get_attribute("value") == ""  # the same file can be chosen again
    np.testing.assert_array_equal(drawn(page), before)
    after_change(page, lambda: page.find_element(By.ID, "clear").click())
    assert text_of(page, "outcome") == "Nothing is drawn yet."
    assert not page.find_element(By.ID, "sets-figure").is_displayed()
    after_change(page, lambda: page.find_element(By.ID, "undo").click())
    np.testing.assert_array_equal(drawn(page), before)
    after_change(page, lambda: page.find_element(By.ID, "undo").click())
    assert 0 < drawn(page).sum() < before.sum()


def test_leaving_the_canvas_ends_the_stroke_and_escape_removes_the_cross(page, session):
    canvas = page.find_element(By.ID, "excerpt")
    canvas.send_keys(Keys.SPACE, Keys.ARROW_LEFT * 9)
    after_change(page, lambda: page.execute_script("document.activeElement.blur()"))
    before = drawn(page)
    assert before.any()
    canvas.send_keys(Keys.ARROW_UP * 20)
    np.testing.assert_array_equal(drawn(page), before)
    canvas.send_keys(Keys.SPACE, Keys.ARROW_LEFT * 5)
    canvas.send_keys("z")  # undoes the current stroke and ends it
    settled(page)
    canvas.send_keys(Keys.ARROW_LEFT * 5)
    np.testing.assert_array_equal(drawn(page), before)
    canvas.send_keys(Keys.SPACE, Keys.ARROW_LEFT * 5)
    after_change(page, lambda: page.find_element(By.ID, "clear").click())
    canvas.send_keys(Keys.ARROW_LEFT * 5, Keys.ESCAPE)
    ActionChains(page).context_click(canvas).perform()  # only the primary button draws
    after_change(page, lambda: page.find_element(By.ID, "stamp").click())
    np.testing.assert_allclose(drawn(page), session.shape("horse", (0.5, 0.5), (0.45, 0.45)), atol=0.003)


def test_p_sing_and_threshold_look_different_when_they_are(session, song, drawings, browser):
    nothing = np.zeros((115, 80), dtype=np.float32)
    near = Session(session.checkpoint, threshold=session.explain(song, PlacedDrawing(100, nothing, 5))["p_clean"] - 3e-5)
    with serving(Page(lambda: (near, song), drawings=drawings)) as client:
        browser.get(client.address)
        until(browser, lambda: source_of(browser, "sound-after"))
        set_start(browser, 100)
        settled(browser)
        p = text_of(browser, "before").removeprefix("P(sing) = ").split(",")[0]
        threshold = text_of(browser, "beside").removeprefix("(threshold ").rstrip(")")
        assert p != threshold
        assert float(p) == pytest.approx(float(threshold), abs=1e-3)
        assert "“sing”" in text_of(browser, "before")
        browser.get("about:blank")


def test_while_it_is_computed_and_after_an_error_old_answers_look_old(page):
    after_change(page, lambda: stroke(page, (120, 40)))
    page.execute_script("window.fetch = () => new Promise((_, reject) => { window.lose = reject; })")
    stroke(page, (50, -90))
    assert text_of(page, "outcome") == "computing …"
    for name in ("verdict", "why", "sounds"):
        assert "outdated" in page.find_element(By.ID, name).get_attribute("class")
        assert page.find_element(By.ID, name).get_attribute("aria-busy") == "true"
    page.execute_script("lose(new TypeError('Failed to fetch'))")
    until(page, lambda: "Start it again as before" in text_of(page, "outcome"))
    assert "outdated" in page.find_element(By.ID, "why").get_attribute("class")
    assert page.find_element(By.ID, "why").get_attribute("aria-busy") == "false"
    assert source_of(page, "sound-after") == ""
    page.execute_script("window.fetch = async () => new Response('<h1>Bad gateway</h1>', { status: 502 })")
    page.find_element(By.ID, "name").send_keys(Keys.ENTER)
    until(page, lambda: text_of(page, "saved") == "The page's server answered with error 502. See its terminal for details.")


def test_what_the_sound_is_taken_for_is_told_where_it_is_not_what_the_drawing_is(page, session, monkeypatch, tmp_path):
    sounds = session.sounds

    def other(song, drawing):
        p_drawn = session.explain(song, drawing)["p_drawn"]
        return *sounds(song, drawing)[:2], 0.125 if p_drawn > 0.5 else 0.875

    monkeypatch.setattr(session, "sounds", other)
    after_change(page, lambda: stroke(page, (120, 40)))
    drawing = until(page, lambda: text_of(page, "after")).split("“")[1].split("”")[0]
    sound = {"sing": "no sing", "no sing": "sing"}[drawing]
    assert f"the drawing is “{drawing}”, and its sound is “{sound}” with P(sing) = 0." in text_of(page, "sound-outcome")
    monkeypatch.setattr(session, "sounds", sounds)
    soundfile.write(tmp_path / "silence.wav", np.zeros(4 * 22050), 22050)
    after_change(page, lambda: page.find_element(By.ID, "upload").send_keys(str(tmp_path / "silence.wav")))
    assert text_of(page, "sound-outcome").startswith("The drawing is not audible: the song is digital silence there")


def test_a_page_that_cannot_begin_says_why(session, song, drawings, browser):
    class Broken:
        whole = True

        def listing(self):
            if self.whole:
                return []
            raise RuntimeError("unforeseen")

    run = Broken()
    with serving(Page(lambda: (session, song), drawings=drawings, run=run)) as client:
        run.whole = False
        browser.get(client.address)
        said = until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#state.error"))[0].text
        assert "internal error of the server" in said
        browser.get("about:blank")
        browser.get_log("browser")


def test_a_broken_upload_says_what_is_wrong_and_the_page_lives(page, tmp_path):
    broken, other = tmp_path / "broken.ogg", tmp_path / "other.wav"
    broken.write_bytes(b"no audio at all")
    soundfile.write(other, 0.2 * np.sin(np.arange(4 * 22050) / 9), 22050)
    page.find_element(By.ID, "upload").send_keys(str(broken))
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, "#state.error"))
    said = text_of(page, "state")
    assert "broken.ogg" in said
    assert "Traceback" not in said
    assert text_of(page, "song-name") == "a-song.wav"
    after_change(page, lambda: page.find_element(By.ID, "upload").send_keys(str(other)))
    assert text_of(page, "song-name") == "other.wav"
    after_change(page, lambda: stroke(page, (100, 20)))


# --- a run: Figure 1 with a saved drawing, and its perturbations ------------------------------------------------------


@pytest.fixture(scope="module")
def finished(finished_run, tmp_path_factory, drawings, session):
    """Return a run whose only shape is one that was saved by the page (and by this fixture, where that test did not run)."""
    if not list(drawings.glob("*.npy")):
        drawings.mkdir(exist_ok=True)
        np.save(drawings / "mine.npy", session.shape("horse", (0.5, 0.5), (0.8, 0.8)))
    for extra in sorted(drawings.glob("*.npy"))[1:]:
        extra.unlink()
    workspace = Workspace.copy_of(finished_run, tmp_path_factory.mktemp("run") / "copy")
    own = workspace.configure("own", SMALL, {"drawings": {"folder": str(drawings), "shapes": []}})
    done = workspace.snakemake("figure1", config=own)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace.folder / "results" / "small"


def test_the_drawing_is_in_figure_1_of_a_run(finished, drawings):
    (name,) = (path.stem for path in drawings.glob("*.npy"))
    (artefact,) = (finished / "drawings").glob("*.h5")
    found = store.read(artefact, DrawnExcerpt)
    assert (finished / "figures" / "figure1.png").stat().st_size > 10_000
    assert not found.found or found.shape == name  # the only configured drawing


def test_segments_of_a_perturbation_are_toggled_until_the_label_flips(finished, browser, drawings):
    run = FinishedRun(finished)
    session = Session(run.checkpoint, threshold=run.threshold)
    song = session.song(run.song())
    with serving(Page(lambda: (session, song), drawings=drawings, run=run)) as client:
        browser.get(client.address)
        until(browser, lambda: text_of(browser, "run-outcome"))
        row = run.listing()[0]
        chosen = run.excerpt(row["domain"], row["song"], 0)
        original = str(chosen.excerpts.original[0])
        assert "not flipped" in text_of(browser, "run-outcome")
        mask = 0
        for segment in chosen.rankings["norm"]:
            browser.find_element(By.CSS_SELECTOR, f"[data-segment='{segment}']").click()
            mask |= 1 << segment
            p, flips = chosen.p_sing[mask], (chosen.p_sing[mask] > run.threshold) != (original == "sing")
            assert text_of(browser, "run-outcome").startswith(f"P(sing) = {p:.3f}")
            assert ("flipped" in text_of(browser, "run-outcome")) == flips
            if flips:
                break
        assert flips  # the whole perturbation flips
        pressed = browser.find_elements(By.CSS_SELECTOR, "[aria-pressed=true]")
        assert sum(1 << int(button.get_attribute("data-segment")) for button in pressed) == mask
        slider = browser.find_element(By.ID, "k")
        slider.send_keys(Keys.ARROW_RIGHT)
        rows = {tr.get_attribute("data-choice"): tr for tr in browser.find_elements(By.CSS_SELECTOR, "#choices tbody tr")}
        expected = {
            "LIME": sum(1 << s for s in chosen.rankings["lime"][:4]),
            "norm": sum(1 << s for s in chosen.rankings["norm"][:4]),
            "best": chosen.best[4],
        }
        for name, one in expected.items():
            cells = [cell.text for cell in rows[name].find_elements(By.TAG_NAME, "td")]
            assert cells[1] == ", ".join(str(s) for s in range(20) if one >> s & 1)
            assert cells[2] == f"{chosen.p_sing[one]:.3f}"
        rows["best"].find_element(By.CSS_SELECTOR, "[aria-label^=Listen]").click()
        sound = until(browser, lambda: source_of(browser, "run-audio"))
        audio, _ = run.sound(row["domain"], row["song"], 0, [s for s in range(20) if expected["best"] >> s & 1])
        assert len(base64.b64decode(sound.split(",")[1])) == 44 + 2 * len(audio)
        assert browser.get_log("browser") == []


def test_a_damaged_file_of_a_run_is_named_and_the_rest_of_the_page_lives(finished, browser, drawings, tmp_path):
    shutil.copytree(finished, tmp_path / "damaged")
    run = FinishedRun(tmp_path / "damaged")
    threshold = run.threshold
    (first, path), *others = run.paths.items()
    path.write_bytes(path.read_bytes()[:1000])
    assert run.threshold == threshold
    broken = [row for row in run.listing() if "error" in row]
    assert [(row["domain"], row["song"]) for row in broken] == [first]
    assert str(path) in broken[0]["error"]
    for _, other in others:
        other.write_bytes(b"")
    assert run.threshold is None
    session = Session(run.checkpoint, threshold=run.threshold)
    song = session.song(run.song())
    browser.set_window_size(1300, 1700)
    browser.get("about:blank")
    browser.get_log("browser")  # requests of the previous page to a server that has ended
    with serving(Page(lambda: (session, song), drawings=drawings, run=run)) as client:
        browser.get(client.address)
        until(browser, lambda: source_of(browser, "sound-after"))
        assert all(str(path) in text_of(browser, "run-broken") for path in run.paths.values())
        after_change(browser, lambda: stroke(browser, (100, 20)))
        assert browser.get_log("browser") == []


def test_an_intact_file_without_settings_is_named(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "other")
    run = FinishedRun(tmp_path / "other")
    (first, path), *_ = run.paths.items()
    store.write(path, store.read(path, Excerpts), {"inputs": "{}"})
    broken = [row for row in run.listing() if "error" in row]
    assert [(row["domain"], row["song"]) for row in broken] == [first]
    assert broken[0]["error"] == f"{path}: lacks the attribute settings. Delete it and run snakemake again."


def test_a_run_of_something_else_is_refused(tmp_path, finished):
    from veracity.errors import VeracityError

    with pytest.raises(VeracityError, match="not a finished run"):
        FinishedRun(tmp_path)
    with pytest.raises(VeracityError, match="no excerpts of"):
        FinishedRun(finished).excerpt("waveform", "other", 0)
    with pytest.raises(VeracityError, match="number"):
        FinishedRun(finished).excerpt("waveform", "synthetic-test-01", 99)
