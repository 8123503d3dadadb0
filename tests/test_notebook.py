"""One excerpt in a notebook: results agree with those of the stages, for either label and any source of audio."""

import numpy as np
import pytest
import soundfile
import torch
from networks import random_detector
from torch import nn
from workspaces import ROOT

from veracity import notebook
from veracity.attacks.detector import AttackedDetector
from veracity.attacks.excerpt_scope import attack_excerpts
from veracity.attacks.settings import AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.classifiers.adapters import WaveformClassifier
from veracity.classifiers.protocol import OneLabel
from veracity.detector.checkpoints import Checkpoint, save_checkpoint
from veracity.detector.predictions import predict_excerpts
from veracity.errors import ConfigError
from veracity.explainers import lime
from veracity.games import solution_concepts
from veracity.games.game import Game
from veracity.games.models import explained_model
from veracity.songs.audio import load_audio, resampled, write_audio

RATE = 22050
STRONG = {
    "waveform": AttackSettings(eps=0.5, eta=0.02, alpha=1e4, max_updates=60),
    "spectrogram": AttackSettings(eps=50.0, eta=2.0, alpha=1e5, max_updates=30),
}


@pytest.fixture(scope="module")
def song():
    rng, times = np.random.default_rng(0), np.arange(RATE * 5) / RATE
    return (0.2 * np.abs(np.sin(2 * times)) * rng.standard_normal(len(times))).astype(np.float32)


@pytest.fixture(scope="module")
def checkpoint(song):
    """Return a detector with random weights, with a threshold at the median of its predictions for the song."""
    detector = random_detector()
    _, p = notebook.p_sing(song, Checkpoint(detector))
    return Checkpoint(detector, threshold=float(np.median(p)))


@pytest.fixture(scope="module")
def found(song, checkpoint):
    asked = {"n_time": 4, "n_band": 3, "attack": STRONG["waveform"], "n_samples": 512}
    tried = (notebook.explain(song, checkpoint, at=at, **asked) for at in (1.5, 0.5, 1.0, 2.0, 2.5, 3.0))
    return next(one for one in tried if one.before != one.after)


def test_what_is_told_is_what_the_model_says(found, checkpoint):
    network = checkpoint.detector.network()
    p = network.predict(torch.as_tensor(np.stack([found.clean, found.adversarial]))).numpy()
    np.testing.assert_allclose([found.p_clean, found.p_adversarial], p, atol=1e-6)
    assert (found.before, found.after) in {("sing", "no sing"), ("no sing", "sing")}
    game = Game(found.adversarial, found.clean, found.grid)
    for segments in ((0,), (1, 5, 7), range(12)):
        mask = np.isin(np.arange(12), segments)
        sings = float(network.predict(game.inputs(mask[None]))[0]) > found.threshold
        assert found.flip(segments) == (sings != (found.before == "sing"))
    assert found.flip(range(12))
    assert all(found.flip(segments) for segments in found.smallest_sets)
    assert str(len(found.smallest_sets[0])) in str(found)


def test_weights_speak_for_the_label_that_is_asked_for(song, checkpoint, found):
    other = "sing" if found.label == "nosing" else "nosing"
    asked = {"at": found.seconds, "n_time": 4, "n_band": 3, "attack": STRONG["waveform"], "n_samples": 512}
    turned = notebook.explain(song, checkpoint, label=other, **asked)
    np.testing.assert_array_equal(turned.adversarial, found.adversarial)
    for name in ("lime", "lime_exact", "shapley"):
        np.testing.assert_allclose(getattr(turned, name), -getattr(found, name), atol=1e-9)
    np.testing.assert_allclose(found.shapley, solution_concepts.shapley(found.values), atol=1e-9)
    np.testing.assert_allclose(found.lime_exact, lime.fit_exact(found.values, n_samples=512).weights, atol=1e-9)
    assert found.top(2, by="shapley") == tuple(np.argsort(-found.shapley, kind="stable")[:2])


def test_files_arrays_and_tensors_are_taken(tmp_path, song, checkpoint):
    write_audio(tmp_path / "song.wav", song, RATE)
    save_checkpoint(tmp_path / "detector.pt", checkpoint)
    answers = [notebook.p_sing(audio, checkpoint)[1] for audio in (song, torch.as_tensor(song), tmp_path / "song.wav")]
    answers.append(notebook.p_sing(str(tmp_path / "song.wav"), tmp_path / "detector.pt")[1])
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])


def test_audio_is_written_as_it_is(tmp_path, found):
    loud = torch.as_tensor(found.adversarial_audio) * 4  # beyond full scale
    write_audio(tmp_path / "loud.wav", loud, found.sample_rate)
    assert soundfile.info(tmp_path / "loud.wav").subtype == "FLOAT"
    np.testing.assert_array_equal(load_audio(tmp_path / "loud.wav", sample_rate=RATE), loud.numpy())
    with pytest.raises(ConfigError, match="one channel"):
        write_audio(tmp_path / "two.wav", np.zeros((2, 9)), RATE)


def test_a_perturbed_spectrogram_has_no_sound(song, checkpoint):
    found = notebook.explain(
        song, checkpoint, at=0.2, domain="spectrogram", n_time=3, n_band=2, attack=STRONG["spectrogram"], n_samples=64
    )
    assert found.adversarial_audio is None
    assert np.abs(found.adversarial - found.clean).max() > 0


class Loud(nn.Module):
    def forward(self, audio):
        return 400 * (audio**2).mean(dim=1) - 2


def test_a_classifier_of_ones_own_is_explained_too(song):
    module = WaveformClassifier(Loud(), labels=["loud"], sample_rate=RATE, excerpt_samples=8192)
    one = OneLabel(module, "loud", 0.5)
    found = notebook.explain(song, one, at=0.7, n_time=3, n_band=2, attack=STRONG["waveform"], n_samples=64)
    assert {found.before, found.after} == {"loud", "no loud"}
    assert found.adversarial_audio.shape == (8192,)
    assert notebook.plot(found) is not None
    with pytest.raises(ConfigError, match=r"n_time, n_band: too many masks .*, got 20 segments. Use at most 12"):
        notebook.explain(song, one, at=0.7, attack=STRONG["waveform"])


def test_a_decision_for_the_largest_logit_is_printed_without_a_threshold(song):
    class LoudOrQuiet(nn.Module):
        def forward(self, audio):
            loudness = 400 * (audio**2).mean(dim=1)
            return torch.stack([loudness, 4 - loudness], dim=1)

    module = WaveformClassifier(LoudOrQuiet(), labels=["loud", "quiet"], sample_rate=RATE, excerpt_samples=8192, exclusive=True)
    settings = {"n_time": 3, "n_band": 2, "n_samples": 64, "attack": STRONG["waveform"]}
    assert "largest logit\n" in str(notebook.explain(song, OneLabel(module, "loud", "arg max"), at=0.7, **settings))
    assert "threshold 0.40\n" in str(notebook.explain(song, OneLabel(module, "loud", 0.4), at=0.7, **settings))


def test_pictures_name_the_labels(found):
    figure = notebook.plot(found, k=2)
    headings = [ax.get_title() for ax in figure.axes]
    assert headings[0].startswith(f"“{found.before}”")
    assert headings[2] == "LIME's first 2"
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at": 4.0}, "at: the excerpt ends after the audio, got 4.00 s. Give at most 3.36."),
        ({"at": -1}, "at: must be a number from 0 to 1000000, got -1."),
        ({"at": 1, "label": "no sing"}, "label: must be sing or nosing, got 'no sing'."),
        ({"at": 1, "domain": "mel"}, "domain: must be waveform or spectrogram, got 'mel'"),
        ({"at": 1, "fill": "median"}, "fill: must be .*, got 'median'"),
        ({"at": 1, "n_time": 0}, "lime.n_time: out of range, got 0"),
        ({"at": 1, "n_samples": 1}, "lime.n_samples: out of range, got 1"),
        ({"at": 1, "n_time": 400}, "must be at most 115 frames"),
        ({"at": 1, "n_time": 9, "n_band": 9}, "too many masks"),
    ],
)
def test_what_cannot_be_explained_is_told_before_the_attack(song, checkpoint, settings, message, monkeypatch):
    monkeypatch.setattr("veracity.attacks.song_scope.attack_song", None)
    with pytest.raises(ConfigError, match=message):
        notebook.explain(song, checkpoint, **settings)


def test_audio_shorter_than_an_excerpt_is_refused(song, checkpoint):
    with pytest.raises(ConfigError, match=r"audio: shorter than one excerpt of 1.64 s, got 1.00 s. Give more."):
        notebook.explain(song[:RATE], checkpoint, at=0)


def test_samples_with_their_rate_are_resampled(song, checkpoint):
    (_, of_samples), (_, of_pair) = notebook.p_sing(song, checkpoint), notebook.p_sing((song, RATE), checkpoint)
    np.testing.assert_array_equal(of_pair, of_samples)
    slow = resampled(song, RATE, 16000)
    _, of_slow = notebook.p_sing((slow, 16000), checkpoint)
    assert len(of_slow) == len(of_samples)
    with pytest.raises(ConfigError, match="sample rate of the audio"):
        notebook.p_sing((song, 0), checkpoint)


def test_an_open_file_is_refused(tmp_path, song, checkpoint):
    write_audio(tmp_path / "a.wav", song, RATE)
    with (
        (tmp_path / "a.wav").open("rb") as file,
        pytest.raises(ConfigError, match="got an open file"),
    ):
        notebook.p_sing(file, checkpoint)


def test_a_grid_of_two_segments_is_printed_and_plotted(song, checkpoint):
    found = notebook.explain(song, checkpoint, at=1, n_time=2, n_band=1, n_samples=64, attack=STRONG["waveform"])
    assert "LIME's first 2 for" in str(found)
    assert len(found.top()) == 2
    assert notebook.plot(found).axes[2].get_title() == "LIME's first 2"


def test_the_text_of_an_explanation_is_ascii(found):
    assert str(found).isascii()


def test_a_classifier_is_tried_before_it_is_attacked(song):
    class Remembering(torch.nn.Module):
        past = 0.0

        def forward(self, audio):
            self.past += 1.0
            return audio.square().mean(dim=1) + self.past

    one = OneLabel(WaveformClassifier(Remembering(), labels=["x"], sample_rate=RATE, excerpt_samples=8192), "x", 0.5)
    with pytest.raises(ConfigError, match="same logits for the same excerpts when they are evaluated twice"):
        notebook.explain(song, one, at=0.7, n_time=3, n_band=2)


def test_audio_of_several_channels_is_refused(checkpoint):
    with pytest.raises(ConfigError, match="one channel"):
        notebook.p_sing(np.zeros((2, 44100)), checkpoint)


def test_the_tour_has_under_60_lines_of_code():
    """The tests of the site execute it."""
    text = (ROOT / "docs" / "tour.py").read_text()
    assert len([line for line in text.splitlines() if line.strip() and not line.startswith("#")]) < 60


def test_whatever_holds_a_detector_or_an_excerpt_is_taken(tmp_path, song, checkpoint, found):
    save_checkpoint(tmp_path / "detector.pt", checkpoint)
    network = checkpoint.detector.network()
    holders = [network, checkpoint.detector, checkpoint, tmp_path / "detector.pt", str(tmp_path / "detector.pt")]
    array = np.stack([found.clean, found.adversarial])
    for excerpts in (array, torch.as_tensor(array)):
        answers = [explained_model(one, found.grid).p_sing(excerpts) for one in holders]
        answers.append(predict_excerpts(excerpts, network.logits))
        answers.append(network.predict(excerpts).double().numpy())
        for answer in answers:
            np.testing.assert_allclose(answer, [found.p_clean, found.p_adversarial], atol=1e-6)
    part, frontend, start = song[:40_000], checkpoint.detector.frontend, np.array([3])
    few = AttackSettings(eps=0.01, eta=0.001, alpha=2, max_updates=2)
    first = AttackedDetector(network, frontend, 0.5)
    for audio, detector in ((part, tmp_path / "detector.pt"), (torch.as_tensor(part), checkpoint)):
        again = AttackedDetector(detector, frontend, 0.5)
        deltas = [attack_song(*arguments, few, domain="waveform").delta for arguments in ((part, first), (audio, again))]
        np.testing.assert_array_equal(*deltas)
        both = ((part, start, first), (audio, start, again))
        np.testing.assert_array_equal(*(attack_excerpts(*arguments, few, domain="waveform").delta for arguments in both))


def test_a_checkpoint_without_a_threshold_is_told(song, checkpoint):
    few = AttackSettings(eps=0.01, eta=0.001, alpha=2, max_updates=1)
    asked = {"at": 1.0, "n_time": 3, "n_band": 2, "attack": few, "n_samples": 64}
    bare = Checkpoint(checkpoint.detector)
    with pytest.warns(UserWarning, match="threshold: missing in the checkpoint, so 0.5 is used. Set threshold."):
        assert notebook.explain(song, bare, **asked).threshold == 0.5
    assert notebook.explain(song, bare, threshold=0.3, **asked).threshold == 0.3


def test_segments_are_numbers_of_the_grid_and_have_a_place(found):
    frame = 115 * 315 / RATE / 115
    assert found.place(4) == f"{found.seconds + 29 * frame:.2f}-{found.seconds + 58 * frame:.2f} s, bands 27-53 of 80"
    assert found.place(0).endswith("bands 0-26 of 80")
    for wrong in ([12], [-1], [(0, 1)], [0.5]):
        with pytest.raises(ConfigError, match=r"segment: must be a whole number from 0 to 11, got"):
            found.flip(wrong)
    assert not found.flip([])


def test_the_attacked_part_is_told(song, found):
    start = round(found.audio_seconds * RATE)
    np.testing.assert_array_equal(found.audio, song[start : start + len(found.audio)])
    noise = found.adversarial_audio.astype(float) - found.audio
    assert found.snr_db == pytest.approx(10 * np.log10((found.audio.astype(float) ** 2).sum() / (noise**2).sum()))
    assert f'for "{found.after}"' in str(found)


def test_segments_of_a_perturbation_can_be_heard(song, checkpoint, found):
    everything = found.sound(range(12))
    assert everything.shape == found.audio.shape
    start = round((found.seconds - found.audio_seconds) * RATE)
    inside = slice(start + 2000, start + 34000)
    np.testing.assert_allclose(everything[inside], found.adversarial_audio[inside], atol=1e-4)
    np.testing.assert_allclose(found.sound([]), found.audio, atol=1e-4)
    _, heard = notebook.p_sing(found.sound(found.smallest_sets[0]), checkpoint)
    frame = round((found.seconds - found.audio_seconds) * RATE / 315) + 57
    network = checkpoint.detector.network()
    game = Game(found.adversarial, found.clean, found.grid)
    mixed = float(network.predict(game.inputs(np.isin(np.arange(12), found.smallest_sets[0])[None]))[0])
    assert abs(heard[frame] - mixed) < 0.25  # close but not equal, because frames and bands overlap
    few = AttackSettings(eps=1.0, eta=0.1, alpha=2, max_updates=1)
    other = notebook.explain(song, checkpoint, at=0.2, domain="spectrogram", n_time=3, n_band=2, attack=few, n_samples=64)
    with pytest.raises(ConfigError, match="sound: requires a waveform attack on a detector"):
        other.sound([0])
