"""The report in a real browser without a network: every figure is shown."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from veracity.results.report import CAPTIONS, write_report

FIGURES = [name for name in CAPTIONS if name.startswith("figure")]


@pytest.fixture(scope="module")
def page(tmp_path_factory, browser):
    """Open a report of pictures of different sizes and of small tables."""
    folder = tmp_path_factory.mktemp("report")
    figures, tables = {}, {}
    for number, name in enumerate([*FIGURES, "costs"]):
        figure = plt.figure(figsize=(4 + number, 2))
        figure.savefig(folder / f"{name}.png", dpi=100)
        plt.close(figure)
        figures[name] = folder / f"{name}.png"
    for name in CAPTIONS:
        if name not in FIGURES:
            tables[name] = folder / f"{name}.csv"
            pd.DataFrame({"song": [name], "percent": [12.5], "corpus": ["a note"]}).to_csv(tables[name], index=False)
    configuration = {"run": "browser", "corpus": {"note": "a corpus of a test"}, "seed": 0}
    write_report(folder / "report.html", figures=figures, tables=tables, configuration=configuration)
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
    captions = page.execute_script("return [...document.querySelectorAll('figcaption')].map(c => c.innerText)")
    assert all(CAPTIONS[name] in caption for name, caption in zip([*FIGURES, "costs"], captions, strict=True))


def test_nothing_is_fetched_and_nothing_fails(page):
    fetched = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert page.get_log("browser") == []


def test_the_page_is_not_wider_than_the_window(page):
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
