"""The tables of the truth study: exact explainers are read off, parts add up, chance scores chance, statistics by hand."""

import numpy as np
import pandas as pd
import pytest
from networks import flipping_excerpts, random_detector

from veracity.errors import ConfigError
from veracity.experiments import attributions, explanations, flips
from veracity.explainers.lime import LimeSettings
from veracity.explainers.settings import READ_OFF, ready
from veracity.games import readouts
from veracity.games.models import explained_model
from veracity.results import (
    contrasts,
    explainer_costs,
    fidelity_worth,
    figure_explainers,
    figure_leaderboard,
    gap,
    leaderboard,
    own_games,
    scores,
    truths,
)
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, as_markdown, read_table
from veracity.results.study import BOUNDS, budget_of

LIME = LimeSettings(n_time=3, n_band=2, n_samples=256, fills=("mean", "zero", "min"))
ASKED = ("shapley", "banzhaf", "smallest_set", "shapley_perturbation", "random_order", "constant", "occlusion", "beam_search")
N_SONGS = 7


@pytest.fixture(scope="module")
def artefacts():
    """Give the stages of some songs of random excerpts, on six segments."""
    network = random_detector(seed=3).network()
    grid = LIME.grid(115, 80)
    model = explained_model(network, grid)
    found = {"flips": [], "explanations": [], "attributions": []}
    for i in range(N_SONGS):
        song, excerpts = f"song-{i}", flipping_excerpts(network, seed=i)
        explained = explanations.compute(excerpts, model, LIME, seed=0, song=song)
        found["explanations"].append((song, "waveform", explained))
        found["flips"].append((song, "waveform", flips.compute(excerpts, explained, model, LIME, seed=0, song=song)))
        for name in ASKED:
            answer = attributions.compute(excerpts, model, ready(name), grid, seed=0, domain="waveform", song=song)
            found["attributions"].append((song, "waveform", answer))
    return found


@pytest.fixture(scope="module")
def table(artefacts, tmp_path_factory):
    """Give the table of scores as it is read back."""
    found = scores.table(*artefacts.values(), seed=0, n_samples=LIME.n_samples, n_rankings=500)
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    found.to_csv(path, index=False, float_format="%.6g")
    return read_table(path)


def of(table, explainer, fill):
    return table[(table.explainer == explainer) & (table.fill == fill)].reset_index(drop=True)


@pytest.mark.parametrize(
    ("read", "asked", "fill"),
    [
        ("shapley", "shapley_asked", "mean"),
        ("banzhaf", "banzhaf_asked", "mean"),
        ("smallest_set", "smallest_set_asked", "mean"),
        ("shapley", "shapley_perturbation", "clean"),
    ],
)
def test_what_is_read_off_is_what_an_explainer_would_answer(artefacts, table, read, asked, fill):
    keys = ["song", "excerpt"]
    first, second = of(table, read, fill), of(table, asked, fill)
    assert len(second) == 4 * N_SONGS
    second = first[keys].merge(second, on=keys)  # where the fill alone decides there is no smallest set
    assert len(first) > (0 if read == "smallest_set" else 4 * N_SONGS - 1)
    columns = ["aufc", "excess_k", "rank_accuracy", "pointing", *(f"flips_{k}" for k in range(1, 6))]
    pd.testing.assert_frame_equal(first[columns], second[columns])
    assert not first.privileged.any() or fill == "clean"


def test_every_excerpt_has_a_row_for_every_explainer(table):
    assert set(READ_OFF) <= set(table.explainer)
    assert set(BOUNDS) <= set(table.explainer)
    counts = table[table.explainer != "smallest_set"].groupby(["explainer", "fill"]).size()
    assert (counts == 4 * N_SONGS).all()
    assert (table.groupby("explainer").budget.nunique() <= table.groupby("explainer").fill.nunique()).all()
    assert set(table.fill) == {"", "mean", "zero", "min", "clean"}
    assert [budget_of(rows, 6) for rows in (0, 7, 63, 64, 256)] == ["nothing", "a few passes", "512 rows", *["all masks"] * 2]
    assert [budget_of(rows, 20) for rows in (256, 2048, 8192, 2**18, 2**20)] == [
        *("512 rows", "2048 rows", "8192 rows", "more rows", "all masks"),
    ]
    assert of(table, "norm", "").privileged.all()


def test_bounds_are_bounds(table):
    curves = [f"flips_{k}" for k in range(1, 6)]
    keys = ["song", "excerpt", "original"]
    best, worst = (of(table, name, "").set_index(keys)[curves] for name in ("best_set", "worst_set"))
    ranking = of(table, "best_ranking", "").set_index(keys)
    for name, part in table[~table.explainer.isin(BOUNDS)].groupby(["explainer", "fill"]):
        one = part.set_index(keys)
        assert (one[curves] <= best.loc[one.index]).all().all(), name
        assert (one[curves] >= worst.loc[one.index]).all().all(), name
        assert (one.aufc <= ranking.aufc.loc[one.index] + 1e-9).all(), name
    assert ((ranking.aufc_normalised == 1) | ranking.aufc_normalised.isna()).all()
    np.testing.assert_allclose(of(table, "random_set", "")[curves].mean(axis=1), of(table, "norm", "").chance_aufc, atol=1e-5)


def test_who_knows_nothing_scores_chance(table):
    for name in ("random_order", "constant"):
        one = of(table, name, "mean")
        for score in ("aufc", "best_match_recall", "rank_accuracy", "pointing"):
            difference = one[score] - one[f"chance_{score}"]
            assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(one)) + 1e-9, (name, score)
    assert of(table, "constant", "mean").own_game_tau.isna().all()  # it has no order that could agree


def test_the_solution_of_a_game_agrees_with_itself(table):
    for fill in ("mean", "zero", "min", "clean"):
        np.testing.assert_allclose(of(table, "shapley", fill).own_game_tau, 1)
    assert of(table, "norm", "").own_game_tau.isna().all()


def test_a_constant_added_to_logits_changes_no_weights():
    values = np.random.default_rng(0).normal(size=64)
    for solve in (readouts.shapley, readouts.banzhaf):
        np.testing.assert_allclose(solve(values + 7), solve(values), atol=1e-12)


def test_the_parts_of_the_gap_add_up_to_all_of_it(table):
    found = gap.table(table, fill="mean", seed=0)
    assert set(found.kind) == {"part", "gap", "instead"}
    for _, panel in found.groupby(["domain", "original"]):
        parts = panel[panel.kind == "part"]
        assert list(parts.part) == list(gap.PARTS)
        assert parts["mean"].sum() == pytest.approx(panel[panel.kind == "gap"]["mean"].iloc[0], abs=1e-5)
        assert parts.part[parts.largest].tolist() == [parts.part[parts["mean"].idxmax()]]
    sing = table[table.original == "sing"].set_index(["explainer", "fill", "song", "excerpt"]).aufc_normalised

    def value(explainer, fill):
        return sing[explainer, fill].groupby("song").mean().mean()

    def part(name):
        return found[(found.original == "sing") & (found.part == name)]["mean"].iloc[0]

    assert part("sampling") == pytest.approx(value("lime_exact", "mean") - value("lime", "mean"), abs=1e-5)
    assert part("remains") == pytest.approx(1 - value("shapley_logit", "clean"), abs=1e-5)
    # The scale, by hand: changed first (a third), between the others (a sixth each way), last (a third).
    steps = [
        (1 / 3, value("lime_logit", "mean") - value("lime_exact", "mean")),
        (1 / 6, value("shapley_logit", "mean") - value("shapley", "mean")),
        (1 / 6, value("lime_logit", "clean") - value("lime_exact", "clean")),
        (1 / 3, value("shapley_logit", "clean") - value("shapley", "clean")),
    ]
    assert part("scale") == pytest.approx(sum(share * step for share, step in steps), abs=1e-5)
    assert figure_of(gap.plot(found, footnote="note"))


def figure_of(figure):
    return figure._repr_png_().startswith(b"\x89PNG")


def test_the_leaderboard_is_the_mean_of_songs(table):
    found = leaderboard.table(table, seed=0)
    assert not set(found.explainer) & set(BOUNDS)
    one = found[
        (found.explainer == "lime") & (found.fill == "mean") & (found.score == "sufficiency") & (found.original == "sing")
    ]
    rows = of(table, "lime", "mean")
    rows = rows[rows.original == "sing"]
    assert one["mean"].iloc[0] == pytest.approx(rows.groupby("song").sufficiency.mean().mean())
    assert (one.n_songs.iloc[0], one.n.iloc[0]) == (N_SONGS, 2 * N_SONGS)
    assert one.chance.iloc[0] == pytest.approx(rows.groupby("song").chance_sufficiency.mean().mean())
    page = as_markdown(leaderboard.page(found))
    assert "lime (mean)" in page
    assert "sees the clean excerpt" in page
    games = own_games.table(found)
    assert not games.own_game.isna().any()
    assert "norm" not in set(games.explainer)
    assert figure_of(own_games.plot(games, footnote="note"))
    shown = figure_leaderboard.table(found)
    assert figure_of(figure_leaderboard.plot(shown, table, footnote="note"))


def two_explainers(song, *, good, bad):
    keys = {"song": song, "domain": "waveform", "original": "sing", "privileged": False, "budget": "nothing"}
    named = (("good", "", good), ("twin", "", good), ("bad", "clean", bad))
    rows = [{**keys, "explainer": name, "fill": fill, "aufc": value, "excess_k": value} for name, fill, value in named]
    return pd.DataFrame(rows).assign(chance_aufc=0.0, chance_excess_k=0.0)


def test_declared_contrasts_are_paired_by_song(table):
    asked = {"score": "aufc", "fill": "mean", "margin": 0.05, "seed": 0}
    found = contrasts.table(table, tested=["lime", "shapley:clean", "occlusion"], against=["random", "lime"], **asked)
    assert len(found) == 2 * 5  # none against itself
    row = found[(found.explainer == "shapley (clean)") & (found.against == "lime (mean)") & (found.original == "sing")].iloc[0]
    sing = table[table.original == "sing"]
    songs = [of(sing, *name).groupby("song").aufc.mean() for name in (("shapley", "clean"), ("lime", "mean"))]
    assert row.difference == pytest.approx((songs[0] - songs[1]).mean())
    against = found[(found.explainer == "lime (mean)") & (found.against == "random") & (found.original == "sing")].iloc[0]
    expected = of(sing, "lime", "mean").groupby("song").chance_aufc.mean()
    assert against.difference == pytest.approx((songs[1] - expected).mean())
    # Verdicts of clear cases, and of a score of which less is better.
    songs = [f"song-{i}" for i in range(8)]
    made = pd.concat([two_explainers(song, good=0.9 + 0.01 * i, bad=0.1) for i, song in enumerate(songs)])
    clear = {**asked, "tested": ["good"], "against": ["bad", "twin"]}
    better, same = contrasts.table(made, **clear).verdict
    assert (better, same) == ("better", "no difference (within 0.05)")  # all songs agree that the twin is no other
    assert contrasts.table(made, **{**clear, "score": "excess_k"}).verdict[0] == "worse"  # more is worse
    assert contrasts.table(made, **clear).against.tolist() == ["bad (clean)", "twin"]
    with pytest.raises(ConfigError, match="truth names the explainer 'ocluson', which is not scored"):
        contrasts.table(table, tested=["ocluson"], against=["random"], **asked)
    few = table[table.song.isin(["song-0", "song-1"])]
    untested = contrasts.table(few, tested=["lime"], against=["random"], **asked)
    assert untested.verdict.str.startswith("not tested: fewer than 6 songs").all()
    assert "p (min-P)" in contrasts.page(found)


def test_worth_of_fidelity_by_hand():
    rows = [
        # Song a: right 0.9, 0.5; wrong 0.7, 0.5: of four pairs two and a half. Song b: right 0.2; wrong 0.4: none.
        *(("a", 1, 0.9), ("a", 1, 0.5), ("a", 0, 0.7), ("a", 0, 0.5), ("b", 1, 0.2), ("b", 0, 0.4), ("c", 1, 0.1)),
    ]
    made = pd.DataFrame(rows, columns=["song", "sufficiency", "fidelity"])
    made = made.assign(domain="waveform", original="sing", explainer="lime", fill="mean", privileged=False, additive_share=0.5)
    found = fidelity_worth.table(made, seed=0)
    row = found[(found.predictor == "fidelity") & (found.domain == "waveform")].iloc[0]
    assert (row.n_right, row.n_wrong, row.pairs, row.n_songs) == (4, 3, 5, 2)
    assert row.auc == pytest.approx(2.5 / 5)
    same = found[(found.predictor == "additive_share") & (found.domain == "all")].iloc[0]
    assert same.auc == 0.5  # ties are half
    assert figure_of(fidelity_worth.plot(found, fill="mean", footnote="note"))
    assert "all four" in as_markdown(fidelity_worth.page(found))


def test_the_truth_is_told_by_excerpt_and_pooled(artefacts):
    rows = truths.rows_of(artefacts["flips"])
    assert len(rows) == 4 * N_SONGS
    known = flips.all_flips(artefacts["flips"][0][2], 0)
    first = rows.iloc[0]
    assert first.smallest_size == min(int(z).bit_count() for z in np.flatnonzero(known))
    assert first.n_minimal == len(readouts.minimal_flip_sets(known))
    assert first.n_necessary == readouts.necessary(known).sum()
    found = truths.table(rows, seed=0)
    assert list(found[found.original == "sing"].what) == list(truths.NUMBERS)
    assert "segments of a smallest flipping set" in as_markdown(truths.page(found))
    assert figure_of(truths.plot(rows, footnote="note"))


def test_curves_are_means_of_songs(table):
    shown = figure_explainers.table(table, fill="mean")
    assert set(shown.fill) == {"", "mean", "clean"}
    one = shown[(shown.explainer == "lime") & (shown.original == "sing") & (shown.k == 2)].iloc[0]
    rows = of(table[table.original == "sing"], "lime", "mean")
    assert one.percent == pytest.approx(100 * rows.groupby("song").flips_2.mean().mean())
    assert figure_of(figure_explainers.plot(shown, footnote="note"))


def test_costs_tell_rows_and_seconds(table, tmp_path):
    folder = tmp_path / "benchmarks" / "attributions" / "occlusion" / "waveform"
    folder.mkdir(parents=True)
    for song, seconds in (("song-0", 2.5), ("song-1", 1.5)):
        (folder / f"{song}.tsv").write_text(f"s\tcpu_time\n{seconds}\t1\n")
    found = explainer_costs.table(table, tmp_path)
    row = found[found.explainer == "occlusion"].iloc[0]
    assert (row.jobs, row.seconds, row["rows"]) == (2, 4.0, 7)
    (tmp_path / "benchmarks" / "attributions" / "shapley").mkdir()
    (tmp_path / "benchmarks" / "attributions" / "shapley" / "song-0.tsv").write_text("s\tcpu_time\n3\t1\n")
    seconds = explainer_costs.table(table, tmp_path).set_index(["explainer", "fill"]).seconds
    assert seconds["shapley_asked", "mean"] == 3  # whose jobs they are; what is read off took none of its own
    assert np.isnan(seconds["shapley", "mean"])
    assert "read off games" in as_markdown(explainer_costs.page(found))


def test_without_all_masks_there_is_nothing_and_no_failure(artefacts, tmp_path):
    from dataclasses import replace

    bare = [(song, domain, replace(item, flips_packed=None)) for song, domain, item in artefacts["flips"]]
    found = scores.table(bare, artefacts["explanations"], [], seed=0, n_samples=256, n_rankings=100)
    assert found.empty
    path = tmp_path / "empty.csv"
    found.to_csv(path, index=False)
    empty = read_table(path)
    board = leaderboard.table(empty, seed=0)
    asked = {"score": "aufc", "tested": ["lime"], "against": ["random"], "fill": "mean", "margin": 0.05, "seed": 0}
    pages = [
        leaderboard.page(board),
        contrasts.page(contrasts.table(empty, **asked)),
        gap.page(gap.table(empty, fill="mean", seed=0)),
        own_games.page(own_games.table(board)),
        fidelity_worth.page(fidelity_worth.table(empty, seed=0)),
        truths.page(truths.table(truths.rows_of(bare), seed=0)),
        explainer_costs.page(explainer_costs.table(empty, tmp_path)),
    ]
    assert all(as_markdown(page, NO_TRUTH) == NO_TRUTH for page in pages)
    assert "not all masks" in NO_TRUTH
    figures = [
        gap.plot(gap.table(empty, fill="mean", seed=0), footnote="note"),
        own_games.plot(own_games.table(board), footnote="note"),
        fidelity_worth.plot(fidelity_worth.table(empty, seed=0), fill="mean", footnote="note"),
        truths.plot(truths.rows_of(bare), footnote="note"),
        figure_leaderboard.plot(figure_leaderboard.table(board), empty, footnote="note"),
        figure_explainers.plot(figure_explainers.table(empty, fill="mean"), footnote="note"),
    ]
    for i, figure in enumerate(figures):
        save(figure, tmp_path / f"{i}.png")


def test_a_search_that_stops_early_is_one_explainer(artefacts):
    from dataclasses import replace

    def early(item):
        return replace(item, rows=np.where(np.arange(len(item.rows)) % 2, 3, item.rows))

    answers = [(song, domain, early(item)) for song, domain, item in artefacts["attributions"] if item.explainer == "occlusion"]
    found = scores.table(artefacts["flips"], artefacts["explanations"], answers, seed=0, n_samples=256, n_rankings=100)
    one = of(found, "occlusion", "mean")
    assert set(one["rows"]) == {3, 7}
    assert one.budget.unique().tolist() == ["a few passes"]
    board = leaderboard.table(found, seed=0)
    assert figure_of(figure_leaderboard.plot(figure_leaderboard.table(board), found, footnote="note"))


def test_a_panel_that_no_ranking_can_win_has_no_gap(table):
    undecided = table.assign(aufc_normalised=table.aufc_normalised.where(table.original == "sing"))
    found = gap.table(undecided, fill="mean", seed=0)
    assert found[found.original == "nosing"]["mean"].isna().all()
    assert not found[found.original == "nosing"].largest.any()
    assert figure_of(gap.plot(found, footnote="note"))


def test_stored_attributions_have_an_unknown_budget(artefacts):
    from dataclasses import replace

    stored = [(s, d, replace(item, fill="", explainer="mine")) for s, d, item in artefacts["attributions"][:1]]
    found = scores.table(artefacts["flips"][:1], artefacts["explanations"][:1], stored, seed=0, n_samples=256, n_rankings=100)
    assert of(found, "mine", "").budget.unique().tolist() == ["unknown (stored)"]
    assert of(found, "norm", "").budget.unique().tolist() == ["nothing"]
