"""Training: batches and augmentation compared with references, determinism, and resuming after a kill."""

import contextlib
import dataclasses
import weakref

import numpy as np
import pytest
import torch
from killing import KilledError, kill_after
from networks import random_detector
from scipy.ndimage import map_coordinates
from scipy.stats import kstest

from veracity.detector import training, training_data
from veracity.detector.checkpoints import Checkpoint, save_checkpoint
from veracity.detector.settings import Architecture, TrainingSettings
from veracity.detector.training import train
from veracity.detector.training_data import TrainingData, filter_responses, warp
from veracity.errors import ConfigError, CorpusError, NumericalError
from veracity.jobs.resuming import SavedState
from veracity.jobs.tensors import load_tensors
from veracity.songs.frontend import FrontEnd, log_mel

SMALL = FrontEnd(excerpt_frames=25, n_mels=25)
PLAIN = {"stretch": 0.0, "shift": 0.0, "filter_db": 0.0}
CPU = torch.device("cpu")


def data_of(magnitudes, is_sing, frontend=SMALL, **settings):
    return TrainingData(zip(magnitudes, is_sing, strict=True), frontend, TrainingSettings(**settings))


def batch_of(data, seed):
    (batch,) = data.batches([np.random.default_rng(seed)])
    return batch


def toy_songs(seed=0, n_songs=3, n=200):
    """Return magnitudes and labels: singing is energy in the middle, the rest is energy below it."""
    rng = np.random.default_rng(seed)
    magnitudes, labels = [], []
    for _ in range(n_songs):
        sung = (np.arange(n) // 40 + rng.integers(2)) % 2 == 1
        magnitude = 0.01 * rng.random((n, SMALL.n_bins))
        magnitude[sung, 60:120] += 1 + rng.random((sung.sum(), 60))
        magnitude[~sung, 8:25] += 1 + rng.random((n - sung.sum(), 17))
        magnitudes.append(magnitude.astype(np.float32))
        labels.append(sung)
    return magnitudes, labels


# --- settings and storage ---------------------------------------------------------------------------------------------


def test_defaults_are_the_paper_s():
    settings = TrainingSettings()
    assert (settings.n_updates, settings.batch, settings.learning_rate) == (40000, 32, 1e-3)
    assert (settings.decay, settings.decay_every, settings.targets) == (0.85, 2000, (0.02, 0.98))
    assert (settings.stretch, settings.shift, settings.filter_db) == (0.3, 0.3, 10)
    assert settings.standardisation == "exact"
    assert settings.batch_norms == "running"


def test_targets_from_a_configuration_are_the_same_settings():
    assert TrainingSettings(targets=[0.02, 0.98]) == TrainingSettings()


def test_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="float32 or bfloat16"):
        TrainingSettings(precision="float8")


def test_unknown_standardisation_is_refused():
    with pytest.raises(ConfigError, match="Give exact or running"):
        TrainingSettings(standardisation="none")


def test_stored_magnitudes_are_within_half_precision():
    rng = np.random.default_rng(0)
    frontend = FrontEnd()
    magnitude = (10 ** rng.uniform(-9, 2.7, (300, frontend.n_bins))).astype(np.float32)  # up to a full-scale sine
    data = data_of([magnitude], [np.zeros(300, dtype=bool)], frontend)
    n = data.held.shape[1]
    assert data.held.dtype == torch.float16
    kept = data.held[data.reach : data.reach + 300].double().numpy()
    # Relative precision 2**-11; below the smallest normal number, 6e-5, absolute precision 2**-25.
    bound = np.maximum(2.0**-11 * magnitude[:, :n], 2.0**-25)
    assert np.all(np.abs(kept - magnitude[:, :n]) <= bound)
    assert not data.held[: data.reach].any()
    # On log-mel values well above that it is less than 5e-4.
    full = np.pad(kept.astype(np.float32), ((0, 0), (0, frontend.n_bins - n)))
    values = [log_mel(torch.as_tensor(x), frontend) for x in (full, magnitude)]
    loud = values[1] > np.log(1e-3)
    assert loud.float().mean() > 0.8
    assert (values[0] - values[1])[loud].abs().max() < 5e-4


def test_songs_are_let_go_as_they_are_taken():
    given, most = [], 0

    def songs():
        nonlocal most
        for _ in range(6):
            magnitude = np.ones((40, SMALL.n_bins), dtype=np.float32)
            given.append(weakref.ref(magnitude))
            most = max(most, sum(song() is not None for song in given))
            yield magnitude, np.ones(40, dtype=bool)
            del magnitude

    data = TrainingData(songs(), SMALL, TrainingSettings())
    assert most == 2
    assert len(data.labels) == 240
    assert data.held[data.centres].min() == 1


@pytest.mark.parametrize("frontend", [SMALL, FrontEnd()])
def test_no_mel_band_hears_a_bin_that_is_not_stored(frontend):
    rng = np.random.default_rng(0)
    magnitude = rng.random((40, frontend.n_bins)).astype(np.float32)
    data = data_of([magnitude], [np.zeros(40, dtype=bool)], frontend, **PLAIN)
    cut = magnitude.copy()
    cut[:, data.n_bins :] = 0
    assert torch.equal(log_mel(torch.as_tensor(cut), frontend), log_mel(torch.as_tensor(magnitude), frontend))


@pytest.mark.parametrize("frames_at_once", [7, 100, 16384])
def test_statistics_are_exact_ones_of_all_frames(frames_at_once):
    magnitudes, labels = toy_songs()
    magnitudes[1] = magnitudes[1][:33]
    data = data_of(magnitudes, [labels[0], labels[1][:33], labels[2]])
    mean, variance = data.statistics(frames_at_once)
    rounded = torch.as_tensor(np.concatenate(magnitudes)).half().float()
    values = log_mel(rounded, SMALL).double().numpy()
    np.testing.assert_allclose(mean, values.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(variance, values.var(axis=0), rtol=1e-5)
    full = log_mel(torch.as_tensor(np.concatenate(magnitudes)), SMALL).double().numpy()
    np.testing.assert_allclose(mean, full.mean(axis=0), atol=5e-4)


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frontend", [SMALL, FrontEnd()], ids=["25 frames", "115 frames"])
def test_targets_are_labels_of_centre_frames_and_excerpts_lie_round_them(frontend):
    # The magnitude of each frame encodes its number, so the position of an excerpt can be determined.
    rng = np.random.default_rng(0)
    lengths, labels = (150, 60), []
    magnitudes = []
    for first, n in zip((1, 1001), lengths, strict=True):
        magnitudes.append(np.repeat(np.arange(first, first + n, dtype=np.float32)[:, None], frontend.n_bins, axis=1))
        labels.append(rng.random(n) < 0.5)
    label_of = {int(m[t, 0]): sung[t] for m, sung in zip(magnitudes, labels, strict=True) for t in range(len(m))}
    data = data_of(magnitudes, labels, frontend, batch=400, **PLAIN)
    excerpts, targets = batch_of(data, 1)
    assert excerpts.shape == (400, frontend.excerpt_frames, frontend.n_mels)
    numbers = excerpts.exp().mean(dim=2).numpy()
    half = frontend.half_excerpt
    centres = np.round(numbers[:, half]).astype(int)
    assert [label_of[c] for c in centres] == targets.tolist()
    assert len(set(centres)) > 150  # drawn from all positions, including the edges
    # Frames before and after are neighbours or, beyond the end of the song, silence, and never those of the other song.
    around = centres[:, None] + np.arange(-half, half + 1)
    expected = np.where(np.isin(around, list(label_of)), around, frontend.floor)
    np.testing.assert_allclose(numbers, expected, rtol=2e-3, atol=1e-2)


def test_centres_are_drawn_uniformly_over_all_frames():
    n = 30
    magnitude = np.repeat(np.arange(1, n + 1, dtype=np.float32)[:, None], SMALL.n_bins, axis=1)
    data = data_of([magnitude], [np.zeros(n, dtype=bool)], batch=3000, **PLAIN)
    excerpts, _ = batch_of(data, 0)
    counts = np.bincount(np.round(excerpts[:, 12].exp().mean(dim=1).numpy()).astype(int), minlength=n + 1)[1:]
    assert counts.sum() == 3000
    assert np.sum((counts - 100) ** 2 / 100) < 58.3  # chi squared, 29 degrees of freedom: 0.1 %


def test_the_strongest_augmentation_never_reaches_another_song():
    # Song 1 is loud, song 2 is quiet. An excerpt contains levels of one of them and silence.
    levels = (1000.0, 1.0)
    magnitudes = [np.full((20, SMALL.n_bins), level, dtype=np.float32) for level in levels]
    data = data_of(magnitudes, [np.full(20, level > 1) for level in levels], batch=300, shift=0.0, filter_db=0.0)
    excerpts, is_loud = batch_of(data, 0)
    peak = excerpts.exp().amax(dim=(1, 2))
    torch.testing.assert_close(peak, torch.where(is_loud, 1000.0, 1.0), rtol=1e-3, atol=0)


def test_a_batch_is_augmented_and_depends_on_its_generator_alone():
    data = data_of(*toy_songs(), batch=8)
    one, again, other = (batch_of(data, seed) for seed in (1, 1, 2))
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])
    plain = batch_of(data_of(*toy_songs(), batch=8, **PLAIN), 1)
    assert torch.equal(plain[1], one[1])
    assert (plain[0] - one[0]).abs().mean() > 0.05


@pytest.mark.parametrize("at_once", [1, 3])
def test_batches_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch, at_once):
    data = data_of(*toy_songs(), batch=4)
    expected = list(data.batches(map(np.random.default_rng, range(7))))
    monkeypatch.setattr(training_data, "DRAWN_AT_ONCE", at_once)
    again = list(data.batches(map(np.random.default_rng, range(7))))
    assert len(again) == 7
    assert all(torch.equal(a, b) for pair in zip(again, expected, strict=True) for a, b in zip(*pair, strict=True))


def test_neither_batches_nor_updates_ask_for_values(monkeypatch):
    """Tensors on torch's device `meta` have no values, so reading one, which would synchronise with a GPU, fails here."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # does not support that device
    device = torch.device("meta")
    data = data_of(*toy_songs(), batch=4).to(device)
    detector = random_detector(excerpt_frames=25, n_mels=25).train().to(device)
    optimiser = torch.optim.Adam(detector.parameters())
    for excerpts, is_sing in data.batches(map(np.random.default_rng, range(3))):
        target = torch.where(is_sing, 0.98, 0.02)
        shown = training.train_step(detector, optimiser, excerpts, target, 1e-3)
        assert (shown.device, shown.shape) == (device, (2,))
    with pytest.raises(NotImplementedError):
        shown.tolist()


# --- stretch and shift ------------------------------------------------------------------------------------------------

FRAMES, BINS = 115, 372
SOURCE = (167, 513)


def by_splines(source, stretch, shift):
    """Stretch and shift one excerpt as the paper's source does: splines of order 2, negative values clipped."""
    times = len(source) // 2 + (np.arange(FRAMES) - FRAMES // 2) / stretch
    bins = np.arange(BINS) / shift
    at = np.meshgrid(times, bins, indexing="ij")
    return np.maximum(map_coordinates(source.astype(np.float64), at, order=2, mode="constant"), 0)


def warp_one(source, stretch, shift):
    factors = (torch.tensor([factor], dtype=torch.float64) for factor in (stretch, shift))
    warped = warp(torch.as_tensor(source)[None], *factors, n_frames=FRAMES, n_bins=BINS)
    return warped[0].numpy()


FACTORS = [(1.0, 1.0), (0.7, 1.0), (1.0, 0.75), (1.3, 1.3), (0.83, 1.17), (1.21, 0.9)]


@pytest.mark.parametrize(("stretch", "shift"), FACTORS)
def test_warp_agrees_with_splines_on_a_smooth_spectrogram(stretch, shift):
    # Shortest periods: 30 frames and 60 bins. Tolerance: 1 % of the largest magnitude.
    t, b = np.arange(SOURCE[0])[:, None], np.arange(SOURCE[1])[None]
    smooth = 1.5 + np.cos(2 * np.pi * t / 30) * np.cos(2 * np.pi * b / 60) + 0.4 * np.sin(2 * np.pi * (t / 70 - b / 90))
    warped, expected = warp_one(smooth, stretch, shift), by_splines(smooth, stretch, shift)
    inside = np.arange(BINS) / shift <= SOURCE[1] - 3  # beyond, the spline oscillates at the end of the source
    assert inside.sum() > 300
    assert np.abs(warped - expected)[:, inside].max() < 0.01 * smooth.max()


@pytest.mark.parametrize(("stretch", "shift"), FACTORS[1:])
def test_warp_agrees_with_splines_on_music(published, stretch, shift):
    # Tolerance, in log-mel values of three seconds of a real song, after the mel filterbank: RMS 0.15, mean 0.05.
    source = published["spectrogram"][: SOURCE[0]].astype(np.float64)
    frontend = FrontEnd()
    pair = []
    for warped in (warp_one(source, stretch, shift), by_splines(source, stretch, shift)):
        full = np.pad(warped, ((0, 0), (0, frontend.n_bins - BINS)))
        pair.append(log_mel(torch.as_tensor(full), frontend).numpy())
    heard = frontend.n_mels if shift > 0.8 else frontend.n_mels - 5  # bands that a strong downward shift leaves empty
    difference = (pair[0] - pair[1])[:, :heard]
    assert abs(difference.mean()) < 0.05
    assert np.sqrt(np.mean(difference**2)) < 0.15


def test_warp_by_one_is_the_identity():
    source = np.random.default_rng(0).random(SOURCE)
    middle = source[83 - 57 : 83 + 58, :BINS]
    np.testing.assert_allclose(warp_one(source, 1.0, 1.0), middle, atol=1e-12)
    np.testing.assert_allclose(warp_one(source.astype(np.float32), 1.0, 1.0), middle, atol=2e-4)


def test_warp_takes_every_excerpt_s_own_factors():
    source = np.random.default_rng(0).random((3, *SOURCE))
    stretch, shift = torch.tensor([[0.8, 1.0, 1.25], [1.1, 0.7, 1.0]], dtype=torch.float64)
    together = warp(torch.as_tensor(source), stretch, shift, n_frames=FRAMES, n_bins=BINS)
    for i in range(3):
        np.testing.assert_allclose(together[i], warp_one(source[i], stretch[i], shift[i]), atol=1e-12)


def test_stretch_makes_longer_and_shift_makes_higher():
    source = np.zeros(SOURCE)
    source[83 + 10, 100] = source[83, 50] = 1
    warped = warp_one(source, 1.2, 1.3)
    peaks = {tuple(peak.tolist()) for peak in np.argwhere(warped > 0.99)}
    assert peaks == {(57 + 12, 130), (57, 65)}


def test_warp_is_zero_where_nothing_is_known():
    warped = warp_one(np.ones((101, 200)), 0.7, 1.0)
    times, bins = (np.arange(FRAMES) - 57) / 0.7, np.arange(BINS)
    known = (np.abs(times) <= 50)[:, None] & (bins <= 199)
    unknown = (np.abs(times) >= 51)[:, None] | (bins >= 200)
    np.testing.assert_allclose(warped[known], 1)
    assert unknown.any()
    np.testing.assert_allclose(warped[unknown], 0, atol=1e-9)


def test_held_frames_and_bins_suffice_for_the_strongest_warp():
    data = data_of([np.ones((5, 513), dtype=np.float32)], [np.ones(5, dtype=bool)], FrontEnd())
    assert data.reach >= 57 / 0.7
    assert data.held.shape[1] >= min(513, (data.n_bins - 1) / 0.7)


# --- random filters ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filters():
    """Return gain (dB), centre (octaves re 1 Hz) and width (octaves) of 2000 filters, read off their responses."""
    frontend, settings = FrontEnd(), TrainingSettings(batch=2000)
    responses = filter_responses(np.random.default_rng(0), BINS, frontend, settings)
    assert responses.shape == (2000, BINS)
    octaves = np.log2(np.arange(1, BINS) * frontend.sample_rate / frontend.frame_samples)
    found = []
    for level in 20 * np.log10(responses[:, 1:]):
        near = np.abs(level) > 0.2 * np.abs(level).max()
        # The logarithm of a Gaussian is a parabola: its vertex gives centre and height, its curvature the width.
        a, b, c = np.polyfit(octaves[near], np.log(np.abs(level[near])), 2)
        height = np.exp(c - b**2 / (4 * a))
        found.append((np.sign(level[near][0]) * height, -b / (2 * a), np.sqrt(-1 / (2 * a))))
    return np.array(found).T


def test_filters_peak_at_their_centre_within_their_ranges(filters):
    gain, centre, width = filters
    tolerance = 1e-6
    assert np.all(np.abs(gain) <= 10 + tolerance)
    assert np.all((centre >= np.log2(150) - tolerance) & (centre <= np.log2(8000) + tolerance))
    assert np.all((width >= 5 / 12 - tolerance) & (width <= 7 / 12 + tolerance))


def test_filters_are_drawn_uniformly(filters):
    gain, centre, width = filters
    assert kstest(gain, "uniform", args=(-10, 20)).pvalue > 0.01
    assert kstest(centre, "uniform", args=(np.log2(150), np.log2(8000 / 150))).pvalue > 0.01  # log-uniform in Hz
    assert kstest(width, "uniform", args=(5 / 12, 2 / 12)).pvalue > 0.01


def test_filters_without_gain_change_nothing():
    responses = filter_responses(np.random.default_rng(0), BINS, FrontEnd(), TrainingSettings(filter_db=0.0))
    assert np.all(responses == 1)


def test_filters_act_on_batches():
    magnitude = np.ones((100, SMALL.n_bins), dtype=np.float32)
    data = data_of([magnitude], [np.zeros(100, dtype=bool)], batch=64, stretch=0.0, shift=0.0)
    centre = batch_of(data, 0)[0][:, SMALL.half_excerpt]
    highest = centre.abs().amax(dim=1)
    assert highest.max() <= 10 / 20 * np.log(10) + 1e-3
    assert highest.max() > 0.8 * 10 / 20 * np.log(10)
    assert centre.min() < -0.3 < 0.3 < centre.max()


# --- training ---------------------------------------------------------------------------------------------------------

QUICK = {"n_updates": 8, "batch": 4, "decay_every": 3}


def run(tmp_path=None, *, data=None, seed=0, architecture=None, every_seconds=0.0, curve_every=2, threads=None):
    saved = SavedState(tmp_path / "state.pt" if tmp_path else None, every_seconds=every_seconds)
    data, architecture = data or data_of(*toy_songs(), **QUICK), architecture or Architecture()
    return train(data, architecture, seed=seed, device=CPU, saved=saved, curve_every=curve_every, threads=threads)


def contents(tmp_path, detector):
    save_checkpoint(tmp_path / "now.pt", Checkpoint(detector))
    return (tmp_path / "now.pt").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    detector, curve = run()
    return contents(tmp_path_factory.mktemp("undisturbed"), detector), curve


def test_loss_falls_on_a_task_that_can_be_learned():
    data = data_of(*toy_songs(), n_updates=80, batch=16, learning_rate=3e-3, **PLAIN)
    detector, curve = run(data=data, curve_every=10)
    assert [point.update for point in curve] == list(range(10, 90, 10))
    assert curve[-1].loss < 0.6 * curve[0].loss
    assert curve[-1].error < 0.1
    assert not detector.training
    # The folded detector works on another song.
    magnitudes, labels = toy_songs(seed=9, n_songs=1)
    with torch.no_grad():
        logits = detector.network().dense_logits(log_mel(torch.as_tensor(magnitudes[0]), SMALL))
    truth = labels[0][SMALL.half_excerpt : -SMALL.half_excerpt]
    assert np.mean((logits.numpy() > 0) == truth) > 0.85


def test_bfloat16_learns_the_same_and_keeps_float32_weights(monkeypatch):
    monkeypatch.setattr(training, "computes_bfloat16", lambda device: True)
    changes = {"n_updates": 80, "batch": 16, "learning_rate": 3e-3, **PLAIN}
    low, exact = (run(data=data_of(*toy_songs(), precision=p, **changes), curve_every=10) for p in ("bfloat16", "float32"))
    assert low[1] != exact[1]  # the option is used
    assert low[1][-1].loss == pytest.approx(exact[1][-1].loss, abs=0.1)
    assert low[1][-1].error < 0.1
    assert {parameter.dtype for parameter in low[0].parameters()} == {torch.float32}


def test_without_bfloat16_training_is_in_float32_and_it_says_so(monkeypatch, caplog):
    monkeypatch.setattr(training, "computes_bfloat16", lambda device: False)
    low, exact = (run(data=data_of(*toy_songs(), precision=p, n_updates=3, batch=4)) for p in ("bfloat16", "float32"))
    assert low[1] == exact[1]
    assert [message.partition(":")[0] for message in caplog.messages] == ["the training"]


def test_same_seed_same_bytes(tmp_path, undisturbed):
    detector, curve = run()
    assert contents(tmp_path, detector) == undisturbed[0]
    assert curve == undisturbed[1]


def test_other_seeds_give_other_weights(tmp_path, undisturbed):
    assert contents(tmp_path, run(seed=1)[0]) != undisturbed[0]


def test_global_random_numbers_do_not_matter(tmp_path, undisturbed):
    torch.manual_seed(123)
    torch.rand(5)
    np.random.seed(3)  # noqa: NPY002
    assert contents(tmp_path, run()[0]) == undisturbed[0]


def test_curve_and_schedule(undisturbed):
    curve = undisturbed[1]
    assert [point.update for point in curve] == [2, 4, 6, 8]
    assert [point.learning_rate for point in curve] == pytest.approx([1e-3 * 0.85 ** (u // 3) for u in (1, 3, 5, 7)])
    assert all(0 <= point.error <= 1 and point.loss > 0 for point in curve)


def test_the_last_point_of_the_curve_is_the_last_update():
    _, curve = run(curve_every=5)
    assert [point.update for point in curve] == [5, 8]


def test_curve_holds_means_over_updates_since_the_last_point(undisturbed):
    _, single = run(curve_every=1)
    for i, point in enumerate(undisturbed[1]):
        assert point.loss == pytest.approx(np.mean([p.loss for p in single[2 * i : 2 * i + 2]]), rel=1e-5)
        assert point.error == pytest.approx(np.mean([p.error for p in single[2 * i : 2 * i + 2]]), rel=1e-5)


def test_an_update_is_a_step_of_adam_on_smoothed_targets(monkeypatch):
    seen = []
    monkeypatch.setattr(training, "train_step", lambda *args: (seen.append(args), torch.zeros(2))[1])
    run(data=data_of(*toy_songs(), **{**QUICK, "batch": 32, "n_updates": 1}))
    _, optimiser, excerpts, target, learning_rate, precision, _ = seen[0]
    assert isinstance(optimiser, torch.optim.Adam)
    assert excerpts.shape == (32, 25, 25)
    assert sorted(set(target.tolist())) == pytest.approx([0.02, 0.98])
    assert (learning_rate, precision) == (1e-3, "float32")


def test_every_update_has_its_own_dropout(monkeypatch):
    seeds = []
    monkeypatch.setattr(training, "train_step", lambda *args: (seeds.append(torch.initial_seed()), torch.zeros(2))[1])
    run()
    assert len(set(seeds)) == len(seeds) == 8


def test_reported_loss_and_error_are_those_of_the_batch():
    detector = random_detector(excerpt_frames=25, n_mels=25).train()
    for module in detector.modules():
        module.training = isinstance(module, torch.nn.BatchNorm2d)  # no dropout, so that the pass is deterministic
    excerpts = torch.randn(6, 25, 25) * 2 - 3
    target = torch.tensor([0.02, 0.98, 0.98, 0.02, 0.98, 0.02])
    with torch.no_grad():
        p = torch.sigmoid(detector(excerpts).double())
    loss, error = training.train_step(detector, torch.optim.Adam(detector.parameters()), excerpts, target, 0.0).tolist()
    assert loss == pytest.approx(-(target * p.log() + (1 - target) * (1 - p).log()).mean().item(), rel=1e-4)
    assert error == pytest.approx(((p > 0.5) != (target > 0.5)).double().mean().item())


@pytest.mark.parametrize("standardisation", ["exact", "running"])
def test_standardisation(standardisation):
    data = data_of(*toy_songs(), **{**QUICK, "n_updates": 3}, standardisation=standardisation)
    detector, _ = run(data=data)
    mean, variance = data.statistics()
    is_exact = torch.equal(detector.freq_norm.running_mean, mean) and torch.equal(detector.freq_norm.running_var, variance)
    assert is_exact == (standardisation == "exact")
    assert detector.freq_norm.num_batches_tracked == (0 if standardisation == "exact" else 3)
    assert detector.bn1.num_batches_tracked == 3


@pytest.mark.parametrize("standardisation", ["exact", "running"])
def test_final_batch_norms_change_statistics_only_and_standardise_clean_excerpts(standardisation):
    settings = {**QUICK, "learning_rate": 0.03, "standardisation": standardisation}
    data = data_of(*toy_songs(), **settings, batch_norms="final")
    (running, _), (final, _) = run(data=data_of(*toy_songs(), **settings)), run(data=data)
    assert not any(module.training for module in final.modules())
    for (name, weight), (_, other) in zip(running.named_parameters(), final.named_parameters(), strict=True):
        assert torch.equal(weight, other), name
    assert torch.equal(running.freq_norm.running_mean, final.freq_norm.running_mean)
    assert [norm.momentum for norm in final.norms] == [norm.momentum for norm in running.norms]

    # The input of the last batch norm over all excerpts of the songs, each with the statistics of the earlier ones.
    excerpts = log_mel(data.held[data.centres[:, None] + np.arange(-SMALL.half_excerpt, SMALL.half_excerpt + 1)].float(), SMALL)
    errors = {}
    for kind, detector in (("running", running), ("final", final)):
        x = excerpts
        with torch.no_grad():
            for part in range(len(detector.norms) - 1):
                x = detector.advance(part, x)
        last = detector.norms[-1]
        errors[kind] = float(((x.mean(dim=(0, 2, 3)) - last.running_mean) / x.std(dim=(0, 2, 3))).abs().mean())
    assert errors["final"] < 0.15
    assert errors["final"] < errors["running"] / 2


def test_final_batch_norms_do_not_depend_on_the_number_of_threads(tmp_path):
    data = data_of(*toy_songs(), **QUICK, batch_norms="final")
    detectors = [train(data, Architecture(), seed=0, device=CPU, threads=n)[0] for n in (1, 2)]
    for (name, value), other in zip(detectors[0].state_dict().items(), detectors[1].state_dict().values(), strict=True):
        assert torch.equal(value, other), name


def test_clean_excerpts_lie_round_different_frames_of_the_songs():
    data = data_of(*toy_songs(n_songs=1, n=150))
    parts = list(data.clean_excerpts(np.random.default_rng(0), 1000))  # more than there are frames
    assert [len(part) for part in parts] == [50, 50, 50]
    whole = data._clean(torch.as_tensor(data.centres))
    centre = torch.cat(parts)[:, SMALL.half_excerpt]
    assert torch.equal(centre[np.lexsort(centre.numpy().T)], whole[np.lexsort(whole.numpy().T)])
    assert [len(part) for part in data.clean_excerpts(np.random.default_rng(0), 10)] == [10]


# --- resuming after a kill --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("killed_after", "changes"),
    [
        (1, {}),
        (4, {}),
        (5, {}),
        (7, {}),
        (5, {"standardisation": "running"}),
        (5, {"precision": "bfloat16"}),
        (5, {"batch_norms": "final"}),
    ],
)
def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path, monkeypatch, undisturbed, killed_after, changes):
    def data():
        return data_of(*toy_songs(), **QUICK, **changes)

    if not changes:
        expected, curve = undisturbed
    else:
        detector, curve = run(data=data())
        expected = contents(tmp_path, detector)
    with monkeypatch.context() as patch:
        kill_after(patch, training, "train_step", killed_after)
        with pytest.raises(KilledError):
            run(tmp_path, data=data())
    assert load_tensors(tmp_path / "state.pt")["state"]["update"] == killed_after
    count = kill_after(monkeypatch, training, "train_step", -1)
    detector, again = run(tmp_path, data=data())
    assert count[0] == 8 - killed_after
    assert contents(tmp_path, detector) == expected
    assert again == curve
    count[0] = 0  # and killed again, before its result was written
    detector, again = run(tmp_path, data=data())
    assert count[0] == 0
    assert contents(tmp_path, detector) == expected
    assert again == curve


def test_a_training_killed_twice_goes_on_to_the_same_bytes(tmp_path, monkeypatch, undisturbed):
    for n_more in (3, 3):
        with monkeypatch.context() as patch:
            kill_after(patch, training, "train_step", n_more)
            with pytest.raises(KilledError):
                run(tmp_path)
    assert load_tensors(tmp_path / "state.pt")["state"]["update"] == 6
    detector, curve = run(tmp_path)
    assert contents(tmp_path, detector) == undisturbed[0]
    assert curve == undisturbed[1]


def test_state_is_saved_no_oftener_than_asked(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        kill_after(patch, training, "train_step", 7)
        with pytest.raises(KilledError):
            run(tmp_path, every_seconds=3600.0)
    assert not (tmp_path / "state.pt").exists()


@pytest.fixture
def left_over(tmp_path, monkeypatch):
    """Leave the saved state of a killed training run."""
    with monkeypatch.context() as patch:
        kill_after(patch, training, "train_step", 5)
        with pytest.raises(KilledError):
            run(tmp_path)
    return tmp_path


def other_data(frontend=SMALL, **settings):
    magnitudes, labels = toy_songs()
    return data_of(magnitudes, labels, frontend, **{**QUICK, **settings})


def shorter_songs():
    magnitudes, labels = toy_songs()
    return data_of([m[:150] for m in magnitudes], [sung[:150] for sung in labels], **QUICK)


@pytest.mark.parametrize(
    "options",
    [
        lambda: {"seed": 1},
        lambda: {"curve_every": 3},
        lambda: {"architecture": Architecture(zero_mean=False)},
        lambda: {"data": other_data(n_updates=6)},
        lambda: {"data": other_data(filter_db=3.0)},
        lambda: {"data": other_data(frontend=dataclasses.replace(SMALL, n_mels=28))},
        lambda: {"data": other_data(frontend=dataclasses.replace(SMALL, f_min=60.0))},
        lambda: {"data": shorter_songs()},
    ],
    ids=["seed", "curve", "architecture", "updates", "filter", "bands", "lowest frequency", "songs"],
)
def test_the_state_of_another_training_is_not_gone_on_from(left_over, monkeypatch, options):
    count = kill_after(monkeypatch, training, "train_step", 1)  # one update shows that it started from the beginning
    with pytest.raises(KilledError):
        run(left_over, **options())
    state = load_tensors(left_over / "state.pt")["state"]
    assert count[0] == state["update"] == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.write_bytes(b""),
        lambda path: torch.save([1, 2], path),
        lambda path: torch.save({"update": 3}, path),
    ],
    ids=["truncated", "empty", "a list", "no identity"],
)
def test_a_damaged_state_is_not_gone_on_from(left_over, damage, undisturbed):
    damage(left_over / "state.pt")
    detector, curve = run(left_over)
    assert contents(left_over, detector) == undisturbed[0]
    assert curve == undisturbed[1]


@pytest.mark.parametrize(("sung", "lacking"), [(True, "no sing"), (False, "sing")])
def test_songs_of_one_label_train_nothing(sung, lacking):
    magnitudes, is_sing = toy_songs()
    data = data_of(magnitudes, [np.full_like(truth, sung) for truth in is_sing], n_updates=2, batch=4)
    with pytest.raises(CorpusError, match=f"no frame is labelled “{lacking}”"):
        run(data=data)


def test_a_training_stops_at_the_first_loss_that_is_not_finite(monkeypatch):
    steps = []
    monkeypatch.setattr(training, "train_step", lambda *_: (steps.append(1), torch.tensor([torch.nan, 0.0]))[1])
    with pytest.raises(
        NumericalError, match=r"loss is not finite at update 1, got nan\. Lower detector.training.learning_rate"
    ):
        run(data=data_of(*toy_songs(), n_updates=5, batch=4))
    assert len(steps) == 1
