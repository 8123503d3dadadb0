"""Attacks: update rules computed by hand, gradients in chunks, published numbers, and stored results."""

import numpy as np
import pytest
import torch
from killing import KilledError, kill_after
from networks import random_detector
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from veracity.attacks import attacked, minimiser, perturbed
from veracity.attacks.attacked import snr_db
from veracity.attacks.detector import AttackedDetector
from veracity.attacks.excerpt_scope import attack_excerpts, inner_start_frames
from veracity.attacks.minimiser import minimise
from veracity.attacks.perturbed import central
from veracity.attacks.settings import DOMAINS, PAPER, AttackSettings
from veracity.attacks.song_scope import attack_song
from veracity.detector.network import Network
from veracity.errors import ConfigError, NumericalError
from veracity.jobs.resuming import SavedState
from veracity.jobs.usage import STATUS, give_back_free_memory, process_mb
from veracity.songs.frontend import FrontEnd, excerpt_samples, log_mel, magnitudes, pad_silence

SMALL = {"excerpt_frames": 25, "n_mels": 25}
DETECTOR = random_detector(**SMALL)
FRONTEND = DETECTOR.frontend
NETWORK = DETECTOR.network()
SETTINGS = {
    "waveform": AttackSettings(eps=0.01, eta=0.001, alpha=20.0, max_updates=4),
    "spectrogram": AttackSettings(eps=0.1, eta=0.01, alpha=100.0, max_updates=4),
}


def bursts(seconds=2.0, seed=0):
    """Return noise of varying level, float32, so that the detector's predictions vary over time."""
    rng = np.random.default_rng(seed)
    n = round(seconds * FRONTEND.sample_rate)
    loudness = 10 ** (-2 + 1.5 * np.sin(np.arange(n) / FRONTEND.sample_rate * 2 * np.pi * 1.3))
    return (0.3 * loudness * rng.normal(size=n)).astype(np.float32)


AUDIO = bursts()


def clean_logits(audio=AUDIO):
    with torch.no_grad():
        return NETWORK.dense_logits(pad_silence(log_mel(magnitudes(torch.as_tensor(audio), FRONTEND), FRONTEND), FRONTEND))


# At the upper quartile of the predictions: there are frames of both labels, close to the threshold and far from it.
THRESHOLD = float(torch.sigmoid(clean_logits().quantile(0.75)))


def of(network=NETWORK, threshold=THRESHOLD):
    return AttackedDetector(network, FRONTEND, threshold)


def attack(domain, *, audio=AUDIO, network=NETWORK, chunk_frames=4096, **changes):
    settings = AttackSettings(**{**vars(SETTINGS[domain]), **changes})
    return attack_song(audio, of(network), settings, domain=domain, chunk_frames=chunk_frames)


# --- update rules, on linear models -----------------------------------------------------------------------------------


def linear_model(weight, bias):
    """Return logits ``delta @ weight + bias`` and their gradient for `minimise`; one frame per item, derived by hand."""

    def gradient(delta, target, alpha):
        logits = delta @ weight + bias
        slope = alpha * (torch.sigmoid(logits) - target)[:, None] * weight
        return logits[:, None], slope

    return lambda delta, target, alpha: gradient(delta, target[:, 0], alpha)


def minimise_linear(weight, bias, settings, threshold=0.5):
    weight, bias = torch.as_tensor(weight, dtype=torch.float64), torch.as_tensor(bias, dtype=torch.float64)
    was_sing = (torch.sigmoid(bias) > threshold)[:, None]
    start = torch.zeros(len(bias), len(weight), dtype=torch.float64)
    return minimise(start, linear_model(weight, bias), was_sing, settings, threshold=threshold)


def iterates_by_hand(weight, bias, settings, n_updates, rule):
    """Yield delta after each update of one item, in NumPy, or with Adam itself."""
    target = float(bias <= 0)
    delta = torch.zeros(len(weight), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([delta], lr=settings.eta)
    for _ in range(n_updates):
        d = delta.detach().numpy()
        p = 1 / (1 + np.exp(-(d @ weight + bias)))
        sign = np.sign(2 * d + settings.alpha * (p - target) * weight)
        if rule == "adam":
            delta.grad = torch.as_tensor(sign)
            optimiser.step()
        else:
            delta.data -= settings.eta * torch.as_tensor(sign)
        delta.data.clamp_(-settings.eps, settings.eps)
        yield delta.detach().numpy().copy()


@pytest.mark.parametrize("rule", ["adam", "sign"])
@pytest.mark.parametrize("bias", [-3.0, 2.0])
def test_update_rules_equal_iterates_by_hand(rule, bias):
    # alpha is small, so that the norm has an effect and some entries change direction; nothing flips.
    weight = np.array([1.0, -0.5, 0.1, 0.02, 0.0])
    settings = AttackSettings(eps=0.05, eta=0.004, alpha=0.6, max_updates=30, update_rule=rule)
    iterates = list(iterates_by_hand(weight, bias, settings, 30, rule))
    assert np.any(np.diff(np.sign(np.diff(iterates, axis=0)), axis=0) != 0)
    for n_updates in (1, 2, 13, 30):
        limited = AttackSettings(**{**vars(settings), "max_updates": n_updates})
        found = minimise_linear(weight, [bias], limited)
        np.testing.assert_allclose(found.delta[0], iterates[n_updates - 1], atol=1e-12, rtol=0)
        assert len(found.loss_history) == n_updates + 1


@pytest.mark.parametrize("bias", [-1.0, 1.0])
def test_sign_steps_go_straight_to_the_nearest_flip_and_stop_there(bias):
    weight = np.array([2.0, -1.0, 0.5])
    settings = AttackSettings(eps=1.0, eta=0.01, alpha=100.0, update_rule="sign")
    found = minimise_linear(weight, [bias], settings)
    # Each step moves the logit by eta * 3.5: the 29th crosses zero.
    np.testing.assert_allclose(found.delta[0], -np.sign(bias) * 29 * 0.01 * np.sign(weight), rtol=1e-12)
    assert found.flipped_history.tolist() == [0] * 29 + [1]
    assert np.sign(found.logits.item()) == -np.sign(bias)


@pytest.mark.parametrize("rule", ["adam", "sign"])
def test_delta_stops_at_the_bounds(rule):
    settings = AttackSettings(eps=0.025, eta=0.01, alpha=1000.0, max_updates=6, update_rule=rule)
    found = minimise_linear(np.array([2.0, -1.0, 0.0]), [-9.0], settings)
    assert found.delta.tolist() == [[0.025, -0.025, 0.0]]


@pytest.mark.parametrize("rule", ["adam", "sign"])
def test_items_that_have_flipped_stay_and_do_not_disturb_the_others(rule):
    weight, biases = np.array([2.0, -1.0, 0.5]), [-1.0, 0.2, -0.6]
    settings = AttackSettings(eps=1.0, eta=0.01, alpha=100.0, max_updates=100, update_rule=rule)
    together = minimise_linear(weight, biases, settings)
    alone = [minimise_linear(weight, [bias], settings) for bias in biases]
    for i, single in enumerate(alone):
        assert torch.equal(together.delta[i], single.delta[0])
    n_updates = [len(single.loss_history) - 1 for single in alone]
    assert len(set(n_updates)) == 3
    assert len(together.loss_history) - 1 == max(n_updates)
    assert together.flipped_history.tolist() == [sum(n <= i for n in n_updates) for i in range(max(n_updates) + 1)]


def test_a_logit_on_the_threshold_is_no_sing():
    # p is exactly 0.5 after the first step of 0.25. It must be strictly above, so a second step follows.
    settings = AttackSettings(eps=1.0, eta=0.25, alpha=100.0, max_updates=9, update_rule="sign")
    assert minimise_linear(np.array([1.0]), [-0.25], settings).delta.item() == 0.5
    assert minimise_linear(np.array([1.0]), [0.25], settings).delta.item() == -0.25


def test_unknown_update_rule_is_refused():
    with pytest.raises(ConfigError, match="Give adam or sign"):
        AttackSettings(eps=1, eta=1, alpha=1, update_rule="sgd")


def test_published_settings():
    assert PAPER["waveform"] == AttackSettings(eps=0.01, eta=0.0003, alpha=2, max_updates=1000, update_rule="adam")
    assert PAPER["spectrogram"] == AttackSettings(eps=0.1, eta=0.0005, alpha=15, max_updates=1000, update_rule="adam")


# --- songs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS)
def test_published_attack(published, real_detector, domain):
    eta, alpha, eps, max_updates, threshold = published[f"attack/{domain}/settings"].tolist()
    settings = AttackSettings(eps=eps, eta=eta, alpha=alpha, max_updates=int(max_updates))
    network = real_detector.detector.network()
    found = attack_song(published["audio"], AttackedDetector(network, FrontEnd(), threshold), settings, domain=domain)
    was_sing = 1 / (1 + np.exp(-found.clean_logit)) > threshold
    np.testing.assert_array_equal(was_sing, published[f"attack/{domain}/original_sing"])
    np.testing.assert_allclose(found.flipped_history[1:], published[f"attack/{domain}/flipped_per_iteration"], atol=1)
    # Where a gradient is almost zero, rounding determines its sign, so not all entries are equal.
    differs = np.abs(found.delta.ravel() - published[f"attack/{domain}/delta"].ravel()) > 1e-6
    assert differs.mean() < 0.01
    np.testing.assert_allclose(found.adversarial_logit, published[f"attack/{domain}/logits_after"], atol=0.01)


def plain_attack(audio, settings, domain):
    """Attack in the most direct way: the unfolded module on every excerpt, autograd, Adam, two forward passes."""
    detector = random_detector(**SMALL).double()
    samples = torch.as_tensor(audio, dtype=torch.float64)
    half = FRONTEND.half_excerpt
    clean = samples if domain == "waveform" else functional.pad(magnitudes(samples, FRONTEND), (0, 0, half, half))

    def logits(x):
        frames = (
            pad_silence(log_mel(magnitudes(x, FRONTEND), FRONTEND), FRONTEND) if domain == "waveform" else log_mel(x, FRONTEND)
        )
        return detector(frames.unfold(0, FRONTEND.excerpt_frames, 1).transpose(1, 2))

    with torch.no_grad():
        was_sing = torch.sigmoid(logits(clean)) > THRESHOLD
    delta = torch.zeros_like(clean, requires_grad=True)
    optimiser = torch.optim.Adam([delta], lr=settings.eta)
    losses, flips = [], []
    for _ in range(settings.max_updates):
        entropy = functional.binary_cross_entropy_with_logits(logits(clean + delta), (~was_sing).double())
        loss = (delta**2).sum() + settings.alpha * entropy
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        delta.grad.sign_()
        optimiser.step()
        with torch.no_grad():
            delta.clamp_(-settings.eps, settings.eps)
            flips.append(((torch.sigmoid(logits(clean + delta)) > THRESHOLD) != was_sing).sum().item())
    return delta.detach().numpy(), losses, flips


@pytest.mark.parametrize("domain", DOMAINS)
def test_attack_equals_a_plain_loop_over_the_unfolded_detector(domain):
    audio = AUDIO[4000:12000].astype(np.float64)
    found = attack(domain, audio=audio, network=NETWORK.to(dtype=torch.float64))
    delta, losses, flips = plain_attack(audio, SETTINGS[domain], domain)
    assert len(set(flips)) > 1
    assert found.flipped_history.tolist() == [0, *flips]
    np.testing.assert_allclose(found.loss_history[:-1], losses, rtol=1e-4)
    # The folded weights are float32, which changes a few signs.
    assert (np.abs(found.delta.reshape(delta.shape) - delta) > 1e-9).mean() < 1e-3


@pytest.mark.parametrize("chunk_frames", [1, 17, 24, 44])
@pytest.mark.parametrize("domain", DOMAINS)
def test_chunks_give_the_same_perturbation_as_the_whole(domain, chunk_frames):
    audio, changes = (AUDIO[:14000] if chunk_frames > 1 else AUDIO[:2000]).astype(np.float64), {"max_updates": 3}
    assert chunk_frames < 46  # frames of that
    network = NETWORK.to(dtype=torch.float64)
    whole = attack(domain, audio=audio, network=network, **changes)
    parts = attack(domain, audio=audio, network=network, chunk_frames=chunk_frames, **changes)
    # In float64, where the order of a sum changes no sign.
    np.testing.assert_array_equal(parts.flipped_history, whole.flipped_history)
    np.testing.assert_allclose(parts.adversarial_logit, whole.adversarial_logit, atol=1e-9)
    np.testing.assert_allclose(parts.loss_history, whole.loss_history, rtol=1e-12)
    np.testing.assert_allclose(parts.delta, whole.delta, atol=1e-12, rtol=0)
    assert np.abs(whole.delta).max() > 0


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_more_than_a_chunk_is_evaluated_at_once(monkeypatch, domain):
    seen, dense_logits, log_mel_of = [], Network.dense_logits, perturbed.log_mel
    monkeypatch.setattr(Network, "dense_logits", lambda self, x: (seen.append(len(x)), dense_logits(self, x))[1])
    monkeypatch.setattr(perturbed, "log_mel", lambda x, frontend: (seen.append(len(x)), log_mel_of(x, frontend))[1])
    attack(domain, chunk_frames=50, max_updates=1)
    assert max(seen) == 50 + FRONTEND.excerpt_frames - 1


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_kept_of_a_song_is_consistent(domain):
    found = attack(domain)
    n = len(clean_logits())
    assert found.delta.dtype == np.float32
    assert found.delta.shape == ((len(AUDIO), 1) if domain == "waveform" else (n + FRONTEND.excerpt_frames - 1, 513))
    assert found.clean_logit.shape == found.adversarial_logit.shape == (n,)
    assert (found.domain, found.threshold, found.start_seconds) == (domain, THRESHOLD, 0.0)
    # The adversarial input is the clean one plus delta in float32, nothing else.
    half = FRONTEND.half_excerpt
    magnitude = magnitudes(torch.as_tensor(AUDIO), FRONTEND)
    if domain == "waveform":
        clean, delta = AUDIO, found.delta[:, 0]
        adversarial = pad_silence(log_mel(magnitudes(torch.as_tensor(AUDIO + delta), FRONTEND), FRONTEND), FRONTEND)
    else:
        clean, delta = functional.pad(magnitude, (0, 0, half, half)).numpy(), found.delta
        adversarial = log_mel(torch.as_tensor(clean + delta), FRONTEND)
        assert np.all(found.clean_log_mel[:half] == np.float32(FRONTEND.silence))
    np.testing.assert_array_equal(found.adversarial_log_mel, adversarial)
    np.testing.assert_array_equal(found.clean_log_mel, pad_silence(log_mel(magnitude, FRONTEND), FRONTEND))
    with torch.no_grad():
        for kept, logits in (("clean_log_mel", found.clean_logit), ("adversarial_log_mel", found.adversarial_logit)):
            np.testing.assert_allclose(NETWORK.dense_logits(torch.as_tensor(getattr(found, kept))), logits, atol=1e-5)
    # The last values of the histories agree with the stored arrays.
    was_sing = torch.sigmoid(torch.as_tensor(found.clean_logit)) > THRESHOLD
    now_sing = torch.sigmoid(torch.as_tensor(found.adversarial_logit)) > THRESHOLD
    assert found.flipped_history[-1] == (was_sing != now_sing).sum() > 0
    logits, target = found.adversarial_logit.astype(np.float64), (~was_sing).double().numpy()
    entropy = np.mean(np.logaddexp(0, logits) - target * logits)
    energy = np.sum(delta.astype(np.float64) ** 2)
    assert found.loss_history[-1] == pytest.approx(energy + SETTINGS[domain].alpha * entropy, rel=1e-5)
    # Norms.
    assert found.delta_max == np.abs(delta).max() <= np.float32(SETTINGS[domain].eps)
    assert found.delta_l2 == pytest.approx(np.sqrt(energy), rel=1e-6)
    assert found.snr_db == pytest.approx(10 * np.log10(np.sum(clean.astype(np.float64) ** 2) / energy), abs=1e-6)


@pytest.mark.parametrize("domain", DOMAINS)
def test_history_does_not_depend_on_how_long_the_attack_goes_on(domain):
    long = attack(domain)
    for n_updates in (0, 2):
        short = attack(domain, max_updates=n_updates)
        np.testing.assert_array_equal(short.loss_history, long.loss_history[: n_updates + 1])
        np.testing.assert_array_equal(short.flipped_history, long.flipped_history[: n_updates + 1])
        assert np.abs(short.delta).max() <= np.float32(n_updates * SETTINGS[domain].eta * 1.001)


def test_no_update_leaves_the_song_as_it_is():
    found = attack("waveform", max_updates=0)
    assert not found.delta.any()
    assert found.flipped_history.tolist() == [0]
    assert found.snr_db == np.inf
    np.testing.assert_array_equal(found.adversarial_log_mel, found.clean_log_mel)


@pytest.mark.parametrize("rule", ["adam", "sign"])
@pytest.mark.parametrize("domain", DOMAINS)
def test_bounds_hold_under_long_steps(domain, rule):
    settings = SETTINGS[domain]
    found = attack(domain, eta=0.7 * settings.eps, max_updates=3, update_rule=rule)
    assert found.delta_max == np.float32(settings.eps)


def test_attack_stops_when_every_frame_has_flipped():
    audio = AUDIO[6000:9000]
    settings = AttackSettings(eps=1.0, eta=0.01, alpha=1e5, max_updates=100)
    threshold = float(torch.sigmoid(clean_logits(audio).max() + 0.05))  # every decision is no sing, by a small margin
    found = attack_song(audio, of(threshold=threshold), settings, domain="spectrogram")
    n = len(found.clean_logit)
    assert found.flipped_history[-1] == n
    assert np.all(found.flipped_history[:-1] < n)
    assert 1 < len(found.flipped_history) == len(found.loss_history) < 101


@pytest.mark.parametrize("domain", DOMAINS)
def test_digital_silence_in_a_song_gives_finite_perturbations(domain):
    audio = AUDIO.copy()
    audio[10000:25000] = 0
    found = attack(domain, audio=audio)
    assert np.isfinite(found.delta).all()
    assert np.isfinite(found.adversarial_log_mel).all()
    assert found.delta.any()


def test_the_same_attack_gives_the_same_bytes():
    assert attack("waveform").delta.tobytes() == attack("waveform").delta.tobytes()


# --- single excerpts --------------------------------------------------------------------------------------------------


def attack_three(domain, starts, **changes):
    settings = AttackSettings(**{**vars(SETTINGS[domain]), **changes})
    starts = np.array(starts)
    return attack_excerpts(AUDIO, starts, of(), settings, domain=domain)


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_kept_of_excerpts_is_consistent(domain):
    starts = [2, 30, 31, 90]
    found = attack_three(domain, starts)
    magnitude = magnitudes(torch.as_tensor(AUDIO), FRONTEND)
    in_song = log_mel(magnitude, FRONTEND).unfold(0, FRONTEND.excerpt_frames, 1).transpose(1, 2)[starts]
    np.testing.assert_allclose(found.clean_log_mel, in_song, atol=1e-4)
    assert found.start_frame.tolist() == starts
    np.testing.assert_allclose(found.clean_logit, clean_logits()[np.array(starts) + FRONTEND.half_excerpt], atol=1e-4)
    assert found.delta.dtype == np.float32
    assert np.abs(found.delta).max() <= np.float32(SETTINGS[domain].eps)
    with torch.no_grad():
        again = NETWORK.logits(torch.as_tensor(found.adversarial_log_mel))
    np.testing.assert_allclose(found.adversarial_logit, again, atol=1e-5)
    if domain == "waveform":
        windows = np.stack([AUDIO[excerpt_samples(start, FRONTEND)] for start in starts])[..., None]
        assert found.delta.shape == windows.shape
    else:
        windows = magnitude.unfold(0, FRONTEND.excerpt_frames, 1).transpose(1, 2)[starts].numpy()
        adversarial = log_mel(torch.as_tensor(windows + found.delta), FRONTEND)
        np.testing.assert_allclose(found.adversarial_log_mel, adversarial, atol=0.02)  # windows differ by rounding
    energies = [np.sum(x.astype(np.float64) ** 2, axis=(1, 2)) for x in (windows, found.delta)]
    np.testing.assert_allclose(found.snr_db, 10 * np.log10(energies[0] / energies[1]), atol=1e-3)
    was_sing, now_sing = (1 / (1 + np.exp(-x)) > THRESHOLD for x in (found.clean_logit, found.adversarial_logit))
    assert found.flipped_history[-1] == np.sum(was_sing != now_sing)
    logits = found.adversarial_logit.astype(np.float64)
    entropy = np.sum(np.logaddexp(0, logits) - ~was_sing * logits)
    assert found.loss_history[-1] == pytest.approx(energies[1].sum() + SETTINGS[domain].alpha * entropy, rel=1e-5)


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_excerpt_is_attacked_as_if_alone(domain):
    starts = [5, 40, 70]
    together = attack_three(domain, starts, max_updates=8)
    for i, start in enumerate(starts):
        alone = attack_three(domain, [start], max_updates=8)
        # Batches sum in another order, which changes the sign of a few entries.
        assert np.isclose(together.delta[i], alone.delta[0], atol=1e-6).mean() > 0.99
        assert together.adversarial_logit[i] == pytest.approx(alone.adversarial_logit[0], abs=0.02)


def test_audio_too_short_for_an_excerpt_is_refused():
    starts = np.zeros(0, dtype=int)
    settings = SETTINGS["waveform"]
    with pytest.raises(ConfigError, match=r"attacks\.scope"):
        attack_excerpts(AUDIO[:5000], starts, of(), settings, domain="waveform")


@pytest.mark.parametrize("n_samples", [0, 5000, 9100, 9213, 9214, 9215, 9528, 9529, 20000])
@pytest.mark.parametrize("frontend", [FRONTEND, FrontEnd(excerpt_frames=25, n_mels=25, frame_samples=630)])
def test_inner_excerpts_see_nothing_from_outside(n_samples, frontend):
    def lies_within(start):
        samples = excerpt_samples(start, frontend)
        return samples.start >= 0 and samples.stop <= n_samples

    assert inner_start_frames(n_samples, frontend).tolist() == [start for start in range(200) if lies_within(start)]


# --- details -----------------------------------------------------------------------------------------------------


def test_snr_is_the_ratio_of_energies():
    clean = torch.tensor([[3.0, 4.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    delta = torch.tensor([[0.0, 0.5], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    assert snr_db(clean, delta).tolist() == [pytest.approx(20), 0.0, np.inf, -np.inf]
    assert snr_db(torch.full((1, 2, 3), 10.0), torch.full((1, 2, 3), 1.0)).item() == pytest.approx(20)


@pytest.mark.parametrize("seconds", [None, 2.0, 7.5])
def test_a_short_song_is_taken_whole(seconds):
    part, start = central(AUDIO, seconds, FRONTEND.sample_rate, FRONTEND.hop_samples)
    assert part is AUDIO
    assert start == 0


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.9999])
def test_central_seconds_begin_on_a_frame(seconds):
    part, start = central(AUDIO, seconds, FRONTEND.sample_rate, FRONTEND.hop_samples)
    assert len(part) == round(seconds * 22050)
    first = round(start * 22050)
    assert start * 22050 == pytest.approx(first, abs=1e-6)
    assert first % FRONTEND.hop_samples == 0
    np.testing.assert_array_equal(part, AUDIO[first : first + len(part)])
    assert abs(first + len(part) / 2 - len(AUDIO) / 2) <= FRONTEND.hop_samples


# --- precision --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS)
def test_bfloat16_updates_flip_about_as_much_and_are_counted_in_float32(domain, monkeypatch):
    monkeypatch.setattr(attacked, "computes_bfloat16", lambda device: True)
    exact = attack(domain, max_updates=12)
    found = attack(domain, max_updates=12, precision="bfloat16")
    n = len(exact.clean_logit)
    assert not np.array_equal(found.delta, exact.delta)  # the option is used
    np.testing.assert_array_equal(found.clean_logit, exact.clean_logit)
    assert abs(found.flipped_history[-1] - exact.flipped_history[-1]) <= 0.1 * n
    with torch.no_grad():
        logits = NETWORK.dense_logits(torch.as_tensor(found.adversarial_log_mel)).numpy()
    np.testing.assert_allclose(found.adversarial_logit, logits, atol=1e-5)
    was, now = (1 / (1 + np.exp(-x)) > THRESHOLD for x in (found.clean_logit, found.adversarial_logit))
    assert found.flipped_history[-1] == (was != now).sum()


def test_without_bfloat16_updates_are_in_float32_and_it_says_so(monkeypatch, caplog):
    monkeypatch.setattr(attacked, "computes_bfloat16", lambda device: False)
    exact, found = (attack("waveform", max_updates=6, precision=precision) for precision in ("float32", "bfloat16"))
    np.testing.assert_array_equal(found.delta, exact.delta)
    assert caplog.messages == ["the attack's updates: this CPU does not support bfloat16, so float32 is used, which is slower"]


def test_bfloat16_on_excerpts_is_counted_in_float32():
    starts = np.array([5, 30, 60])
    settings = AttackSettings(**{**vars(SETTINGS["waveform"]), "precision": "bfloat16"})
    found = attack_excerpts(AUDIO, starts, of(), settings, domain="waveform")
    with torch.no_grad():
        logits = NETWORK.logits(torch.as_tensor(found.adversarial_log_mel)).numpy()
    np.testing.assert_allclose(found.adversarial_logit, logits, atol=1e-5)


def test_the_attack_goes_on_until_float32_says_that_all_has_flipped():
    """The lower precision overestimates logits by 0.5, so items are updated until the exact logits are flipped, too."""
    settings = AttackSettings(eps=10.0, eta=0.1, alpha=1.0, max_updates=50, update_rule="sign")
    was_sing = torch.tensor([[False], [False]])
    bias = torch.tensor([[-1.0], [-2.0]])

    def exact(delta):
        return delta + bias

    def hopeful(delta, target, alpha):
        return exact(delta) + 0.5, torch.full_like(delta, -100.0)

    alone, checked = (
        minimise(torch.zeros(2, 1), hopeful, was_sing, settings, threshold=0.5, exact_logits=logits) for logits in (None, exact)
    )
    assert (exact(alone.delta) < 0).all()
    assert (exact(checked.delta) > 0).all()
    assert (exact(checked.delta) < 0.11).all()  # each item remains as it was when it flipped
    assert checked.flipped_history[-1] == 2
    torch.testing.assert_close(checked.logits, exact(checked.delta))


def test_tf32_is_asked_for_during_updates_alone(monkeypatch):
    seen, original = [], Network.dense_logits

    def spy(self, x):
        seen.append((torch.is_grad_enabled(), torch.backends.cudnn.conv.fp32_precision))
        return original(self, x)

    monkeypatch.setattr(Network, "dense_logits", spy)
    attack("waveform", precision="tf32", max_updates=2)
    assert set(seen) == {(True, "tf32"), (False, "ieee")}


def test_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="float32, tf32 or bfloat16"):
        AttackSettings(eps=1, eta=1, alpha=1, precision="float8")


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell a process's peak memory")
def test_memory_does_not_grow_with_the_number_of_updates():
    audio, detector = bursts(10), random_detector()
    settings = {n: AttackSettings(eps=0.01, eta=0.0003, alpha=2, max_updates=n) for n in (15, 70)}
    peaks = {}
    for n, setting in settings.items():
        give_back_free_memory()
        STATUS.with_name("clear_refs").write_text("5", encoding="ascii")  # resets the peak
        attack_song(audio, AttackedDetector(detector, detector.frontend, THRESHOLD), setting, domain="waveform")
        peaks[n] = process_mb("VmHWM")
    assert peaks[70] < peaks[15] + 60  # twice as much before freed memory was returned


# --- no synchronisation with a GPU --------------------------------------------------------------------------------------


class Looks(TorchDispatchMode):
    """Count how often the host reads the value of a tensor, which would synchronise with a GPU each time."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("domain", DOMAINS)
def test_updates_do_not_ask_for_values(monkeypatch, domain, precision):
    monkeypatch.setattr(minimiser, "_check_every", lambda device: minimiser.GPU_CHECK_EVERY)
    counts = {}
    for n_updates in (1, minimiser.GPU_CHECK_EVERY - 1):
        with Looks() as looks:
            attack(domain, audio=AUDIO[:14000], max_updates=n_updates, precision=precision, chunk_frames=20)
        counts[n_updates] = looks.count
    assert counts[minimiser.GPU_CHECK_EVERY - 1] == counts[1] > 0


def test_looking_seldom_finds_the_same_perturbation(monkeypatch):
    audio = AUDIO[6000:9000]
    settings = AttackSettings(eps=1.0, eta=0.01, alpha=1e5, max_updates=100)
    threshold = float(torch.sigmoid(clean_logits(audio).max() + 0.05))
    detector = of(threshold=threshold)
    often = attack_song(audio, detector, settings, domain="spectrogram")
    monkeypatch.setattr(minimiser, "_check_every", lambda device: 32)
    seldom = attack_song(audio, detector, settings, domain="spectrogram")
    n = len(often.flipped_history)
    assert len(seldom.flipped_history) == 1 + 32 * -(-(n - 1) // 32) > n  # it does not change until the next check
    np.testing.assert_array_equal(seldom.delta, often.delta)
    np.testing.assert_array_equal(seldom.flipped_history[n - 1 :], often.flipped_history[-1])


# --- resuming after a kill --------------------------------------------------------------------------------------------


def whole_song(
    saved=None, domain="waveform", *, audio=AUDIO, network=NETWORK, threshold=THRESHOLD, chunk_frames=4096, **changes
):
    settings = AttackSettings(**{**vars(SETTINGS[domain]), "max_updates": 8, **changes})
    return attack_song(audio, of(network, threshold), settings, domain=domain, chunk_frames=chunk_frames, saved=saved)


def some_excerpts(saved=None, domain="waveform", *, audio=AUDIO, starts=(5, 40, 70), network=NETWORK, **changes):
    slow = {"eta": SETTINGS[domain].eta / 500, "max_updates": 8}  # nothing flips that soon
    settings = AttackSettings(**{**vars(SETTINGS[domain]), **slow, **changes})
    return attack_excerpts(audio, np.array(starts), of(network), settings, domain=domain, saved=saved)


def assert_equal_attacks(one, other):
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)


@pytest.mark.parametrize("changes", [{}, {"precision": "bfloat16"}, {"update_rule": "sign"}, {"domain": "spectrogram"}])
@pytest.mark.parametrize("run", [whole_song, some_excerpts])
def test_a_killed_attack_goes_on_to_the_same_perturbation(tmp_path, monkeypatch, run, changes):
    path = tmp_path / "state.pt"
    for n_updates in (3, 2):  # killed twice
        kill_after(monkeypatch, minimiser, "_step", n_updates)
        with pytest.raises(KilledError):
            run(SavedState(path, every_seconds=0), **changes)
        assert path.is_file()
        monkeypatch.undo()
    count = kill_after(monkeypatch, minimiser, "_step", -1)
    found = run(SavedState(path, every_seconds=0), **changes)
    assert count[0] == 3
    count[0] = 0  # and killed again, before its result was written
    assert_equal_attacks(run(SavedState(path, every_seconds=0), **changes), found)
    assert count[0] == 0
    monkeypatch.undo()
    assert_equal_attacks(found, run(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"eps": 0.02},
        {"max_updates": 7},
        {"precision": "bfloat16"},
        {"threshold": THRESHOLD + 0.01},
        {"audio": np.flip(AUDIO).copy()},
        {"network": random_detector(seed=1, **SMALL).network()},
        {"chunk_frames": 50},
        {
            "domain": "spectrogram",
            "eps": SETTINGS["waveform"].eps,
            "eta": SETTINGS["waveform"].eta,
            "alpha": SETTINGS["waveform"].alpha,
        },
    ],
    ids=["eps", "updates", "precision", "threshold", "song", "detector", "chunks", "domain"],
)
def test_the_state_of_another_attack_is_not_gone_on_from(tmp_path, monkeypatch, changes):
    kill_after(monkeypatch, minimiser, "_step", 3)
    with pytest.raises(KilledError):
        whole_song(SavedState(tmp_path / "state.pt", every_seconds=0))
    monkeypatch.undo()
    assert_equal_attacks(whole_song(SavedState(tmp_path / "state.pt"), **changes), whole_song(**changes))


def test_the_state_of_other_code_is_not_gone_on_from(tmp_path, monkeypatch):
    kill_after(monkeypatch, minimiser, "_step", 3)
    with pytest.raises(KilledError):
        whole_song(SavedState(tmp_path / "state.pt", every_seconds=0, made_by="old"))
    monkeypatch.undo()
    for made_by, n_left in (("new", 8), ("old", 5)):
        count = kill_after(monkeypatch, minimiser, "_step", -1)
        (tmp_path / made_by).write_bytes((tmp_path / "state.pt").read_bytes())
        whole_song(SavedState(tmp_path / made_by, made_by=made_by))
        assert count[0] == n_left
        monkeypatch.undo()


def test_nothing_is_saved_before_its_time(tmp_path, monkeypatch):
    kill_after(monkeypatch, minimiser, "_step", 3)
    with pytest.raises(KilledError):
        whole_song(SavedState(tmp_path / "state.pt", every_seconds=3600))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_attack_stops_at_the_first_loss_that_is_not_finite(domain, monkeypatch):
    logits = Network.dense_logits
    monkeypatch.setattr(Network, "dense_logits", lambda self, x: logits(self, x) * torch.nan)
    with pytest.raises(
        NumericalError,
        match=rf"{domain} attack: the loss is not finite before update 0, got nan\. Check that the audio is within",
    ):
        attack(domain, audio=AUDIO[:14000])
