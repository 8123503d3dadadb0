"""What lies on the desk: a song, a detector, and what the library makes of them when somebody draws."""

import io
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from ..detector.checkpoints import Checkpoint, load_checkpoint
from ..detector.decisions import is_sing, probability
from ..detector.network import dense_in_chunks
from ..errors import ConfigError, VeracityError, within
from ..experiments.pen.explaining import ExplainedDrawing, explain_drawing
from ..experiments.pen.raster import draw, rasterise
from ..experiments.pen.shapes import shape_named
from ..explainers.lime import LimeSettings
from ..games.models import explained_model
from ..jobs.files import replacing
from ..labels import label
from ..notebook import HALF
from ..songs.audio import load_audio
from ..songs.frontend import log_mel, magnitudes, pad_silence
from ..songs.resynthesis import redrawn
from ..songs.settings import excerpt_samples

MOST_SECONDS = 900.0  # of a song on the desk
AROUND_SECONDS = 0.5  # before and after an excerpt, of what is heard


class SupersededError(VeracityError):
    """A newer drawing has come: what is asked for is no longer wanted."""


@dataclass(frozen=True)
class Song:
    """A song and what the detector makes of it.

    Attributes
    ----------
    name : str
    audio : ndarray, shape (n_samples,), float32
    log_mel : ndarray, shape (n_frames, n_mels)
    p_sing : ndarray, shape (n_frames,)
        Of the excerpt around each frame.
    """

    name: str
    audio: np.ndarray
    log_mel: np.ndarray
    p_sing: np.ndarray


class Desk:
    """A detector, and the songs that are put before it.

    Parameters
    ----------
    checkpoint : Checkpoint or path-like
    settings : LimeSettings, optional
        Grid, fill and surrogate of the explanations; by default the paper's.
    threshold : float, optional
        "sing" is P(sing) above it; by default the checkpoint's own, or 0.5, which `note` tells.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | str | os.PathLike,
        settings: LimeSettings | None = None,
        threshold: float | None = None,
    ) -> None:
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
        self.settings = settings or LimeSettings()
        self.frontend, self.network = self.checkpoint.detector.frontend, self.checkpoint.detector.network()
        own = self.checkpoint.threshold if threshold is None else threshold
        self.threshold, self.note = (HALF, f"The checkpoint has no threshold: {HALF} is taken.") if own is None else (own, "")
        self.grid = self.settings.grid(self.frontend.excerpt_frames, self.frontend.n_mels)
        self.model = explained_model(self.network, self.grid, exact=True)
        if not self.model.exact:
            raise ConfigError(f"the page needs all masks, and {self.model.evaluator.reason}: choose a coarser grid")
        self._working, self._newest, self._count = threading.Lock(), 0, threading.Lock()

    def song(self, path: str | os.PathLike, name: str | None = None) -> Song:
        """Read a song and predict all of it.

        Raises
        ------
        VeracityError
            When it cannot be read, or is shorter than an excerpt or longer than a quarter of an hour.
        """
        audio = load_audio(path, sample_rate=self.frontend.sample_rate, min_seconds=self.frontend.excerpt_seconds)
        seconds = len(audio) / self.frontend.sample_rate
        if seconds > MOST_SECONDS:
            raise ConfigError(f"{name or Path(path).name} lasts {seconds:.0f} s: give at most {MOST_SECONDS:.0f} s")
        with torch.inference_mode():
            frames = log_mel(magnitudes(torch.as_tensor(audio), self.frontend), self.frontend)
            logits = dense_in_chunks(self.network, pad_silence(frames, self.frontend)).numpy()
        return Song(name or Path(path).name, audio, frames.numpy(), probability(logits))

    def excerpt(self, song: Song, start: int) -> np.ndarray:
        """Return the excerpt that begins at a frame, shape (excerpt_frames, n_mels)."""
        within(start, 0, len(song.log_mel) - self.frontend.excerpt_frames, "the excerpt's first frame", whole=True)
        return np.ascontiguousarray(song.log_mel[start : start + self.frontend.excerpt_frames])

    def shape(self, name: str, centre: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
        """Return the coverage of a ready shape, shape (excerpt_frames, n_mels)."""
        return rasterise(shape_named(name), self.frontend.excerpt_frames, self.frontend.n_mels, centre=centre, size=size)

    def explain(self, song: Song, start: int, coverage: np.ndarray, strength: float) -> dict[str, Any]:
        """Explain a drawing, unless a newer one comes before this one is explained.

        Raises
        ------
        SupersededError
            When one has come.
        """
        with self._count:
            self._newest = number = self._newest + 1

        def go_on() -> None:
            if number != self._newest:
                raise SupersededError("a newer drawing has come")

        with self._working:
            go_on()
            clean = self.excerpt(song, start)
            found = explain_drawing(clean, coverage, strength, self.model, self.settings, threshold=self.threshold, go_on=go_on)
        return self._told(found)

    def _told(self, found: ExplainedDrawing) -> dict[str, Any]:
        return {
            "p_clean": found.p_clean,
            "p_drawn": found.p_drawn,
            "label_clean": label(bool(is_sing(found.p_clean, self.threshold))),
            "label_drawn": label(bool(is_sing(found.p_drawn, self.threshold))),
            "flips": found.flips,
            "lime": found.lime.tolist(),
            "shapley": found.shapley.tolist(),
            "fidelity": found.fidelity,
            "touched": np.flatnonzero(found.touched).tolist(),
            "smallest_sets": [list(one) for one in found.smallest_sets],
            "log_mel": found.log_mel,
        }

    def sounds(self, song: Song, start: int, coverage: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the excerpt before and after, half a second around it, and P(sing) of the very sound after."""
        clean = self.excerpt(song, start)
        drawn = draw(clean, coverage, level=float(clean.mean(dtype=np.float64)) + strength)
        after = redrawn(song.audio, clean, drawn, self.frontend, first_frame=start)
        own = excerpt_samples(start, self.frontend)
        around = round(AROUND_SECONDS * self.frontend.sample_rate)
        part = slice(max(0, own.start - around), own.stop + around)
        with torch.inference_mode():
            frames = log_mel(magnitudes(torch.as_tensor(after), self.frontend), self.frontend)
            heard = frames[start : start + self.frontend.excerpt_frames].numpy()
        return song.audio[part], after[part], float(self.model.p_sing(heard[None])[0])


def save_drawing(folder: str | os.PathLike, name: str, coverage: np.ndarray) -> Path:
    """Save a coverage where `veracity.experiments.pen.files.import_drawings` finds it, as the key ``drawings.folder`` asks.

    Parameters
    ----------
    folder : path-like
        Made where it is absent.
    name : str
        Of small letters, digits, hyphens and underscores.
    coverage : ndarray, shape (excerpt_frames, n_mels)

    Raises
    ------
    ConfigError
        When the name is no such one, the drawing is empty, or there is one of that name.
    """
    if not name or len(name) > 64 or not all(c.isascii() and (c.islower() or c.isdigit() or c in "-_") for c in name):
        raise ConfigError(f"a drawing cannot be called {name!r}: use small letters, digits, - and _, at most 64")
    if not coverage.any():
        raise ConfigError("nothing is drawn: draw before you save")
    path = Path(folder) / f"{name}.npy"
    if path.exists():
        raise ConfigError(f"there is a drawing {path}: choose another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, coverage.astype(np.float32), allow_pickle=False)
    return path


def as_wav(audio: np.ndarray, sample_rate: int) -> bytes:
    """Return audio as a WAV file of 16 bits, which browsers play; what is beyond full scale is scaled down to it."""
    encoded = io.BytesIO()
    soundfile.write(encoded, audio / max(1.0, float(np.abs(audio).max(initial=0))), sample_rate, format="WAV", subtype="PCM_16")
    return encoded.getvalue()
