"""Audible explanations: an excerpt, its adversarial version, the perturbation and parts of it (stage ``listening``).

Sounds with some segments of the perturbation are composed of frames and bins of both versions. A perturbation of magnitudes has
no phase, so the phase of the original is used. The prediction for such a sound may differ slightly from the prediction for the
same segments in the log-mel spectrogram, which the experiments use. Both predictions are reported.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..attacks.excerpts import Excerpts
from ..attacks.perturbations import ExcerptAttack, SongAttack
from ..detector.decisions import Flip, probability
from ..explainers import lime
from ..games.grid import SegmentGrid, masks_of
from ..games.scoring import TOP
from ..jobs.files import replacing
from ..jobs.seeds import rng_for
from ..labels import LABELS, direction_title
from ..songs.settings import FrontEnd, excerpt_samples
from .explanations import Explanations
from .flips import Flips

if TYPE_CHECKING:
    from torch import Tensor

    from ..attacks.detector import AttackedDetector
    from ..detector.network import Network

COLUMNS = [
    *("domain", "original", "song", "seconds", "sound", "segments", "gain_db", "p_sing", "flips"),
    *("p_heard", "flips_heard", "file"),
]
TITLES = {
    "original": "original",
    "adversarial": "adversarial",
    "perturbation": "perturbation alone",
    "lime": "LIME's first segments",
    "best": "smallest flip set",
}
PEAK = 0.5  # peak of amplified sounds, relative to full scale
MAX_DB = 60.0  # largest gain in dB; perturbations that need more are negligible
FULL_SCALE = 2**15 - 1  # largest value of a 16-bit sample


@dataclass(frozen=True)
class Sound:
    """Sound of an excerpt, with its predictions.

    Attributes
    ----------
    name : str
        ``original``, ``adversarial``, ``perturbation`` (alone, amplified), ``lime`` (with LIME's top three segments of the
        perturbation) or ``best`` (with a smallest flip set).
    audio : ndarray, shape (n_samples,), float32
        Samples within full scale, rounded to 16 bits.
    gain_db : float
        Gain in dB; 0 except for the perturbation alone.
    segments : tuple of int
        Segments of the perturbation in the sound; empty if it contains all or none.
    p_sing : float
        P(sing) of the log-mel spectrogram with these segments; NaN for the perturbation alone.
    p_heard : float
        P(sing) of the sound.
    """

    name: str
    audio: np.ndarray
    gain_db: float
    segments: tuple[int, ...]
    p_sing: float
    p_heard: float


def chosen(excerpts: Mapping[tuple[str, str], Excerpts], per_panel: int, seed: int) -> list[tuple[str, str, int]]:
    """Draw random excerpts of each panel, from different songs if possible.

    Parameters
    ----------
    excerpts : mapping of (str, str) to Excerpts
        Adversarial excerpts by domain and song.
    per_panel : int
        Largest number of excerpts for each panel.
    seed : int
        Seed of the run.

    Returns
    -------
    list of (domain, song, excerpt)
        Domain, name of the song and index of each excerpt.
    """
    drawn = []
    for domain in dict.fromkeys(domain for domain, _ in excerpts):
        for label in LABELS:
            rng, queue = rng_for(seed, "listening", domain, label), []
            for (domain_of_item, song), item in excerpts.items():
                if domain_of_item == domain:
                    shuffled = rng.permutation(np.flatnonzero(item.original == label))
                    queue += [(rank, song, int(e)) for rank, e in enumerate(shuffled)]
            rng.shuffle(queue)
            queue.sort(key=lambda entry: entry[0])  # the first excerpt of every song, then the second of every song, and so on
            drawn += [(domain, song, e) for _, song, e in queue[:per_panel]]
    return drawn


@dataclass(frozen=True)
class AttackedSong:
    """Song with the results of one attack on it.

    Attributes
    ----------
    name : str
        Name of the song.
    audio : ndarray, shape (n_samples,), float32
        Attacked part of the song.
    start_seconds : float
        Start of `audio` in the song in seconds.
    attack : SongAttack or ExcerptAttack
        Result of the attack.
    excerpts : Excerpts
        Adversarial excerpts of the song.
    flips : Flips
        Flip sets of the excerpts.
    """

    name: str
    audio: np.ndarray
    start_seconds: float
    attack: SongAttack | ExcerptAttack
    excerpts: Excerpts
    flips: Flips


def write_sounds(
    folder: str | os.PathLike,
    song: AttackedSong,
    e: int,
    explanations: Explanations,
    detector: "AttackedDetector",
    grid: SegmentGrid,
    *,
    fill: str,
) -> list[dict[str, object]]:
    """Write the sounds of one excerpt as FLAC files, and return their rows of the table ``listening``.

    Parameters
    ----------
    folder : path-like
        Folder of the files.
    song : AttackedSong
        Song with the results of the attack.
    e : int
        Index of the excerpt.
    explanations : Explanations
        LIME explanations of the excerpts.
    detector : AttackedDetector
        Attacked detector.
    grid : SegmentGrid
        Segments of the excerpts.
    fill : str
        Fill of the LIME explanation.

    Returns
    -------
    list of dict
        One row per sound, with the columns `COLUMNS`.
    """
    excerpts, frontend = song.excerpts, detector.frontend
    weights = explanations.along("weights", input="adversarial", fill=fill, method="sampled")[e]
    flip = Flip(excerpts.flips[e].label, detector.threshold)
    ranking = lime.ranking(weights, flip.label)
    first = int(excerpts.start_frame[e])
    of_excerpt: dict[str, object] = {"domain": excerpts.domain, "original": str(excerpts.original[e]), "song": song.name}
    of_excerpt["seconds"] = song.start_seconds + first / frontend.frames_per_second
    rows = []
    for sound in sounds_of(song, e, ranking, detector, grid):
        file = f"{excerpts.domain}_{excerpts.original[e]}_{song.name}_{first}_{sound.name}.flac"
        _write_flac(Path(folder) / file, sound.audio, frontend.sample_rate)
        # No flip is reported for the perturbation alone, because it is not a version of the excerpt.
        is_version = sound.name != "perturbation"
        of_sound: dict[str, object] = {
            "sound": sound.name,
            "segments": _as_set(sound.segments),
            "gain_db": sound.gain_db,
            "file": file,
            "p_sing": sound.p_sing,
            "p_heard": sound.p_heard,
            "flips": np.nan if np.isnan(sound.p_sing) else float(flip.has_flipped(sound.p_sing)),
            "flips_heard": float(flip.has_flipped(sound.p_heard)) if is_version else np.nan,
        }
        rows.append({**of_excerpt, **of_sound})
    return rows


def _as_set(segments: tuple[int, ...]) -> str:
    return f"{{{', '.join(map(str, segments))}}}" if segments else ""


def _write_flac(path: Path, audio: np.ndarray, sample_rate: int) -> None:
    import soundfile

    encoded = io.BytesIO()
    soundfile.write(encoded, audio, sample_rate, format="FLAC", subtype="PCM_16")
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getvalue())


def sounds_of(
    song: AttackedSong, e: int, ranking: np.ndarray, detector: "AttackedDetector", grid: SegmentGrid
) -> Iterator[Sound]:
    """Yield the sounds of one excerpt.

    Parameters
    ----------
    song : AttackedSong
        Song with the results of the attack.
    e : int
        Index of the excerpt.
    ranking : ndarray of int, shape (n_segments,)
        Ranking of the segments by LIME.
    detector : AttackedDetector
        Attacked detector.
    grid : SegmentGrid
        Segments of the excerpts.

    Yields
    ------
    Sound
        Original, adversarial excerpt, perturbation alone, and the excerpts with the segments of LIME and of a smallest flip
        set.
    """
    import torch

    from ..songs.frontend import excerpt_magnitudes, log_mel
    from ..songs.resynthesis import partly_perturbed

    audio, excerpts, frontend = song.audio, song.excerpts, detector.frontend
    first = int(excerpts.start_frame[e])
    perturbed = perturbed_audio(audio, song.attack, first, frontend)
    everything = np.ones((grid.n_frames, grid.n_mels), dtype=bool)
    whole = perturbed if perturbed.ndim == 1 else partly_perturbed(audio, perturbed, everything, frontend, first_frame=first)
    original, adversarial = (audible_part(x, first, frontend) for x in (audio, whole))
    difference = adversarial - original
    gain_db = min(MAX_DB, 20 * np.log10(PEAK / max(float(np.abs(difference).max()), 1e-12)))
    best = np.flatnonzero(masks_of(song.flips.sets.smallest(e)[:1], grid.n_segments)[0])  # empty if the search found no set

    def sound(name: str, part: np.ndarray, p_sing: float, gain_db: float = 0.0, segments: tuple[int, ...] = ()) -> Sound:
        written = (np.round(np.clip(part, -1, 1) * FULL_SCALE) / FULL_SCALE).astype(np.float32)
        p_heard = _p_sing(log_mel(excerpt_magnitudes(written, frontend), frontend)[None], detector.network)
        return Sound(name, written, float(gain_db), segments, p_sing, p_heard)

    yield sound("original", original, float(excerpts.clean_p[e]))
    yield sound("adversarial", adversarial, float(excerpts.adversarial_p[e]))
    yield sound("perturbation", difference * 10 ** (gain_db / 20), np.nan, gain_db)
    for name, segments in (("lime", tuple(ranking[:TOP].tolist())), ("best", tuple(best.tolist()))):
        if not segments:
            continue
        inside = np.isin(grid.segment_map(), segments)
        mixed = np.where(inside, excerpts.adversarial[e], excerpts.clean[e])
        part = audible_part(partly_perturbed(audio, perturbed, inside, frontend, first_frame=first), first, frontend)
        yield sound(name, part, _p_sing(torch.as_tensor(mixed)[None], detector.network), segments=segments)


def audible_part(audio: np.ndarray, first: int, frontend: FrontEnd) -> np.ndarray:
    """Return the samples in the windows of an excerpt; beyond the ends, the song is reflected as in the front end.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,)
        Audio of the song.
    first : int
        First frame of the excerpt.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    ndarray, shape (n_excerpt_samples,)
        Samples of the excerpt.
    """
    half = frontend.frame_samples // 2
    part = excerpt_samples(first, frontend)
    return np.pad(audio, half, mode="reflect")[part.start + half : part.stop + half]


def perturbed_audio(audio: np.ndarray, attack: SongAttack | ExcerptAttack, first: int, frontend: FrontEnd) -> np.ndarray:
    """Return the perturbed audio, or the perturbed magnitudes of all frames.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
        Attacked part of the song.
    attack : SongAttack or ExcerptAttack
        Result of the attack.
    first : int
        First frame of the excerpt.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    ndarray, shape (n_samples,) or (n_frames, n_bins)
        Samples for attacks on the waveform, magnitudes for attacks on the spectrogram.
    """
    from ..songs.frontend import magnitudes

    if isinstance(attack, SongAttack):
        if attack.domain == "waveform":
            return audio + attack.delta[:, 0]
        half = frontend.half_excerpt  # the attack also perturbs the silence around the song
        inner = attack.delta[half : len(attack.delta) - half]
        return np.maximum(magnitudes(audio, frontend).numpy() + inner, 0)
    delta = attack.delta[int(np.flatnonzero(attack.start_frame == first)[0])]
    if attack.domain == "waveform":
        perturbed = audio.copy()
        perturbed[excerpt_samples(first, frontend)] += delta[:, 0]
        return perturbed
    perturbed = magnitudes(audio, frontend).numpy()
    perturbed[first : first + len(delta)] += delta
    return np.maximum(perturbed, 0)


def _p_sing(frames: "Tensor", network: "Network") -> float:
    import torch

    with torch.no_grad():
        return float(probability(network.logits(frames.to(network.device)).cpu().numpy())[0])


def page(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table ``listening`` with headings and values for display."""
    return pd.DataFrame(
        {
            "panel": [f"{row.domain}, {direction_title(row.original)}" for row in rows.itertuples()],
            "song": rows.song,
            "from (s)": rows.seconds.round(2),
            "sound": [TITLES[name] for name in rows["sound"]],
            "segments": rows.segments,
            "amplified (dB)": rows.gain_db.round(1),
            "f(x)": rows.p_sing.round(3),
            "flips": _yes(rows.flips),
            "f(x) of the sound": rows.p_heard.round(3),
            "sound flips": _yes(rows.flips_heard),
            "file": rows.file,
        }
    )


def _yes(values: Sequence[object]) -> list[str]:
    return ["" if pd.isna(value) else "yes" if value else "no" for value in values]
