"""What a detector is trained on: excerpts at random, stretched, shifted and filtered (paper section 4.2).

References
----------
J. Schlüter and T. Grill, "Exploring data augmentation for improved singing voice detection with neural networks",
ISMIR 2015.
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..jobs.workers import Workers
from ..songs.frontend import FrontEnd, log_mel, mel_filterbank
from .settings import SHARD_EXCERPTS, TrainingSettings

DRAWN_AT_ONCE = 64  # batches; 4 MB


class TrainingData:
    """Magnitudes of the training songs, one after another, held as float16 (a relative precision of 5e-4; 3e-8 below 6e-5).

    Songs are parted by silence, so that an excerpt may begin before or end after its song.

    Parameters
    ----------
    songs : iterable of (magnitude, is_sing)
        ndarray, shape (n_frames, n_bins), and ndarray of bool, shape (n_frames,), of each song. Of an iterator, two songs
        at most are in memory beside what is held.
    frontend : FrontEnd
    settings : TrainingSettings
    """

    def __init__(self, songs: Iterable[tuple[np.ndarray, np.ndarray]], frontend: FrontEnd, settings: TrainingSettings) -> None:
        self.frontend, self.settings = frontend, settings
        # Frames that the strongest stretch can reach on either side of the centre.
        self.reach = int(np.ceil(frontend.half_excerpt / (1 - settings.stretch))) + 1
        self.n_bins = int(np.flatnonzero(mel_filterbank(frontend).any(axis=1))[-1]) + 1  # higher bins reach no mel band
        n_reachable = min(frontend.n_bins, int(np.ceil(self.n_bins / (1 - settings.shift))) + 1)
        held = np.zeros((self.reach, n_reachable), dtype=np.float16)
        centres, labels = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=bool)]
        for magnitude, sung in songs:
            first, n = len(held), len(magnitude)
            held.resize((first + n + self.reach, n_reachable), refcheck=False)  # in place, the new part zero
            held[first : first + n] = magnitude[:, :n_reachable]
            centres.append(np.arange(first, first + n))
            labels.append(sung)
        self.held = torch.as_tensor(held)
        self.centres, self.labels = np.concatenate(centres), np.concatenate(labels).astype(bool)

    def to(self, device: torch.device) -> "TrainingData":
        """Move the magnitudes to the training device."""
        self.held = self.held.to(device)
        return self

    def batches(self, rngs: Iterable[np.random.Generator], threads: Workers | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw an augmented batch with each generator.

        All that is random is drawn on the host, for many batches at a time: a GPU waits for it once for them all. A CPU
        augments a batch shard by shard, `threads` at a time.

        Yields
        ------
        log_mel : Tensor, shape (batch, excerpt_frames, n_mels)
        is_sing : Tensor of bool, shape (batch,)
            Label of the centre frames.
        """
        rngs, device = iter(rngs), self.held.device
        at_once = SHARD_EXCERPTS if device.type == "cpu" else self.settings.batch
        while drawn := [self._draw(rng) for rng in itertools.islice(rngs, DRAWN_AT_ONCE)]:
            on_device = (torch.as_tensor(np.stack(choices), device=device) for choices in zip(*drawn, strict=True))
            for centre, is_sing, *choices in zip(*on_device, strict=True):
                shards = list(zip(*(part.split(at_once) for part in (centre, *choices)), strict=True))
                yield torch.cat(list((threads or Workers()).map(self._augmented, shards))), is_sing

    def _augmented(self, choices: tuple[Tensor, ...]) -> Tensor:
        """Return log-mel excerpts, given centre frames, stretch, shift and filters."""
        centre, stretch, shift, response = choices
        around = torch.arange(-self.reach, self.reach + 1, device=self.held.device)
        source = self.held[centre[:, None] + around].float()  # (n, 2 * reach + 1, n_reachable)
        warped = warp(source, stretch, shift, n_frames=self.frontend.excerpt_frames, n_bins=self.n_bins)
        full = functional.pad(warped * response[:, None], (0, self.frontend.n_bins - self.n_bins))
        return log_mel(full, self.frontend)

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Draw centre frames with their labels, stretch, shift and filters of one batch."""
        settings = self.settings
        chosen = rng.integers(len(self.centres), size=settings.batch)
        stretch = 1 + settings.stretch * rng.uniform(-1, 1, settings.batch)
        shift = 1 + settings.shift * rng.uniform(-1, 1, settings.batch)
        response = filter_responses(rng, self.n_bins, self.frontend, settings).astype(np.float32)
        return self.centres[chosen], self.labels[chosen], stretch, shift, response

    def statistics(self, frames_at_once: int = 16384) -> tuple[Tensor, Tensor]:
        """Return mean and variance of each mel band over all frames of all songs, without augmentation."""
        total = torch.zeros(2, self.frontend.n_mels, dtype=torch.float64)
        for start in range(0, len(self.centres), frames_at_once):
            rows = torch.as_tensor(self.centres[start : start + frames_at_once], device=self.held.device)
            magnitude = self.held[rows].float()
            full = functional.pad(magnitude, (0, self.frontend.n_bins - magnitude.shape[1]))
            values = log_mel(full, self.frontend).double()
            total += torch.stack([values.sum(dim=0), (values**2).sum(dim=0)]).cpu()
        mean, square = total / len(self.centres)
        return mean.float(), (square - mean**2).float()


def warp(source: Tensor, stretch: Tensor, shift: Tensor, *, n_frames: int, n_bins: int) -> Tensor:
    """Stretch excerpts in time about their centre and shift them in frequency, by linear interpolation.

    Parameters
    ----------
    source : Tensor, shape (n, n_source_frames, n_source_bins)
        Linear magnitudes; the centre frame is the middle one.
    stretch, shift : Tensor, shape (n,), float64
        Factors: 1.2 makes an excerpt 1.2 times as long, or as high.
    n_frames, n_bins : int
        Shape of the result.

    Returns
    -------
    Tensor, shape (n, n_frames, n_bins)
        Zero where nothing is known.

    Notes
    -----
    Differs from the paper, whose source interpolates by splines of order 2 and clips what is negative. On a smooth spectrogram
    the two are within 1 % of the largest magnitude; on music, in log-mel values, 0.15 apart (RMS) and 0.05 in the mean.
    """
    middle, half = source.shape[1] // 2, n_frames // 2
    times = middle + (torch.arange(n_frames, device=source.device) - half) / stretch[:, None]  # (n, n_frames)
    bins = torch.arange(n_bins, device=source.device) / shift[:, None]  # (n, n_bins)
    # grid_sample wants -1 .. 1 from the first to the last point.
    y = (times / (source.shape[1] - 1) * 2 - 1).to(source.dtype)
    x = (bins / (source.shape[2] - 1) * 2 - 1).to(source.dtype)
    grid = torch.stack([x[:, None, :].expand(-1, n_frames, -1), y[:, :, None].expand(-1, -1, n_bins)], dim=-1)
    return functional.grid_sample(source[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=True)[:, 0]


def filter_responses(rng: np.random.Generator, n_bins: int, frontend: FrontEnd, settings: TrainingSettings) -> np.ndarray:
    """Draw random filters: a Gaussian bump in log-frequency.

    Returns
    -------
    ndarray, shape (batch, n_bins)
        Factors of the magnitudes.

    Notes
    -----
    Differs from the published implementation, whose centres lie at 32-150 Hz by a slip; this follows the paper's source.
    """
    n = settings.batch
    gain_db = settings.filter_db * rng.uniform(-1, 1, n)
    centre_octaves = rng.uniform(np.log2(settings.filter_min_hz), np.log2(settings.filter_max_hz), n)
    width_octaves = rng.uniform(settings.filter_min_semitones, settings.filter_max_semitones, n) / 12
    bins_hz = np.arange(n_bins) * frontend.sample_rate / frontend.frame_samples
    octaves = np.log2(np.maximum(bins_hz, bins_hz[1] / 2))
    bump = np.exp(-0.5 * ((octaves - centre_octaves[:, None]) / width_octaves[:, None]) ** 2)
    return 10 ** (gain_db[:, None] * bump / 20)
