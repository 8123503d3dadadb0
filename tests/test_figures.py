"""Figures of artificial tables: texts and marks with few songs, equal songs and empty panels."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from veracity.attacks.settings import DOMAINS
from veracity.experiments.flips import TOP_SEGMENTS
from veracity.labels import BASE, LABELS
from veracity.results import (
    compare,
    controls,
    faithfulness_to_own_game,
    fidelity_vs_correctness,
    figure4,
    figure_explainers,
    figure_leaderboard,
    gap,
    truths,
)
from veracity.results.canvas import new_figure, put_footnote, signed
from veracity.results.figure1 import decision_title
from veracity.results.panels import counted, panels
from veracity.results.study import EMPTY

PANELS = list(itertools.product(DOMAINS, LABELS))


def texts_of(figure):
    """Return all texts of a figure after drawing, which places tick labels."""
    figure._repr_png_()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def gap_rows(n_songs=12, panels=PANELS):
    """Return a table of the gap with a part that is rounded to zero, and one in which all songs agree."""
    parts = {"sampling": -0.001, "surrogate": 0.02, "scale": -0.004, "question": 0.4, "remains": 0.0, "gap": 0.415}
    rows = []
    for (domain, original), (name, mean) in itertools.product(panels, parts.items()):
        known = n_songs > 1 and name != "remains"
        interval = {"low": mean - 0.003 if known else np.nan, "high": mean + 0.1 if known else np.nan}
        names = {"domain": domain, "original": original, "kind": "gap" if name == "gap" else "part", "part": name}
        rows.append({**names, "n_songs": n_songs, "n": 5 * n_songs, "mean": mean, **interval, "largest": name == "question"})
    return pd.DataFrame(rows)


def test_panels_have_titles_counts_and_a_reason_if_they_are_empty():
    figure, axes = new_figure(2, 2, (6, 6))
    rows = pd.DataFrame([{"domain": "waveform", "original": "sing", "n": 1, "n_songs": 1}])
    drawn = [part for _, part in panels(axes, rows, label_name="a $ dog", empty="nothing flipped")]
    assert len(drawn) == 1
    texts = texts_of(figure)
    assert texts.count("nothing flipped") == 3
    assert "waveform, “a \\$ dog” → “no a \\$ dog”\n1 excerpt of 1 song" in texts
    assert counted(75, 15) == "75 excerpts of 15 songs"


def test_signed_of_a_number_that_rounds_to_zero_has_no_sign():
    assert [signed(value) for value in (-0.004, 0.0, 0.004, -0.006, 0.25)] == ["0.00", "0.00", "0.00", "−0.01", "+0.25"]
    assert [signed(value, 0) for value in (-0.4, 100.2, -10)] == ["0", "+100", "−10"]


def test_footnote_has_lines_that_fit_the_figure():
    figure, _ = new_figure(1, 1, (5, 4))
    put_footnote(figure, "several words " * 40)
    assert max(map(len, figure._supxlabel.get_text().split("\n"))) <= 100


def test_gap_figure_has_no_negative_zero_and_reports_equal_songs():
    texts = texts_of(gap.plot(gap_rows(), footnote="note"))
    assert not [text for text in texts if "-0.00" in text or "−0.00" in text]
    assert texts.count("0.00 (all songs agree)") == 4
    assert texts.count("+0.40 (+0.40 to +0.50)") == 4
    assert texts.count("0.58 (0.48 to 0.59)") == 4  # LIME's score


def test_gap_figure_of_one_song_and_an_empty_panel_has_no_intervals():
    texts = texts_of(gap.plot(gap_rows(n_songs=1, panels=PANELS[:3]), footnote="note", label_name="dog"))
    assert "+0.40 (one song)" in texts
    assert texts.count(EMPTY) == 1


def many_explainers(n=30):
    """Return rows for explainers of all kinds with two query budgets."""
    names = [("lime", "mean", False, "up to 16384"), ("norm", "", True, "none")]
    for i in range(n):
        fill, privileged = (("mean", False), ("mean", True), ("clean", True))[i % 3]
        names.append((f"explainer-{i}", fill, privileged, ("up to 512", "up to 2048")[i % 2]))
        names.append((f"explainer-{i}", "zero", False, ("up to 512", "up to 2048")[i % 2]))
    return [dict(zip(("explainer", "fill", "privileged", "budget"), one, strict=True)) for one in names]


def test_explainers_figure_has_at_most_eight_curves_with_the_same_explainers_in_each_panel():
    names = many_explainers() + [
        {"explainer": one, "fill": "", "privileged": False, "budget": ""} for one in figure_explainers.BOUNDS
    ]
    keys = [{"domain": domain, "original": original, "n_songs": 3, "n": 9} for domain, original in PANELS]
    rows = pd.DataFrame(
        [{**key, **one, "k": k, "percent": k * (1 + i % 7)} for key in keys for i, one in enumerate(names) for k in range(1, 6)]
    )
    figure = figure_explainers.plot(rows, footnote="note")
    assert [len(ax.lines) for ax in figure.axes] == [8] * 4
    assert {"lime (mean)", "norm, privileged"} <= set(texts_of(figure))


def test_leaderboard_figure_has_the_best_of_each_budget_and_lime():
    names = many_explainers()
    rows = pd.DataFrame(
        [
            {"domain": domain, "original": original, **one, "n_songs": 12, "n": 60, "mean": i / 100, "low": 0.0, "high": 1.0}
            for domain, original in PANELS
            for i, one in enumerate(names)
        ]
    )
    texts = texts_of(figure_leaderboard.plot(rows, pd.DataFrame(), fill="mean", footnote="note"))
    assert {"lime (mean)", "explainer-27 (mean)", "explainer-29 (clean)", "query budget: none"} <= set(texts)
    assert not {"explainer-0 (mean)", "explainer-27 (zero)"} & set(texts)
    assert len(figure_leaderboard._order(rows, "mean")) == 2 + 2 * 2 * 2  # LIME, the norm; two budgets with and without access


def test_own_games_figure_has_a_mark_for_each_kind_and_fill_and_the_rank_correlation():
    kinds = [("mean", False), ("zero", False), ("mean", True), ("clean", True)]
    rows = pd.DataFrame(
        [
            {"domain": domain, "original": original, "explainer": "lime", "fill": fill, "n_songs": 12, "n": 60}
            | {"kind": faithfulness_to_own_game.kind_of(fill, privileged=privileged), "own_game": 0.1 * i, "truth": 0.2 * i}
            for domain, original in PANELS
            for i, (fill, privileged) in enumerate(kinds)
        ]
    )
    found = {"fill": "mean", "among": "all", "n_explainers": 20, "rank_correlation": 0.42, "low": 0.1, "high": 0.6}
    agreed = pd.DataFrame([{"domain": "waveform", "original": "sing", **found}])
    texts = texts_of(faithfulness_to_own_game.plot(rows, agreed, fill="mean", footnote="note"))
    assert {"fill game (mean)", "fill game (zero)", "fill game, privileged (mean)", "perturbation game"} <= set(texts)
    assert sum("rank correlation +0.42 (+0.10 to +0.60), 20 explainers" in text for text in texts) == 1
    assert sum("rank correlation: not determined" in text for text in texts) == 3


def test_truths_figure_reports_the_share_that_is_exactly_monotone_on_equal_axes():
    undone = [0.0, 0.0, 0.0, 0.4]
    rows = [
        {"song": "a", "domain": "waveform", "original": "sing", "smallest_size": 2, "n_minimal": 9, "not_monotone": one}
        for one in undone
    ]
    rows = pd.DataFrame(rows).assign(monotone=lambda x: (x.not_monotone == 0).astype(float))
    figure = truths.plot(rows, footnote="note")
    assert "waveform: 75 % exactly monotone" in texts_of(figure)
    assert all(
        left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()
        for left, right in np.reshape(figure.axes, (3, 2))
    )
    (curve,) = figure.axes[5].lines
    assert curve.get_xydata().tolist() == [[0, 75], [40, 100], [100, 100]]


def test_fidelity_worth_figure_has_all_fills_and_ends_at_one():
    counts = {"n_songs": 3, "n_right": 4, "n_wrong": 2, "pairs": 5, "auc": 0.7, "low": np.nan, "high": np.nan}
    rows = [
        {
            "domain": domain,
            "original": original,
            "explainer": "lime",
            "fill": fill,
            "predictor": predictor,
            "among": "all",
            **counts,
        }
        for domain, original in [*PANELS, ("all", "all")]
        for fill in ("zero", "mean", "min")
        for predictor in fidelity_vs_correctness.PREDICTORS
    ]
    figure = fidelity_vs_correctness.plot(pd.DataFrame(rows), fill="mean", footnote="note")
    assert [ax.get_title().split("\n")[0] for ax in figure.axes[::2]] == ["fill: mean (default)", "fill: zero", "fill: min"]
    assert {ax.get_xlim() for ax in figure.axes} == {(0, 1)}
    assert texts_of(figure).count("4 correct, 2 wrong; 5 pairs of 3 songs") == 15


def test_controls_figure_has_the_margin_as_a_band_and_reports_equal_songs():
    row = {
        "control": "shortcut",
        "domain": "waveform",
        "fill": "",
        "privileged": False,
        "score": controls.RECALL,
        "expected": "chance",
    }
    row |= {"chance": 0.05, "n_songs": 6, "n": 24, "n_tried": 30, "verdict": controls.HOLDS, "why": ""}
    rows = pd.DataFrame(
        [
            {**row, "explainer": "agreed", "mean": 1.0, "low": np.nan, "high": np.nan},
            {**row, "explainer": "varied", "mean": 0.1, "low": 0.0, "high": 0.2},
        ]
    )
    figure = controls.plot(rows, controls.scores([]), margin=0.2, footnote="note")
    assert texts_of(figure).count("all songs agree") == 1
    (band,) = figure.axes[0].patches
    assert (band.get_x(), band.get_width()) == (pytest.approx(-0.15), pytest.approx(0.4))


@pytest.mark.parametrize(
    ("p", "threshold", "title"),
    [
        (0.31, 0.5, "$f(x)$ = 0.31, threshold 0.50: “no sing”"),
        (0.87, 0.5, "$f(x)$ = 0.87, threshold 0.50: “sing”"),
        (0.5012, 0.5, "$f(x)$ = 0.5012, threshold 0.5000: “sing”"),
        (0.499996, 0.5, "$f(x)$ = 0.499996, threshold 0.500000: “no sing”"),
        (0.5, 0.5, "$f(x)$ = 0.50, threshold 0.50: “no sing”"),
    ],
)
def test_figure1_title_has_the_digits_that_show_the_decision(p, threshold, title):
    assert decision_title(p, threshold) == title


def test_figure4_has_points_instead_of_a_box_for_fewer_than_ten_values():
    keys = {"domain": "waveform", "original": "sing", "method": "sampled"}
    rows = [
        {**keys, "song": f"s{i % 3}", "correct": correct, "fidelity": 0.5}
        for correct, n in ((True, 10), (False, 9))
        for i in range(n)
    ]
    figure = figure4.plot(pd.DataFrame(rows), footnote="note")
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in points] == [10, 9]
    boxes = [line for line in figure.axes[0].lines if line.get_marker() != "o" and len(line.get_xdata())]
    assert {round(float(np.mean(line.get_xdata()))) for line in boxes} == {1}
    assert "wrong\n(9 excerpts of 3 songs)" in texts_of(figure)


def test_compare_figure_has_paired_differences_with_intervals():
    curves = pd.DataFrame(columns=["variant", "domain", "original", "measure", "k", "n_songs", "n_excerpts", "value"])
    keys = {"variant": "other", "domain": "waveform", "original": "nosing", "k": TOP_SEGMENTS}
    table = pd.DataFrame(
        [
            {**keys, "measure": "lime", "difference": 0.1, "difference_low": -0.1, "difference_high": 0.3},
            {**keys, "measure": "norm", "difference": 0.0, "difference_low": np.nan, "difference_high": np.nan},
        ]
    )
    figure = compare.plot(curves, table, [BASE, "other"], footnote="note")
    differences = figure.axes[-4]
    ends = [list(line.get_xdata()) for line in differences.lines if len(line.get_xdata()) == 2]
    assert ends[0] == pytest.approx([-10, 30])
    assert texts_of(figure).count("no song in both runs") == 3
