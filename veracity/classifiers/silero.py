"""Silero VAD, a recurrent voice activity detector for waveforms at 16 kHz, as an example of a third-party model.

References
----------
Silero Team, "Silero VAD: pre-trained enterprise-grade voice activity detector", https://github.com/snakers4/silero-vad; the
package ``silero-vad`` contains its weights (MIT licence).
"""

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .adapters import WaveformClassifier

RATE, CHUNK = 16000, 512  # sampling rate in Hz, and samples of a chunk (32 ms), as the model requires
N_CHUNKS = 47  # chunks of an excerpt (1.504 s)


class _Speech(nn.Module):
    """Module that returns the logit of the mean speech probability over the chunks of an excerpt."""

    def __init__(self, vad: nn.Module) -> None:
        super().__init__()
        self.vad = vad

    def forward(self, audio: Tensor) -> Tensor:
        self.vad.reset_states()  # type: ignore[operator]
        chunks = [self.vad(audio[:, start : start + CHUNK], RATE) for start in range(0, audio.shape[1], CHUNK)]
        return torch.logit(torch.cat(chunks, dim=1).mean(dim=1), eps=1e-6)


def speech() -> WaveformClassifier:
    """Return Silero VAD as a classifier with the single label "speech", for excerpts of 1.504 s.

    Returns
    -------
    WaveformClassifier
        The voice activity detector.

    Raises
    ------
    ConfigError
        If the package ``silero-vad`` is not installed.
    """
    try:
        from silero_vad import load_silero_vad
    except ImportError:
        raise ConfigError("model.build: silero.speech requires the package silero-vad. Run pip install silero-vad.") from None
    module = _Speech(load_silero_vad())
    return WaveformClassifier(module, labels=("speech",), sample_rate=RATE, excerpt_samples=N_CHUNKS * CHUNK)
