"""The tables of the truth study: exact explainers, additive parts, chance levels, and statistics computed by hand."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from networks import flipping_excerpts, random_detector

from veracity.errors import ConfigError
from veracity.experiments import attributions, explanations, flips
from veracity.explainers.lime import LimeSettings
from veracity.explainers.settings import EXACT_BASELINES, explainers_of, ready
from veracity.games import solution_concepts
from veracity.games.models import explained_model
from veracity.results import (
    contrasts,
    explainer_costs,
    faithfulness_to_own_game,
    fidelity_vs_correctness,
    figure_explainers,
    figure_leaderboard,
    gap,
    leaderboard,
    scores,
    sensitivity,
    truths,
)
from veracity.results.canvas import save
from veracity.results.pooling import NO_TRUTH, as_markdown, read_table
from veracity.results.study import BOUNDS, budget_of

LIME = LimeSettings(n_time=3, n_band=2, n_samples=256, fills=("mean", "zero", "min"))
REQUESTED_SUFFIX = (
    "shapley",
    "banzhaf",
    "smallest_set",
    "shapley_perturbation",
    "random_order",
    "constant",
    "occlusion",
    "beam_search",
)
DIFFERENCE = {"call": "veracity.explainers.difference:shapley", "privileged": True}
#: Additional rows that the parts of locality and privilege need.
ALSO = [
    {"call": "occlusion", "name": "occlusion_perturbation", "fill": "clean", "privileged": True},
    {**DIFFERENCE, "call": "veracity.explainers.difference:occlusion", "name": "occlusion_difference"},
    {**DIFFERENCE, "name": "shapley_difference"},
    {**DIFFERENCE, "name": "shapley_logit_difference", "options": {"scale": "logit"}},
    {**DIFFERENCE, "call": "veracity.explainers.difference:lime_logit", "name": "lime_logit_difference"},
]
N_SONGS = 7


@pytest.fixture(scope="module")
def artefacts():
    """Return the stages of songs with random excerpts on six segments; excerpts are small to save time."""
    shape = (25, 25)
    network = random_detector(seed=3, excerpt_frames=shape[0], n_mels=shape[1]).network()
    grid = LIME.grid(*shape)
    model = explained_model(network, grid)
    found = {"flips": [], "explanations": [], "attributions": []}
    for i in range(N_SONGS):
        song, excerpts = f"song-{i}", flipping_excerpts(network, seed=i, shape=shape)
        explained = explanations.compute(excerpts, model, LIME, seed=0, song=song)
        found["explanations"].append((song, "waveform", explained))
        found["flips"].append((song, "waveform", flips.compute(excerpts, explained, model, LIME, seed=0, song=song)))
        for one in (*map(ready, REQUESTED_SUFFIX), *explainers_of(["lime", *ALSO])):
            answer = attributions.compute(excerpts, model, one, grid, seed=0, domain="waveform", song=song)
            found["attributions"].append((song, "waveform", answer))
    return found


@pytest.fixture(scope="module")
def table(artefacts, tmp_path_factory):
    """Return the table of scores after writing and reading it."""
    found = scores.table(*artefacts.values(), seed=0, n_samples=LIME.n_samples, n_rankings=500)
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    found.to_csv(path, index=False, float_format="%.15g")
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
    second = first[keys].merge(second, on=keys)  # if the fill alone yields the label, there is no smallest set
    assert len(first) > (0 if read == "smallest_set" else 4 * N_SONGS - 1)
    columns = ["aufc", "excess_k", "rank_accuracy", "pointing", *(f"flips_{k}" for k in range(1, 6))]
    pd.testing.assert_frame_equal(first[columns], second[columns])
    assert not first.privileged.any() or fill == "clean"


def test_every_excerpt_has_a_row_for_every_explainer(table):
    assert set(EXACT_BASELINES) <= set(table.explainer)
    assert set(BOUNDS) <= set(table.explainer)
    counts = table[table.explainer != "smallest_set"].groupby(["explainer", "fill"]).size()
    assert (counts == 4 * N_SONGS).all()
    assert (table.groupby("explainer").budget.nunique() <= table.groupby("explainer").fill.nunique()).all()
    assert set(table.fill) == {"", "mean", "zero", "min", "clean"}
    assert [budget_of(rows, 6) for rows in (0, 7, 63, 64, 256)] == ["none", "up to 10", "up to 512", *["all masks"] * 2]
    assert [budget_of(rows, 20) for rows in (256, 2048, 8192, 2**18, 2**20)] == [
        *("up to 512", "up to 2048", "up to 16384", "more", "all masks"),
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
    assert of(table, "constant", "mean").own_game_tau.isna().all()  # it has no ranking that could agree


def test_the_solution_of_a_game_agrees_with_itself(table):
    for fill in ("mean", "zero", "min", "clean"):
        np.testing.assert_allclose(of(table, "shapley", fill).own_game_tau, 1)
    assert of(table, "norm", "").own_game_tau.isna().all()


def test_a_constant_added_to_logits_changes_no_weights():
    values = np.random.default_rng(0).normal(size=64)
    for solve in (solution_concepts.shapley, solution_concepts.banzhaf):
        np.testing.assert_allclose(solve(values + 7), solve(values), atol=1e-12)


def sing(table, explainer, fill, score="aufc_normalised"):
    rows = of(table, explainer, fill)
    return rows[rows.original == "sing"].set_index(["song", "excerpt"])[score]


def of_songs(values):
    return values.groupby("song").mean().mean()


def test_the_parts_of_the_gap_add_up_to_all_of_it(table):
    found = gap.table(table, fill="mean", seed=0)
    assert set(found.kind) == {"part", "sum", "gap", "instead"}
    for _, panel in found.groupby(["domain", "original"]):
        parts = panel[panel.kind == "part"]
        assert list(parts.part) == [name for name in gap.TITLES if name != "gap"]
        assert parts["mean"].sum() == pytest.approx(panel[panel.kind == "gap"]["mean"].iloc[0])
        assert parts.largest.sum() == 1
    part = found[(found.original == "sing") & (found.kind == "part")].set_index("part")["mean"]
    step = sing(table, "lime_exact", "mean") - sing(table, "lime", "mean")
    assert part["sampling"] == pytest.approx(of_songs(step), abs=1e-9)
    assert part["remains"] == pytest.approx(of_songs(1 - sing(table, "occlusion_perturbation", "clean")), abs=1e-9)
    instead = found[(found.original == "sing") & (found.kind == "instead")].set_index("part")["mean"]
    norm = sing(table, "norm", "") - sing(table, "lime_exact", "mean")
    assert instead["privilege: norm of the perturbation"] == pytest.approx(of_songs(norm), abs=1e-9)
    assert figure_of(gap.plot(found, footnote="note"))


@pytest.mark.parametrize(
    "left_out", [(), ("shapley_logit_difference",), ("occlusion_perturbation",), ("occlusion", "lime_logit_difference")]
)
def test_parts_of_the_gap_are_means_over_the_orders_of_changes(table, left_out):
    """Apply the changes to exact LIME in every order, one after the other, and add up the effect of each."""
    scored = table[(table.original == "sing") & ~table.explainer.isin(left_out)]
    factors = [name for name in gap.CHANGED if name != "locality" or "occlusion" not in " ".join(left_out)]
    if any(name.endswith("difference") for name in left_out):
        factors.remove("privilege")
    named = {
        (False, False): "lime_exact",
        (True, False): "shapley",
        (False, True): "lime_logit",
        (True, True): "shapley_logit",
    }
    walks = []
    for order in itertools.permutations(factors):
        if "privilege" in order and order.index("privilege") > order.index("question"):
            continue
        done, walk = set(), {}
        value = sing(scored, "lime_exact", "mean")
        for change in order:
            done.add(change)
            name = "occlusion" if "locality" in done else named["surrogate" in done, "scale" in done]
            if "question" in done:
                after = sing(scored, "occlusion_perturbation" if name == "occlusion" else name, "clean")
            else:
                after = sing(scored, f"{name}_difference" if "privilege" in done else name, "mean")
            walk[change], value = after - value, after
        walks.append(walk)
    found = gap.table(scored, fill="mean", seed=0)
    part = found[found.kind == "part"].set_index("part")["mean"]
    assert set(part.index) == {"sampling", *factors, "remains"}
    for name in factors:
        expected = sum(walk[name] for walk in walks) / len(walks)
        assert part[name] == pytest.approx(of_songs(expected), abs=1e-9), name
    assert part.sum() == pytest.approx(found[found.kind == "gap"]["mean"].iloc[0])


def test_differences_are_those_of_two_fill_games(artefacts, table):
    keys = ["song", "excerpt"]
    first, second = (of(table, name, "mean").set_index(keys) for name in ("shapley_difference", "lime_exact_difference"))
    assert first.privileged.all()
    assert (first["n_queries"] == 2 * 64).all()
    assert not first.own_game_tau.equals(second.own_game_tau)
    song, _, explained = artefacts["explanations"][0]
    by_name = {item.explainer: item for name, _, item in artefacts["attributions"] if name == song}
    sign = np.where(explained.original == "sing", -1, 1)[:, None]
    expected = explained.along("shapley", fill="mean") - explained.along("shapley", input="clean", fill="mean")
    np.testing.assert_allclose(by_name["shapley_difference"].weights, sign * expected, atol=1e-6)
    logits = by_name["lime_logit_difference"].weights, by_name["shapley_logit_difference"].weights
    assert not np.allclose(*logits)


def test_a_difference_is_refused_without_the_clean_excerpt_or_of_the_perturbation():
    network = random_detector(seed=3).network()
    excerpts, grid = flipping_excerpts(network, seed=0), LIME.grid(115, 80)
    model = explained_model(network, grid)
    for changes, words in (
        ({"privileged": False}, "requires the clean excerpt. Set privileged: true"),
        ({"fill": "clean"}, "fill: must be one of mean, zero, min, because it compares fill games, got 'clean'"),
    ):
        (one,) = explainers_of(["lime", {**ALSO[2], **changes}])
        with pytest.raises(ConfigError, match=words):
            attributions.compute(excerpts, model, one, grid, seed=0, domain="waveform", song="song")


def test_other_ways_to_estimate_by_hand(table):
    groups = {f"song-{i}": "one artist" for i in range(4)}
    asked = {"tested": ["lime", "shapley:clean"], "against": ["random", "norm"], "fill": "mean", "groups": groups, "seed": 0}
    found = sensitivity.table(table, **asked)
    assert set(found.method) == set(sensitivity.METHODS)
    found = found[found.original == "sing"].set_index(["kind", "what", "method"])

    def row(kind, what, method):
        return found.loc[kind, what, method]

    lime, random = sing(table, "lime", "mean", "aufc"), sing(table, "lime", "mean", "chance_aufc")
    best, clean = sing(table, "best_ranking", "", "aufc"), sing(table, "shapley", "clean", "aufc")
    explainer = ("explainer", "lime (mean)")
    assert row(*explainer, "ratio of sums")["mean"] == pytest.approx((lime - random).sum() / (best - random).sum())
    assert row(*explainer, "area")["mean"] == pytest.approx(of_songs(lime - random))
    songs = ((lime - random) / (best - random)).groupby("song").mean()
    for method in ("songs", "artists", "artists, bootstrap"):
        assert row(*explainer, method)["mean"] == pytest.approx(songs.mean())
    assert [row(*explainer, method).n_units for method in sensitivity.METHODS] == [N_SONGS] * 3 + [N_SONGS - 3] * 2
    contrast = row("contrast", "shapley (clean) - random", "ratio of sums")
    assert contrast["mean"] == pytest.approx((clean - random).sum() / (best - random).sum())
    norm = sing(table, "norm", "", "aufc")
    assert row("contrast", "lime (mean) - norm", "area")["mean"] == pytest.approx(of_songs(lime - norm))
    for method in sensitivity.METHODS:
        parts = [row("part of the gap", name, method)["mean"] for name in gap.TITLES if name != "gap"]
        assert sum(parts) == pytest.approx(row("part of the gap", "gap", method)["mean"])
    declared = gap.table(table, fill="mean", seed=0)
    declared = declared[(declared.original == "sing") & (declared.kind == "part")].set_index("part")["mean"]
    for name, value in declared.items():
        assert row("part of the gap", name, "songs")["mean"] == pytest.approx(value)
    page = as_markdown(sensitivity.page(sensitivity.table(table, **asked)))
    assert "ratio of sums" in page


def test_an_interval_over_artists_takes_each_for_one(table):
    asked = {"tested": ["lime"], "against": ["random"], "fill": "mean", "seed": 0}

    def width(groups):
        found = sensitivity.table(table, **asked, groups=groups).set_index(["original", "kind", "what", "method"])
        row = found.loc["sing", "explainer", "lime (mean)", "artists"]
        return row.n_units, row.high - row.low

    alone = width({})
    assert alone[0] == N_SONGS
    songs = sensitivity.table(table, **asked, groups={}).set_index(["original", "kind", "what", "method"])
    songs = songs.loc["sing", "explainer", "lime (mean)", "songs"]
    assert alone[1] == pytest.approx(songs.high - songs.low)  # few songs, each by a different artist: both are t intervals
    n, interval = width({f"song-{i}": str(i % 2) for i in range(N_SONGS)})
    assert n == 2
    assert interval > alone[1]


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
    assert "access to the clean excerpt" in page
    games = faithfulness_to_own_game.table(found)
    assert not games.own_game.isna().any()
    assert "norm" not in set(games.explainer)
    kinds = games.drop_duplicates(["explainer", "fill"]).set_index(["explainer", "fill"]).kind
    assert kinds["lime", "mean"] == "fill game"
    assert kinds["lime_difference", "mean"] == "fill game, privileged"
    assert kinds["shapley", "clean"] == "perturbation game"
    agreed = faithfulness_to_own_game.agreement(table, fill="mean", seed=0)
    assert figure_of(faithfulness_to_own_game.plot(games, agreed, fill="mean", footnote="note"))
    shown = figure_leaderboard.table(found)
    assert figure_of(figure_leaderboard.plot(shown, table, fill="mean", footnote="note"))


def test_agreement_with_the_own_game_is_correlated_over_unprivileged_explainers():
    songs, names = [f"song-{i}" for i in range(12)], ["a", "b", "c", "d"]
    noise = np.random.default_rng(0).normal(0, 0.02, size=(12, 4, 2))
    keys = {"domain": "waveform", "original": "sing", "fill": "mean", "privileged": False}
    rows = [
        {**keys, "song": song, "explainer": name, "budget": "none" if name == "a" else "up to 512"}
        | {"own_game_tau": tau + noise[i, j, 0], "aufc_normalised": score + noise[i, j, 1]}
        for i, song in enumerate(songs)
        for j, (name, tau, score) in enumerate(zip(names, (0.0, 0.3, 0.6, 0.9), (0.2, 0.5, 0.8, 0.4), strict=True))
    ]
    others = [{**row, "privileged": True, "aufc_normalised": 1.0} for row in rows]
    others += [{**row, "explainer": "e", "own_game_tau": np.nan} for row in rows]
    found = faithfulness_to_own_game.agreement(pd.DataFrame(rows + others), fill="mean", seed=0)
    first = found.iloc[0]
    # Ranks 1 2 3 4 against 1 3 4 2: the squares of their differences add up to 6, 1 - 6 * 6 / (4 * 15) = 0.4.
    assert (first.n_explainers, first.n_songs, first.rank_correlation) == (4, 12, pytest.approx(0.4))
    assert first.low <= 0.4 <= first.high
    reads = found[(found.fill == "mean") & (found.among == faithfulness_to_own_game.AMONG[1])].iloc[0]
    assert (reads.n_explainers, reads.rank_correlation) == (3, pytest.approx(-0.5))  # 1 2 3 against 2 3 1
    few = faithfulness_to_own_game.agreement(pd.DataFrame(rows)[lambda x: x.song.isin(songs[:9])], fill="mean", seed=0)
    assert np.isnan(few.low).all()


def two_explainers(song, *, good, bad):
    keys = {"song": song, "domain": "waveform", "original": "sing", "privileged": False, "budget": "none"}
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
    # Verdicts of clear cases, and of a score for which lower is better.
    songs = [f"song-{i}" for i in range(8)]
    made = pd.concat([two_explainers(song, good=0.9 + 0.01 * i, bad=0.1) for i, song in enumerate(songs)])
    clear = {**asked, "tested": ["good"], "against": ["bad", "twin"]}
    better, same = contrasts.table(made, **clear).verdict
    assert (better, same) == ("better", "no difference (within 0.05)")  # all songs agree that the copy is equal
    assert contrasts.table(made, **{**clear, "score": "excess_k"}).verdict[0] == "worse"  # more is worse
    assert contrasts.table(made, **clear).against.tolist() == ["bad (clean)", "twin"]
    with pytest.raises(ConfigError, match="truth: the explainer has no scores, got 'ocluson'"):
        contrasts.table(table, tested=["ocluson"], against=["random"], **asked)
    few = table[table.song.isin(["song-0", "song-1"])]
    untested = contrasts.table(few, tested=["lime"], against=["random"], **asked)
    assert untested.verdict.str.startswith("not tested: fewer than 6 songs").all()
    assert "adjusted p (min-P)" in contrasts.page(found)


def test_worth_of_fidelity_by_hand():
    rows = [
        # Song a: correct 0.9, 0.5; wrong 0.7, 0.5: two and a half of four pairs. Song b: correct 0.2; wrong 0.4: none.
        *(("a", 1, 0.9, 3), ("a", 1, 0.5, 2), ("a", 0, 0.7, 4), ("a", 0, 0.5, 3), ("b", 1, 0.2, 1), ("b", 0, 0.4, 9)),
        ("c", 1, 0.1, 1),
    ]
    made = pd.DataFrame(rows, columns=["song", "sufficiency", "fidelity", "smallest_size"])
    made = made.assign(domain="waveform", original="sing", explainer="lime", fill="mean", privileged=False, additive_share=0.5)
    found = fidelity_vs_correctness.table(made, seed=0)
    every = found[found.among == "all"]
    row = every[(every.predictor == "fidelity") & (every.domain == "waveform")].iloc[0]
    assert (row.n_right, row.n_wrong, row.n_wrong_unanswerable, row.pairs, row.n_songs) == (4, 3, 2, 5, 2)
    assert row.auc == pytest.approx(2.5 / 5)
    answerable = found[(found.among != "all") & (found.predictor == "fidelity") & (found.domain == "all")].iloc[0]
    assert (answerable.n_right, answerable.n_wrong, answerable.n_wrong_unanswerable, answerable.pairs) == (4, 1, 0, 2)
    assert answerable.auc == pytest.approx(1.5 / 2)
    same = every[(every.predictor == "additive_share") & (every.domain == "all")].iloc[0]
    assert same.auc == 0.5  # ties are half
    assert figure_of(fidelity_vs_correctness.plot(found, fill="mean", footnote="note"))
    assert "all four" in as_markdown(fidelity_vs_correctness.page(found))


def test_the_truth_is_told_by_excerpt_and_pooled(artefacts):
    rows = truths.rows_of(artefacts["flips"])
    assert len(rows) == 4 * N_SONGS
    known = flips.all_flips(artefacts["flips"][0][2], 0)
    first = rows.iloc[0]
    assert first.smallest_size == min(int(z).bit_count() for z in np.flatnonzero(known))
    assert first.n_minimal == len(solution_concepts.minimal_flip_sets(known))
    assert first.n_necessary == solution_concepts.necessary(known).sum()
    kept = [known[(np.arange(64) & mask) == mask].all() for mask in np.flatnonzero(known)]
    assert first.not_monotone == pytest.approx(1 - np.mean(kept))
    assert (rows.monotone == (rows.not_monotone == 0)).all()
    # Any two of three segments flip, or all sets of two except one.
    two_of_three = np.array([bin(mask).count("1") >= 2 for mask in range(8)])
    for changes, monotone in (({}, 1), ({3: False, 1: True}, 0)):
        made = two_of_three.copy()
        made[list(changes)] = list(changes.values())
        assert truths._of(made, np.arange(3))["monotone"] == monotone
    found = truths.table(rows, seed=0)
    assert list(found[found.original == "sing"].what) == list(truths.NUMBERS)
    assert "segments of a smallest flip set" in as_markdown(truths.page(found))
    assert figure_of(truths.plot(rows, footnote="note"))


def test_curves_are_means_of_songs(table):
    shown = figure_explainers.table(table, fill="mean")
    assert set(shown.fill) == {"", "mean", "clean"}
    one = shown[(shown.explainer == "lime") & (shown.original == "sing") & (shown.k == 2)].iloc[0]
    rows = of(table[table.original == "sing"], "lime", "mean")
    assert one.percent == pytest.approx(100 * rows.groupby("song").flips_2.mean().mean())
    figure = figure_explainers.plot(shown, footnote="note")
    assert figure_of(figure)
    assert max(len(ax.lines) for ax in figure.axes) <= 8


def test_costs_tell_rows_and_seconds(table, tmp_path):
    folder = tmp_path / "benchmarks" / "attributions" / "occlusion" / "waveform"
    folder.mkdir(parents=True)
    for song, seconds in (("song-0", 2.5), ("song-1", 1.5)):
        (folder / f"{song}.tsv").write_text(f"s\tcpu_time\n{seconds}\t1\n")
    found = explainer_costs.table(table, tmp_path)
    row = found[found.explainer == "occlusion"].iloc[0]
    assert (row.jobs, row.seconds, row["n_queries"]) == (2, 4.0, 7)
    (tmp_path / "benchmarks" / "attributions" / "shapley").mkdir()
    (tmp_path / "benchmarks" / "attributions" / "shapley" / "song-0.tsv").write_text("s\tcpu_time\n3\t1\n")
    seconds = explainer_costs.table(table, tmp_path).set_index(["explainer", "fill"]).seconds
    assert seconds["shapley_asked", "mean"] == 3  # explainers with jobs; those derived from other stages have none
    assert np.isnan(seconds["shapley", "mean"])
    assert "derived from games" in as_markdown(explainer_costs.page(found))


def test_without_all_masks_there_is_nothing_and_no_failure(artefacts, tmp_path):
    from dataclasses import fields, replace

    tried = flips.TriedSets(**{field.name: np.zeros(0) for field in fields(flips.TriedSets)})
    bare = [(song, domain, replace(item, sets=tried)) for song, domain, item in artefacts["flips"]]
    found = scores.table(bare, artefacts["explanations"], [], seed=0, n_samples=256, n_rankings=100)
    assert found.empty
    path = tmp_path / "empty.csv"
    found.to_csv(path, index=False)
    empty = read_table(path)
    board = leaderboard.table(empty, seed=0)
    asked = {"score": "aufc", "tested": ["lime"], "against": ["random"], "fill": "mean", "margin": 0.05, "seed": 0}
    sensitive = {"tested": ["lime"], "against": ["random"], "fill": "mean", "groups": {}, "seed": 0}
    assert faithfulness_to_own_game.agreement(empty, fill="mean", seed=0).empty
    pages = [
        leaderboard.page(board),
        contrasts.page(contrasts.table(empty, **asked)),
        gap.page(gap.table(empty, fill="mean", seed=0)),
        sensitivity.page(sensitivity.table(empty, **sensitive)),
        faithfulness_to_own_game.page(faithfulness_to_own_game.table(board)),
        fidelity_vs_correctness.page(fidelity_vs_correctness.table(empty, seed=0)),
        truths.page(truths.table(truths.rows_of(bare), seed=0)),
        explainer_costs.page(explainer_costs.table(empty, tmp_path)),
    ]
    assert all(as_markdown(page, NO_TRUTH) == NO_TRUTH for page in pages)
    assert "not all masks" in NO_TRUTH
    figures = [
        gap.plot(gap.table(empty, fill="mean", seed=0), footnote="note"),
        faithfulness_to_own_game.plot(
            faithfulness_to_own_game.table(board),
            faithfulness_to_own_game.agreement(empty, fill="mean", seed=0),
            fill="mean",
            footnote="note",
        ),
        fidelity_vs_correctness.plot(fidelity_vs_correctness.table(empty, seed=0), fill="mean", footnote="note"),
        truths.plot(truths.rows_of(bare), footnote="note"),
        figure_leaderboard.plot(figure_leaderboard.table(board), empty, fill="mean", footnote="note"),
        figure_explainers.plot(figure_explainers.table(empty, fill="mean"), footnote="note"),
    ]
    for i, figure in enumerate(figures):
        save(figure, tmp_path / f"{i}.png")


def test_a_search_that_stops_early_is_one_explainer(artefacts):
    from dataclasses import replace

    def early(item):
        return replace(item, n_queries=np.where(np.arange(len(item.n_queries)) % 2, 3, item.n_queries))

    answers = [(song, domain, early(item)) for song, domain, item in artefacts["attributions"] if item.explainer == "occlusion"]
    found = scores.table(artefacts["flips"], artefacts["explanations"], answers, seed=0, n_samples=256, n_rankings=100)
    one = of(found, "occlusion", "mean")
    assert set(one["n_queries"]) == {3, 7}
    assert one.budget.unique().tolist() == ["up to 10"]
    board = leaderboard.table(found, seed=0)
    assert figure_of(figure_leaderboard.plot(figure_leaderboard.table(board), found, fill="mean", footnote="note"))


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
    assert of(found, "norm", "").budget.unique().tolist() == ["none"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.04, 0.04, "no difference (within 0.05)"),
        (-0.06, 0.04, "not settled"),  # one limit within the margin is not enough
        (-0.04, 0.06, "not settled"),
    ],
)
def test_no_difference_needs_both_limits_within_the_margin(low, high, verdict):
    row = SimpleNamespace(difference=0.0, low=low, high=high, p_adjusted=0.5)
    assert contrasts._verdict(row, 0.05, lower_is_better=False) == verdict
