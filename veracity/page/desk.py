"""What lies on the desk: a song, a detector, and what the library makes of them when somebody draws."""

import functools
import hashlib
import io
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from ..detector.checkpoints import Checkpoint, load_checkpoint
from ..detector.decisions import is_sing, probability
from ..detector.network import dense_in_chunks
from ..errors import ArtefactError, ConfigError, CorpusError, VeracityError, shortened, within
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
MOST_PAGES = 64  # open at a time, whose newest drawings are known
MOST_STRENGTH = 20.0  # ln units: from the floor to beyond full scale
SMALLEST, LARGEST = 0.01, 1.0  # a shape, as a fraction of the excerpt
AUDIBLE = 1 / 32768  # the smallest step of the audio that is sent


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

    @functools.cached_property
    def identity(self) -> str:
        """What the song is asked for by: the same for the same name and audio, after a restart too."""
        return hashlib.sha256(self.name.encode() + b"\0" + self.audio.tobytes()).hexdigest()[:16]


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
        self._working, self._counting, self._count = threading.Lock(), threading.Lock(), 0
        self._newest: OrderedDict[str, int] = OrderedDict()  # number of each page's newest drawing

    def song(self, path: str | os.PathLike, name: str | None = None) -> Song:
        """Read a song and predict all of it.

        Raises
        ------
        VeracityError
            When it cannot be read, or is shorter than an excerpt or longer than a quarter of an hour.
        """
        called = name or str(path)
        try:
            audio = load_audio(path, sample_rate=self.frontend.sample_rate)
        except CorpusError as error:  # there are no lists here
            said = str(error).replace(str(path), called).replace(", or remove its line from the lists", "")
            raise CorpusError(said) from None
        seconds, least = len(audio) / self.frontend.sample_rate, self.frontend.excerpt_seconds
        if seconds < least:
            raise ConfigError(f"{called} lasts {seconds:.2f} s, less than one excerpt: give at least {least:.2f} s")
        if seconds > MOST_SECONDS:
            raise ConfigError(f"{called} lasts {seconds:.0f} s: give at most {MOST_SECONDS:.0f} s")
        with torch.inference_mode():
            frames = log_mel(magnitudes(torch.as_tensor(audio), self.frontend), self.frontend)
            logits = dense_in_chunks(self.network, pad_silence(frames, self.frontend)).numpy()
        return Song(shortened(name or Path(path).name), audio, frames.numpy(), probability(logits))

    def excerpt(self, song: Song, start: int) -> np.ndarray:
        """Return the excerpt that begins at a frame, shape (excerpt_frames, n_mels)."""
        within(start, 0, len(song.log_mel) - self.frontend.excerpt_frames, "the excerpt's first frame", whole=True)
        return np.ascontiguousarray(song.log_mel[start : start + self.frontend.excerpt_frames])

    def shape(self, name: str, centre: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
        """Return the coverage of a ready shape, shape (excerpt_frames, n_mels)."""
        for values, low, high, what in ((centre, 0, 1, "the middle"), (size, SMALLEST, LARGEST, "the size")):
            for value in values:
                within(value, low, high, f"{what} of the shape, as a fraction of the excerpt,")
        return rasterise(shape_named(name), self.frontend.excerpt_frames, self.frontend.n_mels, centre=centre, size=size)

    def explain(self, song: Song, start: int, coverage: np.ndarray, strength: float, page: str = "") -> dict[str, Any]:
        """Explain a drawing, unless a newer one comes from the same page before this one is explained.

        Raises
        ------
        SupersededError
            When one has come.
        """
        clean = self._checked(song, start, strength)  # before anything is superseded
        with self._counting:
            self._count = self._newest[page] = number = self._count + 1
            self._newest.move_to_end(page)
            if len(self._newest) > MOST_PAGES:
                self._newest.popitem(last=False)

        def go_on() -> None:
            if self._newest.get(page, number) != number:
                raise SupersededError("a newer drawing has come")

        with self._working:
            go_on()
            found = explain_drawing(clean, coverage, strength, self.model, self.settings, threshold=self.threshold, go_on=go_on)
        return self._told(found)

    def _checked(self, song: Song, start: int, strength: float) -> np.ndarray:
        within(strength, 0, MOST_STRENGTH, "the level above the excerpt's mean")
        return self.excerpt(song, start)

    def _told(self, found: ExplainedDrawing) -> dict[str, Any]:
        return {
            "p_clean": found.p_clean,
            "p_drawn": found.p_drawn,
            "label_clean": self.label(found.p_clean),
            "label_drawn": self.label(found.p_drawn),
            "flips": found.flips,
            "lime": found.lime.tolist(),
            "shapley": found.shapley.tolist(),
            "fidelity": found.fidelity,
            "touched": np.flatnonzero(found.touched).tolist(),
            "smallest_sets": [list(one) for one in found.smallest_sets],
            "log_mel": found.log_mel,
        }

    def label(self, p: float) -> str:
        """Return the decision at the desk's threshold, "sing" or "nosing"."""
        return label(bool(is_sing(p, self.threshold)))

    def sounds(self, song: Song, start: int, coverage: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the excerpt before and after, half a second around it, and P(sing) of the very sound after."""
        clean = self._checked(song, start, strength)
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
        When the name is no such one, the drawing is empty, there is one of that name, or it cannot be written there.
    """
    if not name or len(name) > 64 or not all(c.isascii() and (c.islower() or c.isdigit() or c in "-_") for c in name):
        raise ConfigError(f"a drawing cannot be called {name!r}: use small letters, digits, - and _, at most 64")
    if not coverage.any():
        raise ConfigError("nothing is drawn: draw before you save")
    path = Path(folder) / f"{name}.npy"
    try:
        if path.exists():
            raise ConfigError(f"there is a drawing {path}: choose another name")
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, coverage.astype(np.float32), allow_pickle=False)
    except (OSError, ArtefactError) as error:
        cause = error if isinstance(error, OSError) else error.__context__
        why = getattr(cause, "strerror", None) or str(error)
        raise ConfigError(
            f"{path} cannot be written ({why}): start the page with --drawings and a folder that can be written to"
        ) from None
    return path


def is_heard(before: np.ndarray, after: np.ndarray) -> bool:
    """Tell whether two sounds differ by what 16 bits can tell: of digital silence, nothing that is drawn is heard."""
    return float(np.abs(after - before).max(initial=0)) >= AUDIBLE


def as_wav(audio: np.ndarray, sample_rate: int) -> bytes:
    """Return audio as a WAV file of 16 bits, which browsers play; what is beyond full scale is scaled down to it."""
    encoded = io.BytesIO()
    soundfile.write(encoded, audio / max(1.0, float(np.abs(audio).max(initial=0))), sample_rate, format="WAV", subtype="PCM_16")
    return encoded.getvalue()
