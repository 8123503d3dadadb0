import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import flipping_excerpts, random_detector

from veracity.attacks.excerpts import Excerpts
from veracity.errors import ConfigError
from veracity.experiments import drawings, stability
from veracity.experiments import explanations as explanations_stage
from veracity.experiments import flips as flips_stage
from veracity.experiments import localised as localised_stage
from veracity.experiments.flips import TriedSets, all_flips
from veracity.experiments.perturbation_games import squared_norms
from veracity.explainers.lime import LimeSettings
from veracity.games.models import explained_model
from veracity.jobs import store
from veracity.results import flip_rates
from veracity.results.canvas import save

SMALL = LimeSettings(n_time=3, n_band=2, n_samples=64, fills=("mean", "zero"))
N = 6
SHAPE = (25, 25)  # shape of excerpts, small to save time


@pytest.fixture(scope="module")
def network():
    return random_detector(seed=3, excerpt_frames=SHAPE[0], n_mels=SHAPE[1]).network()


@pytest.fixture(scope="module")
def excerpts(network) -> Excerpts:
    return flipping_excerpts(network, shape=SHAPE)


@pytest.fixture(scope="module")
def none(excerpts) -> Excerpts:
    """Return the excerpts of a song in which the attack has flipped nothing."""
    fields = ("start_frame", "original", "clean", "adversarial", "clean_p", "adversarial_p")
    return replace(excerpts, n_flipped=0 * excerpts.n_flipped, **{name: getattr(excerpts, name)[:0] for name in fields})


@pytest.fixture(scope="module")
def model(network):
    return explained_model(network, SMALL.grid(*SHAPE))


@pytest.fixture(scope="module")
def explanations(excerpts, model):
    return explanations_stage.compute(excerpts, model, SMALL, seed=0, song="song")


@pytest.fixture(scope="module")
def flips(excerpts, explanations, model):
    return flips_stage.compute(excerpts, explanations, model, SMALL, seed=0, song="song")


def direct_flips(excerpts: Excerpts, network, e: int) -> np.ndarray:
    """Return whether each of the 64 masks flips excerpt e, by adding segments and evaluating the network."""
    grid = SMALL.grid(*SHAPE)
    mixed = []
    for index in range(1 << N):
        on = np.array([index >> s & 1 for s in range(N)], dtype=bool)
        where = on.reshape(3, 2)[grid.time_of_frame][:, grid.band_of_mel]
        mixed.append(np.where(where, excerpts.adversarial[e], excerpts.clean[e]))
    is_sing = network.predict(torch.as_tensor(np.stack(mixed))).numpy() > excerpts.threshold
    return is_sing != (excerpts.original[e] == "sing")


def test_every_mask_flips_as_the_network_says(excerpts, flips, network):
    for e in range(4):
        np.testing.assert_array_equal(all_flips(flips, e), direct_flips(excerpts, network, e))


def test_flip_curves_are_those_of_brute_force(excerpts, flips, explanations, network):
    for e in range(4):
        truth = direct_flips(excerpts, network, e)
        for k in range(1, N + 1):
            sets = [truth[sum(1 << s for s in chosen)] for chosen in itertools.combinations(range(N), k)]
            assert flips.sets.best[e, k - 1] == any(sets)
            assert flips.sets.worst[e, k - 1] == all(sets)
            assert flips.sets.random[e, k - 1] == pytest.approx(np.mean(sets))
            loudest = np.argsort(-flips.squared_norm[e], kind="stable")[:k]
            assert flips.by_norm[e, k - 1] == truth[(1 << loudest).sum()]
            weights = explanations.along("weights", fill="mean")[e]
            sign = 1 if excerpts.original[e] == "nosing" else -1  # the label explained is the one after the flip
            favoured = np.argsort(-sign * weights, kind="stable")[:k]
            assert flips.by_lime[0, 0, e, k - 1] == truth[(1 << favoured).sum()]
        favoured = np.flatnonzero(sign * weights > 0)
        assert flips.n_positive[0, 0, e] == len(favoured)
        assert flips.positive_by_lime[0, 0, e] == truth[(1 << favoured).sum()]
        assert flips.sets.smallest_size[e] == min(index.bit_count() for index in np.flatnonzero(truth).tolist())


def test_without_all_masks_random_sets_bound_the_best(excerpts, network, flips):
    settings = replace(SMALL, exact=False)
    sampled_model = explained_model(network, SMALL.grid(*SHAPE), exact=False)
    explained = explanations_stage.compute(excerpts, sampled_model, settings, seed=0, song="song")
    sampled = flips_stage.compute(excerpts, explained, sampled_model, settings, seed=0, song="song")
    assert isinstance(sampled.sets, TriedSets)
    assert (sampled.sets.best_found <= flips.sets.best).all()
    assert sampled.sets.best_found[:, -1].all()
    assert sampled.sets.random_sampled[:, -1].tolist() == [1] * 4
    scatter = 4 * 0.5 / np.sqrt(32)  # of 32 sets of each size
    np.testing.assert_allclose(sampled.sets.random_sampled, flips.sets.random, atol=scatter)
    named = set(flip_rates.rows_of([("song", "waveform", sampled)]).selection)
    assert {"best_found", "random_sampled", "lime", "norm"} <= named
    assert not named & {"best", "random", "worst"}


def test_all_segments_always_flip(flips):
    assert flips.by_lime[..., -1].all()
    assert flips.by_norm[:, -1].all()
    assert flips.sets.best[:, -1].all()
    assert (flips.sets.best >= flips.sets.random).all()
    assert (flips.sets.random >= flips.sets.worst).all()


def test_tables_and_single_passes_agree(excerpts, explanations, network):
    settings = replace(SMALL, evaluator="direct")
    slow = explained_model(network, SMALL.grid(*SHAPE), exact_tables=False)
    again = explanations_stage.compute(excerpts, slow, settings, seed=0, song="song")
    assert (again.evaluator, explanations.evaluator) == ("direct", "tables")
    np.testing.assert_allclose(again.weights, explanations.weights, atol=1e-5)
    np.testing.assert_allclose(again.shapley, explanations.shapley, atol=1e-5)
    assert explanations.audit.max() < 1e-4


def test_attributions_share_out_what_the_segments_change(explanations, excerpts):
    clean = explanations.inputs.tolist().index("clean")
    off = explanations.shapley[clean, 0].sum(axis=1)
    assert np.abs(off).max() <= 1  # values of two probabilities
    assert not np.isnan(explanations.weights).any()
    assert explanations.variance_by_order.shape[-1] == N


def test_the_squared_norm_is_the_sum_of_squares_of_a_segment(excerpts):
    norms = squared_norms(excerpts, SMALL.grid(*SHAPE))
    difference = excerpts.adversarial.astype(float) - excerpts.clean
    np.testing.assert_allclose(norms.sum(axis=1), (difference**2).sum(axis=(1, 2)))


def test_localised_perturbations_hold_the_loudest_segments(excerpts, flips, model):
    localised = localised_stage.compute(excerpts, flips, model, SMALL, k_tried=(1, 3, 5), seed=0, song="song")
    assert len(localised.k) == flips.by_norm[:, [0, 2, 4]].sum()
    for row, (k, e) in enumerate(zip(localised.k, localised.excerpt, strict=True)):
        loudest = np.argsort(-flips.squared_norm[e], kind="stable")[:k]
        assert localised.kept[row] == (1 << loudest).sum()
        sign = 1 if excerpts.original[e] == "nosing" else -1
        for m in range(2):
            top = np.argsort(-sign * localised.weights[m, row], kind="stable")[:k]
            assert localised.n_found[m, row] == len(set(top) & set(loudest))
            found = sum(1 << int(s) for s in set(top) & set(loudest))
            assert localised.found_flips[m, row] == all_flips(flips, e)[found]
        assert 1 <= localised.n_needed[row] <= k
        assert 0 <= localised.needed_found[:, row].min() <= localised.needed_found[:, row].max() <= 1


def test_too_many_localised_segments_are_refused(excerpts, flips, model):
    with pytest.raises(ConfigError, match=r"localised.k: must be at most 6, .*, got 7\."):
        localised_stage.compute(excerpts, flips, model, SMALL, k_tried=(7,), seed=0, song="song")


def test_sampling_error_falls_with_the_number_of_samples(excerpts, model):
    study = stability.compute(excerpts, model, SMALL, n_samples=(32, 2048), n_repeats=8, n_per_direction=1, seed=0, song="song")
    assert study.original.tolist() == ["nosing", "sing"]
    error = study.weight_error.mean(axis=(0, 2))
    assert error[1] < error[0] / 4  # 8 in the limit
    assert study.top_overlap.max() <= 3


def test_equal_seeds_give_equal_results_and_songs_have_their_own(excerpts, model, explanations):
    assert np.array_equal(explanations_stage.compute(excerpts, model, SMALL, seed=0, song="song").weights, explanations.weights)
    other = explanations_stage.compute(excerpts, model, SMALL, seed=0, song="another")
    assert not np.allclose(other.weights[:, :, 0], explanations.weights[:, :, 0])
    np.testing.assert_array_equal(other.weights[:, :, 1], explanations.weights[:, :, 1])  # exact LIME has no seed


def test_a_model_of_ones_own_is_explained_without_tables(excerpts, network, explanations):
    settings = replace(SMALL, n_samples=128)
    own = explained_model(network, SMALL.grid(*SHAPE), predict="networks:mean_level")
    excerpts = replace(excerpts, model="networks:mean_level", adversarial_p=own.p_sing(excerpts.adversarial))
    explained = explanations_stage.compute(excerpts, own, settings, seed=0, song="song")
    assert explained.evaluator == "direct"
    assert explained.audit.max() < 1e-6
    assert not np.allclose(explained.weights, explanations.weights)


def test_a_song_without_flips_goes_through_every_stage(none, model, tmp_path):
    explained = explanations_stage.compute(none, model, SMALL, seed=0, song="song")
    flips = flips_stage.compute(none, explained, model, SMALL, seed=0, song="song")
    localised = localised_stage.compute(none, flips, model, SMALL, k_tried=(1, 3), seed=0, song="song")
    study = stability.compute(none, model, SMALL, n_samples=(32,), n_repeats=2, n_per_direction=1, seed=0, song="song")
    for item in (none, explained, flips, localised, study):
        store.write(tmp_path / "empty.h5", item)
        assert len(store.read(tmp_path / "empty.h5", type(item)).original) == 0


@pytest.mark.parametrize("some_songs", [0, 1])
def test_tables_and_figures_of_songs_without_flips(none, excerpts, model, some_songs, tmp_path):
    from veracity.results import (
        fidelity,
        figure2,
        figure3,
        figure4,
        figure_stability,
        flip_rates,
        localisation,
        localised_rows,
        sampling_error,
        table1,
        table2,
    )

    songs = [("quiet", none)] + [("loud", excerpts)] * some_songs
    explained = [(song, "waveform", explanations_stage.compute(e, model, SMALL, seed=0, song=song)) for song, e in songs]
    flipped = [
        (s, d, flips_stage.compute(e, x, model, SMALL, seed=0, song=s))
        for (s, d, x), (_, e) in zip(explained, songs, strict=True)
    ]
    found = [
        (song, domain, localised_stage.compute(e, f, model, SMALL, k_tried=(1, 3), seed=0, song=song))
        for (song, domain, f), (_, e) in zip(flipped, songs, strict=True)
    ]
    size = {"n_samples": (32,), "n_repeats": 2, "n_per_direction": 1, "seed": 0}
    studies = [(song, "waveform", stability.compute(e, model, SMALL, song=song, **size)) for song, e in songs]
    rates = flip_rates.table(flip_rates.rows_of(flipped))
    rows = localised_rows.table(found)
    counts = figure3.table(rows, k_tried=(1, 3), n_segments=N)
    assert table1.table(rates, fill="mean").n.max() == 2 if some_songs else table1.table(rates, fill="mean").empty
    assert len(table2.table(rates, fill="mean")) == (4 if some_songs else 0)
    assert counts.excerpts.sum() == len(rows)
    localisation.table(rows)
    assert len(fidelity.table(explained)) == 8 * some_songs
    stable = sampling_error.table(studies)
    assert table1.page(table1.table(rates, fill="mean")) is not None
    for figure in (
        figure2.plot(figure2.table(rates, fill="mean"), footnote=""),
        figure3.plot(counts, footnote=""),
        figure4.plot(figure4.table(rows), footnote=""),
        figure_stability.plot(stable, n_segments=N, paper_n_samples=64, footnote=""),
    ):
        assert figure.axes
        save(figure, tmp_path / "figure.png")  # axes without data fail only when they are drawn


def test_something_is_drawn_until_it_sings(network):
    rng = np.random.default_rng(0)
    padded = (rng.standard_normal((300, 80)) * 1.5 - 3).astype(np.float32)
    louder_sings = explained_model(network, SMALL.grid(*SHAPE), predict="networks:mean_level")
    threshold = 1 / (1 + np.exp(-0.05))  # a mean level of -2.95, which no excerpt of the noise reaches
    choices = drawings.DrawingChoices(("horse", "wiggle", "A"), n_placements=2)
    wanted = {"choices": choices, "n_frames": 115, "seed": 0, "song": "song"}
    drawn = drawings.compute(padded, louder_sings, SMALL, threshold=threshold, **wanted)
    assert drawn.found
    assert drawn.clean_p_sing <= threshold < drawn.drawn_p_sing
    np.testing.assert_allclose(drawn.coverage_by_segment.sum(), 1)
    outside = drawn.coverage == 0
    np.testing.assert_array_equal(drawn.drawn_log_mel[outside], drawn.clean_log_mel[outside])
    assert not drawings.compute(padded, louder_sings, SMALL, threshold=0.0, **wanted).found  # every excerpt is already "sing"


def test_settings_that_contradict_each_other():
    with pytest.raises(ConfigError, match=r"lime.fill: not among lime.fills \['mean'\], got 'min'"):
        LimeSettings(fill="min", fills=("mean",))
