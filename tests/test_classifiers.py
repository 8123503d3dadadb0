"""User-supplied classifiers: the interface, the adapters, one label of several, attacks and explanations."""

import shutil
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from veracity.attacks import windows
from veracity.attacks.excerpts import pick_excerpts
from veracity.attacks.perturbations import WindowAttack, read_attack
from veracity.attacks.settings import AttackSettings
from veracity.attacks.windows import attack_windows
from veracity.classifiers.adapters import MelClassifier, WaveformClassifier
from veracity.classifiers.building import ModelSettings, built, trial_excerpts
from veracity.classifiers.protocol import ARG_MAX, Classifier, OneLabel
from veracity.errors import ConfigError
from veracity.experiments import attributions, explanations, flips, localised
from veracity.explainers import evaluate
from veracity.explainers.lime import LimeSettings
from veracity.explainers.settings import explainers_of
from veracity.games.game import fill_game
from veracity.games.grid import SegmentGrid
from veracity.games.models import explained_classifier
from veracity.jobs import store
from veracity.songs.audio import load_audio
from veracity.songs.settings import FrontEnd

RATE = 8000
SMALL = LimeSettings(n_time=3, n_band=2, n_samples=64, fills=("mean", "zero"))

MEL = {
    "excerpt_frames": 24,
    "frontend": FrontEnd(sample_rate=RATE, frame_samples=512, hop_samples=160, n_mels=20, f_min=50, f_max=4000),
}


def mel_cnn(n_labels=1, exclusive=False):
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Unflatten(1, (1, 24)),
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 11 * 9, n_labels),
    )
    labels = ["speech", "music", "noise"][:n_labels]
    return MelClassifier(module, labels=labels, exclusive=exclusive, **MEL)


class Energy(nn.Module):
    """Classifier that detects loud low frequencies."""

    def forward(self, audio):
        low = torch.cumsum(audio, dim=1)[:, ::8]
        return 40 * (low.diff(dim=1) ** 2).mean(dim=1) - 0.8


def wave_model():
    return WaveformClassifier(
        Energy(), labels=["loud"], sample_rate=RATE, excerpt_samples=4096, frame_samples=256, hop_samples=64
    )


def song(seconds=4.0):
    rng = np.random.default_rng(0)
    t = np.arange(round(RATE * seconds)) / RATE
    loudness = np.abs(np.sin(2 * np.pi * t / 2.0))
    return (0.2 * loudness * rng.standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("make", [mel_cnn, wave_model])
def test_adapters_are_classifiers(make):
    classifier = make()
    assert isinstance(classifier, Classifier)
    x = classifier.representation(torch.randn(3, classifier.excerpt_samples))
    assert x.ndim == 3
    assert classifier.logits(x).shape == (3,)


def test_a_waveform_comes_back_from_its_representation():
    classifier = wave_model()
    audio = torch.randn(2, classifier.excerpt_samples)
    x = classifier.representation(audio)
    assert x.is_complex()
    torch.testing.assert_close(classifier.waveform(x), audio, atol=1e-5, rtol=1e-5)


def test_fills_of_complex_spectra_keep_the_phase_and_zero_is_silence():
    classifier = wave_model()
    (x,) = classifier.representation(torch.randn(1, classifier.excerpt_samples))
    grid = SegmentGrid(3, 2, *x.shape)
    mean = fill_game(x, grid, "mean").off
    torch.testing.assert_close(mean.abs(), x.abs().mean().expand(x.shape))
    torch.testing.assert_close(torch.angle(mean / x), torch.zeros(x.shape), atol=1e-4, rtol=0)
    zero = fill_game(x, grid, "zero").off
    assert float(classifier.waveform(zero[None]).abs().max()) == 0


def test_one_label_of_several_is_explained_against_the_rest():
    classifier = mel_cnn(3)
    x = classifier.representation(torch.randn(5, classifier.excerpt_samples) * 0.1)
    logits = classifier.logits(x)
    tagger = OneLabel(classifier, "music", 0.4)
    torch.testing.assert_close(tagger.logit(x), logits[:, 1])
    softmax = OneLabel(mel_cnn(3, exclusive=True), "music", 0.4)
    torch.testing.assert_close(torch.sigmoid(softmax.logit(x)), logits.softmax(dim=1)[:, 1])
    winner = OneLabel(classifier, "music", ARG_MAX)
    assert torch.equal(winner.logit(x) > 0, logits.argmax(dim=1) == 1)
    assert (tagger.decision, winner.decision) == (0.4, 0.5)


@pytest.mark.parametrize("scope", ["song", "excerpt"])
@pytest.mark.parametrize("domain", ["waveform", "spectrogram"])
@pytest.mark.parametrize("make", [mel_cnn, wave_model])
def test_attacks_turn_decisions_round_in_both_scopes_and_domains(make, domain, scope, tmp_path):
    classifier = make()
    probe = OneLabel(classifier, classifier.labels[0], 0.5)
    audio = song()
    starts = range(0, len(audio) - classifier.excerpt_samples, 2000)
    windows = torch.stack([torch.as_tensor(audio[s : s + classifier.excerpt_samples]) for s in starts])
    middle = float(torch.sigmoid(probe.logit(classifier.representation(windows))).detach().median())
    one = OneLabel(classifier, classifier.labels[0], middle)
    large = domain == "spectrogram" and make is wave_model  # spectra are not scaled to 1
    settings = AttackSettings(eps=5.0 if large else 0.5, eta=0.2 if large else 0.02, alpha=1e4 if large else 50, max_updates=60)
    found = attack_windows(audio, one, settings, name="m:f", domain=domain, scope=scope, hop_seconds=0.25)
    assert found.flipped_history[-1] > found.flipped_history[0]
    assert np.abs(found.delta).max() <= settings.eps
    store.write(tmp_path / "attack.h5", found)
    again = read_attack(tmp_path / "attack.h5")
    assert isinstance(again, WindowAttack)
    np.testing.assert_array_equal(again.adversarial, found.adversarial)

    # The stored values of an excerpt follow from the stored perturbation.
    first = found.delta[0].reshape(-1)
    if domain == "waveform":
        perturbed = torch.as_tensor(audio[: classifier.excerpt_samples] + first[: classifier.excerpt_samples])
        logit = one.logit(classifier.representation(perturbed[None]))
        assert logit[0].item() == pytest.approx(float(found.adversarial_logit[0]), abs=1e-3)

    excerpts = pick_excerpts(found, one.logit, None, threshold=one.decision, n_per_direction=1, seed=0, song="s")
    assert len(excerpts.original) >= 1
    assert excerpts.label == classifier.labels[0]
    assert (excerpts.attacked, excerpts.model) == ("m:f", "m:f")
    grid = SMALL.grid(*excerpts.clean.shape[1:])
    model = explained_classifier(one, grid)
    told = explanations.compute(excerpts, model, SMALL, seed=0, song="s")
    flipped = flips.compute(excerpts, told, model, SMALL, seed=0, song="s")
    assert flipped.sets.best[:, -1].all()
    near = localised.compute(excerpts, flipped, model, SMALL, k_tried=[6], seed=0, song="s")
    assert len(near.k) == len(excerpts.original)
    for explainer in explainers_of(["lime", "integrated_gradients", "smoothgrad", "saliency", "energy", "perturbation_norm"]):
        answer = attributions.compute(excerpts, model, explainer, grid, seed=0, domain=domain, song="s")
        assert answer.flips[:, -1].all()


def test_an_attack_that_is_resumed_ends_as_one_that_was_not(tmp_path):
    from veracity.jobs.resuming import SavedState

    one, audio = OneLabel(wave_model(), "loud", 0.5), song(2.0)
    arguments = {"name": "m:f", "domain": "waveform", "scope": "song", "hop_seconds": 0.25}
    whole = attack_windows(audio, one, AttackSettings(eps=0.01, eta=0.001, alpha=5, max_updates=6), **arguments)

    class StopError(Exception):
        pass

    class Stopping(SavedState):
        def save_when_due(self, state):
            super().save_when_due(state)
            if len(state()["losses"]) == 3:
                raise StopError

    settings = AttackSettings(eps=0.01, eta=0.001, alpha=5, max_updates=6)
    with pytest.raises(StopError):
        attack_windows(audio, one, settings, saved=Stopping(tmp_path / "s.pt", every_seconds=0, made_by="x"), **arguments)
    again = attack_windows(audio, one, settings, saved=SavedState(tmp_path / "s.pt", every_seconds=0, made_by="x"), **arguments)
    np.testing.assert_array_equal(again.delta, whole.delta)


def test_songs_shorter_than_an_excerpt_are_refused():
    with pytest.raises(ConfigError, match=r"attacks.seconds: shorter than an excerpt of m:f .0.51 s., got 0.25 s\."):
        attack_windows(
            song(0.25),
            OneLabel(wave_model(), "loud", 0.5),
            AttackSettings(eps=1, eta=1, alpha=1),
            name="m:f",
            domain="waveform",
            scope="song",
            hop_seconds=0.5,
        )


# --- configuration


class InTraining(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4096, 1)

    def forward(self, audio):
        return self.layer(1000 * (audio - audio.mean(dim=0)))  # batch statistics


class NotDifferentiable(nn.Module):
    def forward(self, audio):
        return audio.detach().mean(dim=1).round()


class BatchStatistics(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(1, 8, 5), nn.BatchNorm1d(8, track_running_stats=False))

    def forward(self, audio):
        return self.layers(audio[:, None]).square().mean(dim=(1, 2))


class PeakOfBatch(nn.Module):
    def forward(self, audio):
        return (audio / audio.abs().max()).square().sum(dim=1)


class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.past = 0.0

    def forward(self, audio):
        logits = 100 * audio.square().mean(dim=1) + self.past
        self.past = float(logits.detach().mean())
        return logits


class ByPosition(nn.Module):
    def forward(self, audio):
        return 100 * audio.square().mean(dim=1) + torch.arange(len(audio))


class NamedResult(nn.Module):
    """Module that returns a mapping, as those of transformers do."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def forward(self, audio):
        return {self.name: 100 * audio.square().mean(dim=1)}


def of(module, n_labels=1):
    return WaveformClassifier(module, labels=["x", "y"][:n_labels], sample_rate=RATE, excerpt_samples=4096)


@pytest.fixture
def named(monkeypatch):
    """Add a callable to a module and return its import path."""

    def put(function):
        module = ModuleType("a_users_module")
        module.build = function
        monkeypatch.setitem(sys.modules, "a_users_module", module)
        return "a_users_module:build"

    return put


@pytest.mark.parametrize(
    ("build", "settings", "message"),
    [
        (lambda: 3, {}, "must return a classifier with sample_rate, excerpt_samples, labels, .*, got int"),
        (lambda: 1 / 0, {}, "fails .ZeroDivisionError"),
        (lambda: mel_cnn(3), {}, "model.label: missing for a_users_module:build with 3 labels, got null"),
        (lambda: mel_cnn(3), {"label": "musik"}, "got 'musik'. Choose from speech, music, noise .did you mean 'music'"),
        (lambda: mel_cnn(1), {"threshold": "arg max"}, "must be a number for a classifier with one label"),
        (lambda: mel_cnn(1), {"threshold": 2.0}, "model.threshold: out of range, got 2"),
        (lambda: of(NotDifferentiable()), {}, "does not provide gradients .*Make the classifier differentiable"),
        (lambda: of(InTraining()), {}, "same logits for the same excerpts alone and in a batch, .*normalise each excerpt"),
        (lambda: of(BatchStatistics()), {}, "alone and in a batch"),
        (lambda: of(PeakOfBatch()), {}, "alone and in a batch"),
        (lambda: of(Remembering()), {}, "when they are evaluated twice, .*reset its state"),
        (lambda: of(ByPosition()), {}, "alone and in a batch|in another order"),
        (lambda: of(NamedResult("answer")), {}, "must return a tensor, got dict"),
        (lambda: of(nn.Conv1d(1, 1, 4096)), {}, r"fails to classify representations of shape .*adds or removes axes"),
        (lambda: of(nn.Sequential(nn.Linear(4096, 1), nn.Sigmoid())), {}, "must return logits, got probabilities"),
        (lambda: of(nn.Sequential(nn.Linear(4096, 1), nn.Sigmoid(), nn.Flatten(0))), {}, "Remove the last sigmoid"),
        (lambda: of(nn.Sequential(nn.Linear(4096, 2), nn.Softmax(1)), 2), {"label": "x"}, "must return logits, got prob"),
        (lambda: of(lambda audio: audio), {}, "classifier.logits: must return the shape"),
        (lambda: of(lambda audio: audio.mean(dim=1) * float("nan")), {}, "not finite"),
    ],
)
def test_what_is_no_classifier_is_told_before_anything_runs(build, settings, message, named):
    with pytest.raises(ConfigError, match=message):
        built(ModelSettings(build=named(build), **settings))


def test_logits_from_0_to_1_that_are_no_probabilities_are_accepted_with_a_warning(named, caplog):
    built(ModelSettings(build=named(lambda: of(lambda audio: torch.exp(-audio.square().mean(dim=1))))))
    assert "as if they were probabilities" in caplog.text


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_module_in_any_precision_is_attacked_and_explained(named, dtype):
    module = nn.Sequential(nn.Linear(4096, 1)).to(dtype)
    one = built(ModelSettings(build=named(lambda: of(module))))
    x = one.representation(torch.randn(2, 4096))
    assert one.logit(x).dtype in (torch.float32, torch.float64)
    explained = explained_classifier(one, SMALL.grid(*one.shape))
    assert np.isfinite(explained.p_sing(x)).all()


def test_the_field_logits_of_a_result_is_used(named):
    one = built(ModelSettings(build=named(lambda: of(NamedResult("logits")))))
    audio = torch.randn(2, 4096)
    torch.testing.assert_close(one.logit(one.representation(audio)), 100 * audio.square().mean(dim=1), rtol=1e-4, atol=1e-4)


def test_a_threshold_of_none_is_one_half():
    one = OneLabel(of(nn.Linear(4096, 1)), "x")
    assert one.threshold == one.decision == OneLabel(one.classifier, "x", None).decision == 0.5


def test_an_adapter_does_not_freeze_the_module():
    module = nn.Linear(4096, 1)
    of(module)
    assert all(weight.requires_grad for weight in module.parameters())


def test_a_classifier_is_built_by_its_name(named):
    one = built(ModelSettings(build=named(lambda: mel_cnn(3)), label="noise", threshold=ARG_MAX))
    assert (one.label, one.decision, one.shape) == ("noise", 0.5, (24, 20))


def test_what_a_users_code_changes_for_all_is_put_back(named, tmp_path):
    import os
    from pathlib import Path

    def changing():
        os.chdir(tmp_path)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        np.seterr(all="raise")
        torch.set_default_dtype(torch.float32)
        model = wave_model()
        torch.set_default_dtype(torch.float64)
        return model

    before = Path.cwd(), np.geterr()
    built(ModelSettings(build=named(changing)))
    assert (Path.cwd(), np.geterr()) == before
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_random_weights_are_the_same_in_every_job(named):
    def drawing():
        module = nn.Sequential(nn.Flatten(), nn.Linear(24 * 20, 1))
        with torch.no_grad():
            module[1].bias += float(np.random.normal())  # noqa: NPY002 - as users write
        return MelClassifier(module, labels=["x"], **MEL)

    name = named(drawing)
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    audio = torch.randn(
        2, built(ModelSettings(build=name)).classifier.excerpt_samples, generator=torch.Generator().manual_seed(1)
    )
    first, second = (one.logit(one.representation(audio)) for one in (built(ModelSettings(build=name)) for _ in range(2)))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002


class InPlace(nn.Module):
    """Classifier that subtracts the mean of its input in place."""

    def __init__(self):
        super().__init__()
        self.inner = mel_cnn().module

    def forward(self, x):
        with torch.no_grad():
            x.sub_(x.mean(dim=(1, 2), keepdim=True))
        return self.inner(x)


@pytest.mark.parametrize("domain", ["waveform", "spectrogram"])
def test_a_module_that_works_in_place_changes_nothing_that_is_kept(domain):
    classifier = mel_cnn()
    pure = MelClassifier(InPlace().inner, **MEL, labels=["speech"])
    classifier.module = InPlace().eval().requires_grad_(False)
    one = OneLabel(classifier, "speech", 0.5)
    settings = AttackSettings(eps=0.1, eta=0.01, alpha=1, max_updates=3)
    found = attack_windows(song(), one, settings, name="m:f", domain=domain, scope="song", hop_seconds=0.5)
    first = pure.representation(torch.as_tensor(song()[: classifier.excerpt_samples])[None])[0]
    np.testing.assert_allclose(found.clean[0], first.numpy(), atol=1e-4)


def test_an_attack_on_another_model_does_not_go_on(tmp_path):
    found = {}
    for name, shift in (("one", 0.0), ("other", 1.0)):
        classifier = mel_cnn()
        classifier.module[-1].bias.data += shift
        found[name] = windows._answers(OneLabel(classifier, "speech", 0.5))
    assert found["one"] != found["other"]
    assert windows._answers(OneLabel(mel_cnn(), "speech", 0.5)) == found["one"]


def test_a_model_that_answers_otherwise_than_when_it_was_attacked_is_refused():
    one, audio = OneLabel(mel_cnn(), "speech", 0.5), song()
    starts = range(0, len(audio) - one.classifier.excerpt_samples, 2000)
    heard = torch.stack([torch.as_tensor(audio[s : s + one.classifier.excerpt_samples]) for s in starts])
    one = replace(one, threshold=torch.sigmoid(one.logit(one.representation(heard))).median().item())
    settings = AttackSettings(eps=0.5, eta=0.02, alpha=50, max_updates=60)
    found = attack_windows(audio, one, settings, name="m:f", domain="waveform", scope="song", hop_seconds=0.25)
    picking = {"threshold": one.decision, "n_per_direction": 2, "seed": 0, "song": "s"}
    excerpts = pick_excerpts(found, one.logit, None, **picking)
    other = OneLabel(mel_cnn(), "speech", 0.5)
    other.classifier.module[-1].bias.data += 1.0
    with pytest.raises(ConfigError, match=r"m:f: P\(sing\) of an excerpt must be .* as when it was attacked, got"):
        pick_excerpts(found, other.logit, None, **picking)
    model = explained_classifier(other, SMALL.grid(*excerpts.clean.shape[1:]))
    with pytest.raises(ConfigError, match=r"when it was picked.*--forcerun excerpts"):
        explanations.compute(excerpts, model, SMALL, seed=0, song="s")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": "ab"}, "labels are a list of names, got 'ab'"),
        ({"labels": ["a", "a"]}, "distinct labels, got"),
        ({"labels": [""]}, "labels are a list of names, got"),
        ({"exclusive": "no"}, "exclusive is True or False, got 'no'"),
    ],
)
def test_labels_that_are_none_are_refused(changed, message, named):
    def build():
        classifier = mel_cnn(2)
        for key, value in changed.items():
            setattr(classifier, key, value)
        return classifier

    with pytest.raises(ConfigError, match=message):
        built(ModelSettings(build=named(build), label="a"))


def test_grad_cam_explains_one_label_of_several():
    one = OneLabel(mel_cnn(3, exclusive=True), "music", ARG_MAX)
    x = one.representation(torch.randn(1, one.classifier.excerpt_samples))[0]
    grid = SMALL.grid(*x.shape)
    (grad_cam,) = explainers_of(["lime", {"call": "grad_cam", "options": {"relu": False}}])
    answer = evaluate.explain(
        grad_cam, explained_classifier(one, grid), x.numpy(), grid, "sing", threshold=0.5, rng=np.random.default_rng(0)
    )
    assert np.isfinite(answer.weights).all()
    assert np.ptp(answer.weights) > 0


class Indexing(nn.Module):
    """Module that takes layers of a sequence by their index, with an activation and a pool in different sequences."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
        self.end = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 10 * 8, 1))

    def forward(self, x):
        x = x[:, None]
        for i in range(0, 4, 2):
            x = self.layers[i + 1](self.layers[i](x))
        return self.end(x)


class Backwards(nn.Sequential):
    """Sequence that is executed in another order."""

    def forward(self, x):
        for layer in reversed(self):
            x = layer(x)
        return x


def of_mel(module):
    return OneLabel(MelClassifier(module, labels=["speech"], **MEL), "speech", 0.5)


def ask(name, one):
    torch.manual_seed(2)
    x = one.representation(torch.randn(2, one.classifier.excerpt_samples)).detach()
    grid = SMALL.grid(*one.shape)
    (settings,) = explainers_of(["lime", name])
    model = explained_classifier(one, grid)
    rng = np.random.default_rng(0)
    return x, evaluate.explain(settings, model, x[0], grid, "sing", threshold=0.5, rng=rng, clean=x[1])


@pytest.mark.parametrize(
    "one",
    [
        lambda: of_mel(Indexing()),
        lambda: of_mel(mel_cnn().module),
        lambda: OneLabel(mel_cnn(3), "music", 0.4),
        lambda: OneLabel(mel_cnn(3, exclusive=True), "music", ARG_MAX),
        lambda: OneLabel(mel_cnn(2, exclusive=True), "music", ARG_MAX),
    ],
)
def test_deeplift_adds_up_to_the_change_of_the_model_itself(one):
    torch.manual_seed(0)
    one = one()
    x, answer = ask("deeplift", one)
    mean = x[0].mean().expand(x[0].shape)
    with torch.no_grad():
        change = float(torch.diff(one.logit(torch.stack([mean, x[0]]))))
    assert answer.weights.sum() == pytest.approx(change, abs=1e-4)


def test_layers_that_are_another_function_than_the_model_are_refused():
    one = of_mel(mel_cnn().module)
    other = mel_cnn(1)
    other.module[-1].bias.data += 0.1
    one.classifier.layers = other.layers
    for name in ("deeplift", "grad_cam"):
        with pytest.raises(ConfigError, match=f"explainers.{name}: the layers of the model must return its logits, got a diff"):
            ask(name, one)


def test_a_subclass_of_sequential_is_no_sequence_for_grad_cam():
    one = of_mel(Backwards(*reversed(mel_cnn().module)))
    with pytest.raises(ConfigError, match="requires a model whose layers form a sequence"):
        ask("grad_cam", one)


def fails_on_batches(task):
    raise ValueError("no such layer")


def test_explainers_that_may_not_fit_a_model_are_tried_before_the_attacks(monkeypatch):
    one = of_mel(Indexing())
    grid = SMALL.grid(*one.shape)
    model, x = explained_classifier(one, grid), one.representation(trial_excerpts(one.classifier.excerpt_samples)[2:]).detach()
    evaluate.try_out(explainers_of(["lime", "saliency", "deeplift", "occlusion"]), model, x, grid, threshold=0.5)
    for name, message in (
        ("grad_cam", "requires a model whose layers form a sequence"),
        (f"{__name__}:fails_on_batches", "fails_on_batches: fails .ValueError.*no such layer"),
    ):
        with pytest.raises(ConfigError, match=message):
            evaluate.try_out(explainers_of(["lime", name]), model, x, grid, threshold=0.5)


def test_speech_of_espeak_is_speech_and_an_attack_undoes_it(tmp_path):
    pytest.importorskip("silero_vad")
    if not shutil.which("espeak-ng"):
        pytest.skip("no espeak-ng here: apt-get install espeak-ng")
    text = "Explanations should find what has changed a decision, and most of them do not."
    subprocess.run(["espeak-ng", "-w", str(tmp_path / "speech.wav"), text], check=True)
    one = built(ModelSettings(build="veracity.classifiers.silero:speech"))
    audio = load_audio(tmp_path / "speech.wav", sample_rate=one.classifier.sample_rate)
    settings = AttackSettings(eps=0.05, eta=0.002, alpha=20, max_updates=60)
    found = attack_windows(audio, one, settings, name="silero", domain="waveform", scope="excerpt", hop_seconds=0.75)
    was_speech = found.clean_logit > 0
    assert was_speech.mean() > 0.8
    assert (found.adversarial_logit[was_speech] < 0).mean() > 0.5
    excerpts = pick_excerpts(found, one.logit, None, threshold=0.5, n_per_direction=1, seed=0, song="speech")
    grid = SMALL.grid(*excerpts.clean.shape[1:])
    model = explained_classifier(one, grid)
    explained = explanations.compute(excerpts, model, SMALL, seed=0, song="speech")
    result = flips.compute(excerpts, explained, model, SMALL, seed=0, song="speech")
    assert result.sets.best[:, -1].all()
    assert (result.sets.smallest_size >= 1).all()


def test_silero_is_a_classifier_of_speech():
    pytest.importorskip("silero_vad")
    one = built(ModelSettings(build="veracity.classifiers.silero:speech"))
    assert one.label == "speech"
    silence = one.classifier.representation(torch.zeros(1, one.classifier.excerpt_samples))
    assert float(torch.sigmoid(one.logit(silence))[0]) < 0.1
