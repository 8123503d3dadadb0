"""Smoothing, threshold and scores against their definitions and scikit-learn; predicting songs."""

import numpy as np
import pytest
import torch
from networks import random_detector
from scipy.ndimage import median_filter
from sklearn import metrics

from veracity.detector.evaluation import THRESHOLDS, Scores, mean_and_std, score, smooth, tune_threshold
from veracity.detector.predictions import predict_songs, score_split
from veracity.errors import ConfigError
from veracity.songs.frontend import log_mel, pad_silence
from veracity.songs.spectra import Spectrogram


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --- smoothing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [2, 3, 56, 57])
@pytest.mark.parametrize("n", [1, 20, 300])
def test_smoothing_is_a_median_over_a_window(rng, frames, n):
    p = rng.random(n)
    window = np.clip(np.arange(n)[:, None] + np.arange(frames) - frames // 2, 0, n - 1)  # ends go on as they are
    np.testing.assert_array_equal(smooth(p, frames=frames), np.sort(p[window], axis=1)[:, frames // 2])
    np.testing.assert_array_equal(smooth(p, frames=frames), median_filter(p, size=frames, mode="nearest"))


@pytest.mark.parametrize("frames", [0, 1])
def test_no_smoothing(rng, frames):
    p = rng.random(30)
    np.testing.assert_array_equal(smooth(p, frames=frames), p)


def test_smoothing_removes_what_is_shorter_than_half_the_window():
    p = np.zeros(300)
    p[100:120], p[200:240] = 1, 1
    smoothed = smooth(p, frames=56)
    assert not smoothed[:190].any()
    assert smoothed[220] == 1


# --- threshold --------------------------------------------------------------------------------------------------------


def test_thresholds_are_the_published_candidates():
    assert len(THRESHOLDS) == 105
    np.testing.assert_allclose(
        THRESHOLDS[[0, 1, 2, 3, 53, 101, 102, 103, 104]], [1e-5, 1e-4, 1e-3, 0.01, 0.51, 0.99, 0.999, 0.9999, 0.99999]
    )
    assert np.all(np.diff(THRESHOLDS) > 0)


def test_threshold_has_the_highest_accuracy(rng):
    truth = rng.random(2000) < 0.4
    p = np.clip(0.2 + 0.3 * truth + 0.15 * rng.normal(size=2000), 0, 1)
    accuracies = [metrics.accuracy_score(truth, p > threshold) for threshold in THRESHOLDS]
    threshold = tune_threshold(p, truth)
    assert threshold == THRESHOLDS[int(np.argmax(accuracies))]
    assert 0.25 < threshold < 0.45


def test_of_equal_thresholds_the_first_is_taken():
    truth = np.array([False, True])
    assert tune_threshold(np.array([0.205, 0.805]), truth) == pytest.approx(0.21)


def test_a_probability_on_the_threshold_is_no_sing():
    p, truth = np.array([THRESHOLDS[33], 0.9]), np.array([False, True])
    assert tune_threshold(p, truth) == THRESHOLDS[33]
    assert score([p], [truth], THRESHOLDS[33]).error == 0
    assert score([p], [truth], THRESHOLDS[32]).error == 0.5


@pytest.mark.parametrize("sung", [True, False, None])
def test_frames_of_one_label_determine_no_threshold(rng, sung):
    truth = np.zeros(0, dtype=bool) if sung is None else np.full(50, sung)
    with pytest.raises(
        ConfigError, match=r"detector.threshold: cannot be tuned, because the validation songs contain (no|only) frames"
    ):
        tune_threshold(0.1 + 0.3 * rng.random(len(truth)), truth)


@pytest.mark.parametrize(
    ("given", "own", "used", "source", "warned"),
    [
        (0.3, None, 0.3, "given", False),
        (0.3, 0.3, 0.3, "given", False),
        (0.3, 0.4, 0.3, "given", True),
        (None, 0.4, 0.4, "the checkpoint's own", False),
    ],
)
def test_the_threshold_is_the_configuration_s_or_the_checkpoint_s_own(given, own, used, source, warned, caplog):
    found = predict_songs(None, [], None, detector="d", median_frames=1, threshold=given, checkpoint_threshold=own)
    assert (found.threshold, found.threshold_source) == (used, source)
    assert ("does not match the checkpoint's 0.4, got 0.3" in caplog.text) == warned


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = [rng.random(n) < 0.6 for n in (100, 1, 333)]
    p = [np.round(np.clip(0.4 * t + 0.6 * rng.random(len(t)), 0, 1), 2) for t in truth]  # rounded: there are ties
    threshold = 0.45
    own = score(p, truth, threshold)
    t, q = np.concatenate(truth), np.concatenate(p)
    says = q > threshold
    assert (own.n_songs, own.n_frames, own.n_sing) == (3, 434, t.sum())
    assert own.error == pytest.approx(1 - metrics.accuracy_score(t, says))
    assert own.recall == pytest.approx(metrics.recall_score(t, says))
    assert own.specificity == pytest.approx(metrics.recall_score(~t, ~says))
    assert own.precision == pytest.approx(metrics.precision_score(t, says))
    assert own.f1 == pytest.approx(metrics.f1_score(t, says))
    assert own.auroc == pytest.approx(metrics.roc_auc_score(t, q))
    # AUROC by its definition: how often a sung frame is above an unsung one, ties counted half.
    above = q[t][:, None] - q[~t][None]
    assert own.auroc == pytest.approx(np.mean((above > 0) + 0.5 * (above == 0)))


def test_counts_are_pooled_over_songs():
    # Errors of 1/10 and 2/2 give 3 of 12 frames, not the mean of the shares of songs.
    p = [np.full(10, 0.9), np.full(2, 0.9)]
    truth = [np.arange(10) > 0, np.zeros(2, dtype=bool)]
    assert score(p, truth, 0.5).error == 3 / 12


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("sung", [True, False])
def test_undefined_scores_are_nan(sung):
    own = score([np.array([0.2, 0.8, 0.7])], [np.full(3, sung)], 0.5)
    assert own.error == pytest.approx(1 / 3 if sung else 2 / 3)
    assert np.isnan(own.auroc)
    if sung:
        assert own.recall == pytest.approx(2 / 3)
        assert own.precision == 1
        assert np.isnan(own.specificity)
    else:
        assert np.isnan(own.recall)
        assert own.precision == own.f1 == 0
        assert own.specificity == pytest.approx(1 / 3)


def test_precision_is_nan_when_nothing_is_called_sing():
    own = score([np.array([0.2, 0.3])], [np.array([True, False])], 0.5)
    assert np.isnan(own.precision)
    assert own.recall == own.f1 == 0
    assert np.isnan(score([np.array([0.2])], [np.array([False])], 0.5).f1)


def scores_with(error, auroc=0.9):
    return Scores(n_songs=1, n_frames=2, n_sing=1, error=error, recall=0.5, specificity=1, precision=0, f1=0, auroc=auroc)


def test_mean_and_standard_deviation_over_seeds():
    columns = mean_and_std([scores_with(0.1), scores_with(0.2), scores_with(0.6)])
    assert columns["error"] == pytest.approx(0.3)
    assert columns["error_std"] == pytest.approx(np.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert columns["recall_std"] == 0
    assert set(columns) == {s for n in ("error", "recall", "specificity", "precision", "f1", "auroc") for s in (n, f"{n}_std")}


def test_one_seed_has_no_standard_deviation_and_undefined_scores_stay_so():
    assert np.isnan(mean_and_std([scores_with(0.1)])["error_std"])
    columns = mean_and_std([scores_with(0.1), scores_with(0.2, auroc=np.nan)])
    assert np.isnan(columns["auroc"])
    assert np.isnan(columns["auroc_std"])


# --- songs ------------------------------------------------------------------------------------------------------------

DETECTOR = random_detector(excerpt_frames=25, n_mels=25)
NETWORK, FRONTEND = DETECTOR.network(), DETECTOR.frontend


def song(name, split, seed, n=90):
    rng = np.random.default_rng(seed)
    magnitude = 10 ** rng.uniform(-4, 1, (n, 1)) * rng.random((n, FRONTEND.n_bins))
    return Spectrogram(
        song=name,
        split=split,
        label_overhang_seconds=0.0,
        magnitude=magnitude.astype(np.float16),
        log_mel=log_mel(torch.as_tensor(magnitude.astype(np.float32)), FRONTEND).numpy(),
        is_sing=rng.random(n) < 0.5,
    )


SONGS = [song("b", "valid", 0), song("a", "test", 1), song("c", "valid", 2, n=40)]


def predict(songs, threshold=None, median_frames=5):
    return predict_songs(NETWORK, songs, FRONTEND, detector="d", median_frames=median_frames, threshold=threshold)


def test_songs_are_predicted_frame_by_frame_and_smoothed():
    predictions = predict(iter(SONGS))
    assert predictions.detector == "d"
    assert list(predictions.songs) == ["b", "a", "c"]
    for given in SONGS:
        own = predictions.songs[given.song]
        padded = pad_silence(torch.as_tensor(given.log_mel), FRONTEND)
        with torch.no_grad():
            logits = NETWORK.logits(padded.unfold(0, FRONTEND.excerpt_frames, 1).transpose(1, 2)).numpy()
        np.testing.assert_allclose(own.logit, logits, atol=1e-4)
        assert own.logit.dtype == np.float32
        expected = median_filter(1 / (1 + np.exp(-logits.astype(np.float64))), size=5, mode="nearest")
        np.testing.assert_allclose(own.p_sing_smooth, expected, atol=1e-5)
        np.testing.assert_array_equal(own.is_sing, given.is_sing)
        assert own.split == given.split


def test_threshold_is_tuned_on_the_validation_songs_alone():
    predictions = predict(SONGS)
    valid = [predictions.songs[name] for name in ("b", "c")]
    p, truth = np.concatenate([s.p_sing_smooth for s in valid]), np.concatenate([s.is_sing for s in valid])
    assert predictions.threshold == tune_threshold(p, truth)
    assert predictions.threshold_source == "tuned on 2 validation songs"
    test_song = SONGS[1]
    turned = Spectrogram(**{**vars(test_song), "is_sing": ~test_song.is_sing})
    assert predict([SONGS[0], turned, SONGS[2]]).threshold == predictions.threshold


def test_given_threshold_is_kept():
    predictions = predict(SONGS, threshold=0.123)
    assert predictions.threshold == 0.123
    assert predictions.threshold_source == "given"
    assert predict(SONGS[1:2], threshold=0.123).threshold == 0.123


def test_tuning_without_validation_songs_is_refused():
    with pytest.raises(ConfigError, match=r"detector\.threshold: no labelled validation songs"):
        predict(SONGS[1:2])


def test_a_split_is_scored_on_smoothed_probabilities_with_the_threshold():
    predictions = predict(SONGS)
    valid = [predictions.songs[name] for name in ("b", "c")]
    expected = score([s.p_sing_smooth for s in valid], [s.is_sing for s in valid], predictions.threshold)
    assert score_split(predictions, "valid") == expected
    assert score_split(predictions, "test").n_frames == 90
    assert score_split(predictions, "train") is None


def test_probabilities_that_are_all_equal_determine_no_threshold():
    with pytest.raises(ConfigError, match=r"P.sing. is the same for all frames of the validation songs, got 0.3"):
        tune_threshold(np.full(100, 0.3), np.arange(100) < 50)


def test_a_threshold_that_is_no_better_than_one_label_for_all_is_told(caplog):
    tune_threshold(np.array([0.9, 0.8, 0.1, 0.2]), np.array([False, False, True, True]))
    assert "no threshold is more accurate" in caplog.text


def test_a_split_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match=r"split: must be one of .*, got 'tets'"):
        score_split(None, "tets")
