"""Attacks on a song: `veracity.attacks` compared with the loop of the published code as baseline."""

import functools
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from measure import Row, capability, fixture, gflop_per_step, quiet, seconds_per_step
from plain import dense_logits
from torch.nn import functional

from veracity.attacks.detector import AttackedDetector
from veracity.attacks.perturbed import central
from veracity.attacks.settings import PAPER, AttackSettings, Domain
from veracity.attacks.song_scope import attack_song
from veracity.detector.decisions import flipped, is_sing
from veracity.detector.model import Detector
from veracity.jobs.devices import tf32
from veracity.jobs.workers import workers
from veracity.songs.frontend import log_mel, magnitudes, pad_silence

THRESHOLD = 0.39


def plain_attack(audio: np.ndarray, detector: Detector, settings: AttackSettings, domain: Domain) -> list[int]:
    """Attack as the published code does: Adam on signs, a second forward pass to count flips, gradients of all weights.

    Returns
    -------
    list of int
        Number of flipped frames after each update.
    """
    frontend = detector.frontend
    clean = torch.as_tensor(audio, device=next(detector.parameters()).device)
    if domain == "spectrogram":
        clean = functional.pad(magnitudes(clean, frontend), (0, 0, frontend.half_excerpt, frontend.half_excerpt))

    def logits_of(x: torch.Tensor) -> torch.Tensor:
        if domain == "spectrogram":
            return dense_logits(detector, log_mel(x, frontend))
        return dense_logits(detector, pad_silence(log_mel(magnitudes(x, frontend), frontend), frontend))

    with torch.no_grad():
        was_sing = is_sing(torch.sigmoid(logits_of(clean)), THRESHOLD)
    target = (~was_sing).float()
    delta = torch.zeros_like(clean, requires_grad=True)
    optimiser = torch.optim.Adam([delta], lr=settings.eta)
    counts = []
    for _ in range(settings.max_updates):
        optimiser.zero_grad()
        entropy = functional.binary_cross_entropy_with_logits(logits_of(clean + delta), target)
        (delta.square().sum() + settings.alpha * entropy).backward()
        assert delta.grad is not None
        delta.grad.sign_()
        optimiser.step()
        with torch.no_grad():
            delta.clamp_(-settings.eps, settings.eps)
            counts.append(int(flipped(torch.sigmoid(logits_of(clean + delta)), THRESHOLD, was_sing).sum()))
        if counts[-1] == len(was_sing):
            break
    return counts


def _attack(domain: Domain, device: torch.device, quick: bool, precision: Literal["float32", "bfloat16"] = "float32") -> Row:
    given = fixture(device)
    frontend, network = given.detector.frontend, given.detector.network()
    audio, _ = central(given.songs[-1], 10, frontend.sample_rate, frontend.hop_samples)

    def settings(n_updates: int, **others: float) -> AttackSettings:
        return replace(PAPER[domain], max_updates=n_updates, precision=precision, **others)

    def ours(settings: AttackSettings) -> list[int]:
        with quiet():
            found = attack_song(audio, AttackedDetector(network, frontend, THRESHOLD), settings, domain=domain, threads=1)
        return found.flipped_history[1:].tolist()

    def plain(settings: AttackSettings) -> list[int]:
        # One thread, as in a job of ten seconds. TF32 is disabled, because a GPU would otherwise round in convolutions.
        with workers(1, device), tf32(allowed=False):
            return plain_attack(audio, given.detector, settings, domain)

    few, many = (1, 3) if quick else (2, 8)
    # The eps is so small that nothing flips. A run that stops early would have fewer updates than its time is divided by.
    runs = [lambda n, attack=attack: attack(settings(n, eps=1e-9)) for attack in (ours, plain)]
    seconds, baseline = seconds_per_step(*runs, device=device, few=few, many=many, repeats=1 if quick else 3)
    gflop = gflop_per_step(runs[0])
    histories = [attack(settings(5 if quick else 20)) for attack in (ours, plain)]
    n_frames = 1 + len(audio) // frontend.hop_samples
    gap = max(abs(a - b) for a, b in zip(*histories, strict=False))  # one of them may have stopped earlier
    goal = "5x" if device.type == "cuda" else {"float32": "2.5x", "bfloat16": "4x"}[precision]
    detail = (
        f"goal {goal}; {given.words}; {n_frames} frames; {gflop:.1f} GFLOP, {gflop / seconds:.0f} GFLOP/s; "
        f"{histories[0][-1]} frames flipped after {len(histories[0])} updates, by the "
        f"baseline {histories[1][-1]} after {len(histories[1])}; largest difference on the way {gap}"
    )
    failure = "" if gap <= 0.01 * n_frames else "flips differ from those of the baseline by more than 1 % of the frames"
    name = f"attack_{domain}" if precision == "float32" else f"attack_{domain}_{precision}"
    return Row(name, device.type, seconds, "s/update", baseline, baseline / seconds, detail, failure)


def attack_threads(device: torch.device, quick: bool) -> Row:
    """Time one update of a waveform attack on two threads; baseline: one thread; results must be equal bit for bit."""
    given = fixture(device)
    frontend, network = given.detector.frontend, given.detector.network()
    seconds_of_audio = 30 if quick else 60
    audio = np.resize(given.songs[-1], seconds_of_audio * frontend.sample_rate)

    def perturbation(n_updates: int, threads: int) -> np.ndarray:
        settings = replace(PAPER["waveform"], max_updates=n_updates, eps=1e-9)
        with quiet():
            attacked = AttackedDetector(network, frontend, THRESHOLD)
            return attack_song(audio, attacked, settings, domain="waveform", threads=threads).delta

    two, one = (functools.partial(perturbation, threads=n) for n in (2, 1))
    few, many = (1, 2) if quick else (1, 6)
    seconds, alone = seconds_per_step(two, one, device=device, few=few, many=many, repeats=1 if quick else 3)
    failure = "" if np.array_equal(two(2), one(2)) else "perturbations depend on the number of threads"
    detail = f"{given.words}; {seconds_of_audio} s; baseline: one thread; same perturbation bit for bit; {capability()}"
    return Row("attack_threads", device.type, seconds, "s/update", alone, alone / seconds, detail, failure)


def attack_waveform(device: torch.device, quick: bool) -> Row:
    """Time one update on 10 s of a waveform; ratio = seconds of the baseline / of veracity."""
    return _attack("waveform", device, quick)


def attack_spectrogram(device: torch.device, quick: bool) -> Row:
    """Time one update on the magnitudes of 10 s; ratio = seconds of the baseline / of veracity."""
    return _attack("spectrogram", device, quick)


def attack_waveform_bfloat16(device: torch.device, quick: bool) -> Row:
    """Time one update on 10 s of a waveform with the detector in bfloat16; baseline in float32."""
    return _attack("waveform", device, quick, "bfloat16")


def attack_spectrogram_bfloat16(device: torch.device, quick: bool) -> Row:
    """Time one update on the magnitudes of 10 s with the detector in bfloat16; baseline in float32."""
    return _attack("spectrogram", device, quick, "bfloat16")
