"""State of the drawing page: a detector with its explained model, and the processing of songs and drawings."""

import functools
import hashlib
import io
import math
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
from ..errors import ArtefactError, ConfigError, CorpusError, VeracityError, quoted, shortened, within
from ..experiments.drawing.explaining import ExplainedDrawing, explain_drawing
from ..experiments.drawing.raster import draw, rasterise
from ..experiments.drawing.shapes import shape_named
from ..explainers.lime import LimeSettings
from ..games.models import explained_model
from ..jobs.files import replacing
from ..labels import label
from ..notebook import HALF
from ..songs.audio import load_audio
from ..songs.frontend import log_mel, magnitudes, pad_silence
from ..songs.resynthesis import redrawn
from ..songs.settings import excerpt_samples

MAX_SECONDS = 900.0  # largest length of a song
AROUND_SECONDS = 0.5  # context before and after an excerpt in the returned audio
MAX_PAGES = 64  # largest number of open pages whose newest drawings are tracked
MAX_STRENGTH = 20.0  # natural logarithm units; covers the range from the floor to beyond full scale
SMALLEST, LARGEST = 0.01, 1.0  # limits of the size of a shape as a fraction of the excerpt
AUDIBLE = 1 / 32768  # quantisation step of the 16-bit audio


class SupersededError(VeracityError):
    """Raised if a request is obsolete because the same page has sent a newer drawing."""


@dataclass(frozen=True)
class Song:
    """Song with the predictions of the detector.

    Attributes
    ----------
    name : str
        Display name of the song.
    audio : ndarray, shape (n_samples,), float32
        Mono audio at the sample rate of the front end.
    log_mel : ndarray, shape (n_frames, n_mels)
        Natural log of mel magnitude, not standardised.
    p_sing : ndarray, shape (n_frames,)
        P(sing) of the excerpt around each frame.
    """

    name: str
    audio: np.ndarray
    log_mel: np.ndarray
    p_sing: np.ndarray

    @functools.cached_property
    def identity(self) -> str:
        """Digest of name and audio that identifies the song in requests, even after a restart."""
        return hashlib.sha256(self.name.encode() + b"\0" + self.audio.tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class PlacedDrawing:
    """Drawing on an excerpt of a song.

    Attributes
    ----------
    start : int
        First frame of the excerpt.
    coverage : ndarray, shape (excerpt_frames, n_mels)
        Coverage of the drawing in [0, 1].
    strength : float
        Level of the drawing above the mean of the excerpt, in natural logarithm units.
    """

    start: int
    coverage: np.ndarray
    strength: float


class Session:
    """Processing of songs and drawings with one detector.

    Parameters
    ----------
    checkpoint : Checkpoint or path-like
        Checkpoint of the detector.
    settings : LimeSettings, optional
        Grid, fill and surrogate of the explanations, by default the paper's.
    threshold : float, optional
        Decision threshold for P(sing), by default that of the checkpoint. If it has none, 0.5 is used and mentioned in `note`.

    Raises
    ------
    ConfigError
        If not all masks of the grid can be evaluated.
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
        threshold = self.checkpoint.threshold if threshold is None else threshold
        self.note = f"The checkpoint has no threshold, so {HALF} is used." if threshold is None else ""
        self.threshold = HALF if threshold is None else threshold
        self.grid = self.settings.grid(self.frontend.excerpt_frames, self.frontend.n_mels)
        self.model = explained_model(self.network, self.grid, exact=True)
        if not self.model.exact:
            raise ConfigError(
                f"lime: the page requires all masks, which cannot be evaluated ({self.model.evaluator.reason}). "
                "Use a coarser grid."
            )
        self._working, self._counting, self._count = threading.Lock(), threading.Lock(), 0
        self._newest: OrderedDict[str, int] = OrderedDict()  # number of the newest drawing of each page

    def song(self, path: str | os.PathLike, name: str | None = None) -> Song:
        """Read a song and predict P(sing) over time.

        Parameters
        ----------
        path : path-like
            Path to the audio file.
        name : str, optional
            Display name, by default the name of the file.

        Returns
        -------
        Song
            The song with its predictions.

        Raises
        ------
        VeracityError
            If the song cannot be read, or is shorter than an excerpt or longer than 15 minutes.
        """
        title = name or str(path)
        try:
            audio = load_audio(path, sample_rate=self.frontend.sample_rate, max_seconds=MAX_SECONDS)
        except CorpusError as error:  # the advice about file lists does not apply
            message = str(error).replace(str(path), title).replace(", or remove the song from the corpus", "")
            raise CorpusError(message) from None
        seconds, least = len(audio) / self.frontend.sample_rate, self.frontend.excerpt_seconds
        if seconds < least:
            raise ConfigError(f"{title}: shorter than one excerpt of {least:.2f} s, got {seconds:.2f} s. Give a longer song.")
        with torch.inference_mode():
            frames = log_mel(magnitudes(torch.as_tensor(audio), self.frontend), self.frontend)
            logits = dense_in_chunks(self.network, pad_silence(frames, self.frontend)).numpy()
        return Song(shortened(name or Path(path).name), audio, frames.numpy(), probability(logits))

    def excerpt(self, song: Song, start: int) -> np.ndarray:
        """Return the excerpt that starts at a frame, shape (excerpt_frames, n_mels)."""
        within(start, 0, len(song.log_mel) - self.frontend.excerpt_frames, "first frame of the excerpt", whole=True)
        return np.ascontiguousarray(song.log_mel[start : start + self.frontend.excerpt_frames])

    def shape(self, name: str, centre: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
        """Return the coverage of a predefined shape.

        Parameters
        ----------
        name : str
            Name of the shape.
        centre, size : tuple of float
            Centre and size along time and frequency, as fractions of the excerpt.

        Returns
        -------
        ndarray, shape (excerpt_frames, n_mels)
            Coverage in [0, 1].

        Raises
        ------
        ConfigError
            If there is no such shape, or a value is out of range.
        """
        for values, low, high, what in ((centre, 0, 1, "centre"), (size, SMALLEST, LARGEST, "size")):
            for value in values:
                within(value, low, high, f"{what} of the shape, as a fraction of the excerpt")
        return rasterise(shape_named(name), self.frontend.excerpt_frames, self.frontend.n_mels, centre=centre, size=size)

    def explain(self, song: Song, drawing: PlacedDrawing, page: str = "") -> dict[str, Any]:
        """Explain a drawing, unless the same page sends a newer one first.

        Parameters
        ----------
        song : Song
            Song that contains the excerpt.
        drawing : PlacedDrawing
            Drawing on the excerpt.
        page : str
            Identifier of the page, empty by default.

        Returns
        -------
        dict
            Probabilities, decisions, attributions and smallest flip sets of the drawing.

        Raises
        ------
        SupersededError
            If the page has sent a newer drawing.
        """
        clean = self._clean(song, drawing)  # invalid requests must not supersede others
        with self._counting:
            self._count = self._newest[page] = number = self._count + 1
            self._newest.move_to_end(page)
            if len(self._newest) > MAX_PAGES:
                self._newest.popitem(last=False)

        def check_cancelled() -> None:
            if self._newest.get(page, number) != number:
                raise SupersededError("drawing: superseded by a newer drawing.")

        with self._working:
            check_cancelled()
            explained = explain_drawing(
                clean,
                drawing.coverage,
                drawing.strength,
                self.model,
                self.settings,
                threshold=self.threshold,
                check_cancelled=check_cancelled,
            )
        return self._shown(explained)

    def _clean(self, song: Song, drawing: PlacedDrawing) -> np.ndarray:
        """Check the drawing, and return the excerpt without it."""
        within(drawing.strength, 0, MAX_STRENGTH, "level above the mean of the excerpt")
        return self.excerpt(song, drawing.start)

    def _shown(self, explained: ExplainedDrawing) -> dict[str, Any]:
        return {
            "p_clean": explained.p_clean,
            "p_drawn": explained.p_drawn,
            "label_clean": self.label(explained.p_clean),
            "label_drawn": self.label(explained.p_drawn),
            "flips": explained.flips,
            "lime": explained.lime.tolist(),
            "shapley": explained.shapley.tolist(),
            "fidelity": explained.fidelity,
            "touched": np.flatnonzero(explained.touched).tolist(),
            "smallest_sets": [list(flip_set) for flip_set in explained.smallest_sets],
            "log_mel": explained.log_mel,
        }

    def label(self, p: float) -> str:
        """Return the decision at the threshold, "sing" or "nosing"."""
        return label(bool(is_sing(p, self.threshold)))

    def sounds(self, song: Song, drawing: PlacedDrawing) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the excerpt before and after a drawing as audio, with half a second of audio on both sides.

        Parameters
        ----------
        song : Song
            Song that contains the excerpt.
        drawing : PlacedDrawing
            Drawing on the excerpt.

        Returns
        -------
        before, after : ndarray, shape (n_samples,), float32
            Audio before and after the drawing.
        p_sing : float
            P(sing) of the excerpt of the resynthesised audio.
        """
        clean, start = self._clean(song, drawing), drawing.start
        drawn = draw(clean, drawing.coverage, level=float(clean.mean(dtype=np.float64)) + drawing.strength)
        hop, around = self.frontend.hop_samples, round(AROUND_SECONDS * self.frontend.sample_rate)
        # The surroundings of the excerpt, by whole frames, because a whole song takes seconds.
        margin = 1 + math.ceil((around + self.frontend.frame_samples) / hop)
        first = max(0, start - margin)
        audio = song.audio[first * hop : (start + self.frontend.excerpt_frames + margin) * hop]
        after = redrawn(audio, clean, drawn, self.frontend, first_frame=start - first)
        samples = excerpt_samples(start - first, self.frontend)
        part = slice(max(0, samples.start - around), samples.stop + around)
        with torch.inference_mode():
            frames = log_mel(magnitudes(torch.as_tensor(after), self.frontend), self.frontend)
            excerpt = frames[start - first :][: self.frontend.excerpt_frames].numpy()
        return audio[part], after[part], float(self.model.p_sing(excerpt[None])[0])


def save_drawing(folder: str | os.PathLike, name: str, coverage: np.ndarray) -> Path:
    """Save the coverage of a drawing for `veracity.experiments.drawing.files.import_drawings` (key ``drawings.folder``).

    Parameters
    ----------
    folder : path-like
        Folder of the drawings, which is created if it is missing.
    name : str
        Name of the drawing: lower-case letters, digits, hyphens and underscores.
    coverage : ndarray, shape (excerpt_frames, n_mels)
        Coverage of the drawing in [0, 1].

    Returns
    -------
    Path
        Path to the saved file.

    Raises
    ------
    ConfigError
        If the name is invalid or already in use, the drawing is empty, or the file cannot be written.
    """
    if not name or len(name) > 64 or not all(c.isascii() and (c.islower() or c.isdigit() or c in "-_") for c in name):
        raise ConfigError(f"name: must be at most 64 lower-case letters, digits, - and _, got {quoted(name)}.")
    if not coverage.any():
        raise ConfigError("drawing: empty. Draw before you save.")
    path = Path(folder) / f"{name}.npy"
    try:
        if path.exists():
            raise ConfigError(f"{path}: drawing already exists. Choose another name.")
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, coverage.astype(np.float32), allow_pickle=False)
    except (OSError, ArtefactError) as error:
        cause = error if isinstance(error, OSError) else error.__context__
        why = getattr(cause, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be written ({why}). Start the page with --drawings and a writable folder.") from None
    return path


def is_audible(before: np.ndarray, after: np.ndarray) -> bool:
    """Return whether two sounds differ by at least one step of 16-bit audio.

    A drawing on digital silence has no effect on the sound.
    """
    return float(np.abs(after - before).max(initial=0)) >= AUDIBLE


def as_wav(audio: np.ndarray, sample_rate: int) -> bytes:
    """Return audio as a 16-bit WAV file for browsers; audio beyond full scale is scaled down."""
    encoded = io.BytesIO()
    soundfile.write(encoded, audio / max(1.0, float(np.abs(audio).max(initial=0))), sample_rate, format="WAV", subtype="PCM_16")
    return encoded.getvalue()
