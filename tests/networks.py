"""Detectors with random weights and small excerpts, for tests that need no training."""

import numpy as np
import torch

from veracity.attacks.excerpts import Excerpts
from veracity.detector.model import Detector
from veracity.detector.settings import Architecture
from veracity.songs.frontend import FrontEnd, log_mel, magnitudes


def random_detector(architecture: Architecture | None = None, *, seed: int = 0, **frontend: int) -> Detector:
    """Return a detector with non-trivial batch norms, whose predictions are spread over 0 to 1."""
    torch.manual_seed(seed)
    detector = Detector(architecture or Architecture(), FrontEnd(**frontend)).eval()
    with torch.no_grad():
        for name, module in detector.named_modules():
            if name.startswith("bn"):
                module.running_mean.normal_(std=0.2)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.2)
        detector.freq_norm.running_mean.normal_(mean=-3)
        detector.freq_norm.running_var.uniform_(1.0, 6.0)
        detector.fc3.weight.mul_(8)
    return detector


def standardised_detector(audio, *, seed: int = 0) -> tuple[Detector, float]:
    """Return a random detector that standardises this audio, and a threshold at the median of its predictions for it."""
    detector = random_detector(seed=seed)
    frames = log_mel(magnitudes(audio, detector.frontend), detector.frontend)
    with torch.no_grad():
        detector.freq_norm.running_mean.copy_(frames.mean(dim=0))
        detector.freq_norm.running_var.copy_(frames.var(dim=0))
        windows = torch.stack([frames[start : start + 115] for start in range(4, len(frames) - 118, 3)])
        p_sing = torch.sigmoid(detector.network().logits(windows)).numpy()
    return detector, float(np.median(p_sing))


def mean_level(excerpts):
    """Custom model whose P(sing) increases with the level of the excerpt."""
    import numpy as np

    return 1 / (1 + np.exp(-3 - np.asarray(excerpts).mean(axis=(1, 2))))


def flipping_excerpts(network, seed: int = 0, domain: str = "waveform", shape: tuple[int, int] = (115, 80)) -> Excerpts:
    """Return pairs of random excerpts of (n_frames, n_mels) on which the detector disagrees, two for each direction."""
    torch.manual_seed(seed)
    pool = torch.randn(48, *shape) * 1.5 - 3
    p = network.predict(pool).numpy().astype(float)
    order = np.argsort(p)
    low, high = order[:2], order[-2:]
    threshold = float((p[low].max() + p[high].min()) / 2)
    clean, adversarial = np.concatenate([low, high]), np.concatenate([high, low])
    return Excerpts(
        domain=domain,
        scope="song",
        model="detector",
        threshold=threshold,
        start_seconds=0.0,
        n=np.array([[24, 24]]),
        n_flipped=np.array([[2, 2]]),
        start_frame=np.arange(4),
        original=np.array(["nosing", "nosing", "sing", "sing"]),
        clean=pool[clean].numpy(),
        adversarial=pool[adversarial].numpy(),
        clean_p=p[clean],
        adversarial_p=p[adversarial],
    )
