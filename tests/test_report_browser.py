"""The report in a real browser without a network: every figure is shown."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile
from selenium.webdriver.common.keys import Keys

from veracity.results.pooling import as_markdown
from veracity.results.report import CAPTIONS, write_report

LENGTHS = {"original": 1.0, "adversarial": 1.2, "perturbation": 1.4, "lime": 1.6, "best": 1.8}  # seconds
FIGURES = [name for name in CAPTIONS if name.startswith("figure")]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory, browser):
    """Open a report with images of different sizes and small tables."""
    folder = tmp_path_factory.mktemp("report")
    figures, tables = {}, {}
    for number, name in enumerate([*FIGURES, "costs"]):
        figure = plt.figure(figsize=(4 + number, 2))
        figure.savefig(folder / f"{name}.png", dpi=100)
        plt.close(figure)
        figures[name] = folder / f"{name}.png"
    for name in CAPTIONS:
        if name not in FIGURES:
            tables[name] = folder / f"{name}.md"
            shown = pd.DataFrame({"song | name": [name, "b", "c"], "flips": ["9 % (1 of 11)", "100 % (11 of 11)", "none"]})
            page = as_markdown(shown if name != "fidelity" else shown[:0])
            tables[name].write_text(f"# {name}\n\nCorpus: a note.\n\n{page}\n", encoding="utf-8")
    sounds = folder / "listening"
    sounds.mkdir()
    heard = []
    for sound, seconds in LENGTHS.items():
        alone = sound == "perturbation"
        samples = np.sin(np.arange(round(seconds * 22050)) / 20) * 0.3
        soundfile.write(sounds / f"{sound}.flac", samples, 22050, subtype="PCM_16")
        row = {
            "domain": "waveform",
            "original": "sing",
            "song": "a-song",
            "seconds": 12.5,
            "sound": sound,
            "file": f"{sound}.flac",
        }
        row |= {"segments": "{3}" if sound == "best" else "", "gain_db": 31.0 if alone else 0.0, "p_heard": 0.75}
        told = {"p_sing": None, "flips": None, "flips_heard": None}
        heard.append({**row, **(told if alone else {"p_sing": 0.25, "flips": 1.0, "flips_heard": 0.0})})
    pd.DataFrame(heard).to_csv(folder / "listening.csv", index=False)
    configuration = {"run": "browser", "corpus": {"note": "a corpus of a test"}, "seed": 0}
    said = {"warnings": ["a song is odd <b>", "another"], "inputs": {"a/song.ogg": "0123456789abcdef"}, "sounds": sounds}
    write_report(folder / "report.html", figures=figures, tables=tables, configuration=configuration, **said)
    browser.get((folder / "report.html").as_uri())
    return browser


def test_every_figure_is_shown_in_full(page):
    shown = page.execute_script(
        "return [...document.images].map(i => [i.alt, i.complete, i.naturalWidth, i.getBoundingClientRect().width,"
        " i.checkVisibility()])"
    )
    assert [name for name, *_ in shown] == [*FIGURES, "costs"]
    for number, (_, complete, natural_width, width, visible) in enumerate(shown):
        assert complete
        assert natural_width == 400 + 100 * number
        assert 0 < width <= 1200
        assert visible


def test_figures_come_before_tables_before_provenance(page):
    tops = page.execute_script(
        "return ['figures', 'tables', 'provenance'].map(id => document.getElementById(id).getBoundingClientRect().top)"
    )
    assert tops == sorted(tops)
    captions = page.execute_script("return [...document.querySelectorAll('figure[id] figcaption')].map(c => c.innerText)")
    assert all(CAPTIONS[name] in caption for name, caption in zip([*FIGURES, "costs"], captions, strict=True))


def test_each_player_plays(page):
    page.set_script_timeout(60)
    page.find_element("css selector", "h1").click()  # browsers require a click before they play audio
    played = page.execute_async_script("""
        const done = arguments[0], found = [];
        (async () => {
          for (const one of document.querySelectorAll("audio")) {
            one.muted = true;
            await one.play();
            while (one.currentTime === 0) await new Promise(next => setTimeout(next, 20));
            one.pause();
            found.push([one.getAttribute("aria-label"), one.duration, one.error, one.checkVisibility()]);
          }
          done(found);
        })().catch(error => done([["failed", String(error), null, false]]));
    """)
    assert played[0][0] != "failed", played
    assert [round(duration, 2) for _, duration, _, _ in played] == list(LENGTHS.values())
    assert all(error is None and visible for _, _, error, visible in played)
    assert played[0][0] == "waveform, “sing” → “no sing”: a-song at 12.5 s: original"
    words = page.execute_script("return [...document.querySelectorAll('.players figcaption')].map(c => c.innerText)")
    assert words[2] == "perturbation alone, +31 dB. The sound: f(x) 0.750."
    assert words[4] == "smallest flip set (segments {3}). f(x) 0.250, flips. The sound: f(x) 0.750, does not flip."


def test_nothing_is_fetched_and_nothing_fails(page):
    fetched = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert page.get_log("browser") == []


def test_the_page_is_not_wider_than_the_window(page):
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def column(page, name, number):
    return page.execute_script(
        f"return [...document.querySelectorAll('#table-{name} tbody tr')].map(r => r.cells[{number}].innerText)"
    )


def test_tables_are_those_for_reading_and_a_click_sorts_them(page):
    assert column(page, "table1", 1) == ["9 % (1 of 11)", "100 % (11 of 11)", "none"]
    headings = page.execute_script("return [...document.querySelectorAll('#table-table1 th')].map(h => h.innerText)")
    assert headings == ["song | name", "flips"]
    assert "(3 rows.)" in page.find_element("css selector", "#table-table1 p.caption").text
    button = page.find_element("css selector", "#table-table1 th:nth-child(2) button")
    button.click()
    button.click()  # falling
    assert column(page, "table1", 1) == ["100 % (11 of 11)", "9 % (1 of 11)", "none"]  # by value, not as text
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    button.send_keys(Keys.ENTER)  # by keyboard, too
    assert column(page, "table1", 1) == ["9 % (1 of 11)", "100 % (11 of 11)", "none"]
    assert "no excerpt flipped" in page.find_element("css selector", "#table-fidelity p.caption").text


def test_warnings_stand_on_top_and_provenance_says_what_was_read(page):
    warnings = page.find_element("id", "warnings")
    assert warnings.find_element("tag name", "summary").text == "2 warnings of this run"
    assert [one.text for one in warnings.find_elements("tag name", "li")] == ["a song is odd <b>", "another"]
    top = page.execute_script("return document.getElementById('warnings').getBoundingClientRect().top")
    assert top < page.execute_script("return document.getElementById('figures').getBoundingClientRect().top")
    text = page.find_element("tag name", "body").text
    assert "a/song.ogg: 0123456789abcdef" in text
    assert "Commit: " in text
