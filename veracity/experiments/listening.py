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
MAX_DB = 60.0  # largest gain in dB; weaker perturbations are negligible
FULL_SCALE = 2**15 - 1  # largest sample of 16 bits


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
    found = []
    for domain in dict.fromkeys(domain for domain, _ in excerpts):
        for label in LABELS:
            rng, queue = rng_for(seed, "listening", domain, label), []
            for (own, song), item in excerpts.items():
                if own == domain:
                    shuffled = rng.permutation(np.flatnonzero(item.original == label))
                    queue += [(rank, song, int(e)) for rank, e in enumerate(shuffled)]
            rng.shuffle(queue)
            queue.sort(key=lambda one: one[0])  # the first excerpt of every song, then the second of every song, and so on
            found += [(domain, song, e) for _, song, e in queue[:per_panel]]
    return found


def write_sounds(
    folder: str | os.PathLike,
    audio: np.ndarray,
    attack: SongAttack | ExcerptAttack,
    excerpts: Excerpts,
    e: int,
    explanations: Explanations,
    flips: Flips,
    network: "Network",
    frontend: FrontEnd,
    grid: SegmentGrid,
    *,
    fill: str,
    threshold: float,
    song: str,
    start_seconds: float,
) -> list[dict[str, object]]:
    """Write the sounds of one excerpt as FLAC files, and return their rows of the table ``listening``.

    Parameters
    ----------
    folder : path-like
        Folder of the files.
    audio : ndarray, shape (n_samples,), float32
        Attacked part of the song.
    attack : SongAttack or ExcerptAttack
        Result of the attack.
    excerpts : Excerpts
        Adversarial excerpts of the song.
    e : int
        Index of the excerpt.
    explanations : Explanations
        LIME explanations of the excerpts.
    flips : Flips
        Flip sets of the excerpts.
    network : Network
        Detector.
    frontend : FrontEnd
        Settings of the front end.
    grid : SegmentGrid
        Segments of the excerpts.
    fill : str
        Fill of the LIME explanation.
    threshold : float
        Decision threshold.
    song : str
        Name of the song.
    start_seconds : float
        Start of `audio` in the song in seconds.

    Returns
    -------
    list of dict
        One row per sound, with the columns `COLUMNS`.
    """
    weights = explanations.along("weights", input="adversarial", fill=fill, method="sampled")[e]
    flip = Flip(excerpts.flips[e].label, threshold)
    ranking = lime.ranking(weights, flip.label)
    first = int(excerpts.start_frame[e])
    known: dict[str, object] = {"domain": excerpts.domain, "original": str(excerpts.original[e]), "song": song}
    known |= {"seconds": start_seconds + first / frontend.frames_per_second}
    rows = []
    for sound in sounds_of(audio, attack, excerpts, e, flips, ranking, network, frontend, grid):
        file = f"{excerpts.domain}_{excerpts.original[e]}_{song}_{first}_{sound.name}.flac"
        _write_flac(Path(folder) / file, sound.audio, frontend.sample_rate)
        said: dict[str, object] = {
            "sound": sound.name,
            "segments": _as_set(sound.segments),
            "gain_db": sound.gain_db,
            "file": file,
        }
        said |= {"p_sing": sound.p_sing, "p_heard": sound.p_heard}
        said["flips"] = np.nan if np.isnan(sound.p_sing) else float(flip.has_flipped(sound.p_sing))
        # No flip is reported for the perturbation alone, because it is not a version of the excerpt.
        heard = sound.name != "perturbation"
        said["flips_heard"] = float(flip.has_flipped(sound.p_heard)) if heard else np.nan
        rows.append({**known, **said})
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
    audio: np.ndarray,
    attack: SongAttack | ExcerptAttack,
    excerpts: Excerpts,
    e: int,
    flips: Flips,
    ranking: np.ndarray,
    network: "Network",
    frontend: FrontEnd,
    grid: SegmentGrid,
) -> Iterator[Sound]:
    """Yield the sounds of one excerpt.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
        Attacked part of the song.
    attack : SongAttack or ExcerptAttack
        Result of the attack.
    excerpts : Excerpts
        Adversarial excerpts of the song.
    e : int
        Index of the excerpt.
    flips : Flips
        Flip sets of the excerpts.
    ranking : ndarray of int, shape (n_segments,)
        Ranking of the segments by LIME.
    network : Network
        Detector.
    frontend : FrontEnd
        Settings of the front end.
    grid : SegmentGrid
        Segments of the excerpts.

    Yields
    ------
    Sound
        Original, adversarial excerpt, perturbation alone, and the excerpts with the segments of LIME and of a smallest flip
        set.
    """
    import torch

    from ..songs.resynthesis import confined

    first = int(excerpts.start_frame[e])
    perturbed = perturbed_audio(audio, attack, first, frontend)
    everything = np.ones((grid.n_frames, grid.n_mels), dtype=bool)
    whole = perturbed if perturbed.ndim == 1 else confined(audio, perturbed, everything, frontend, first_frame=first)
    original, adversarial = (part_heard(x, first, frontend) for x in (audio, whole))
    difference = adversarial - original
    gain_db = min(MAX_DB, 20 * np.log10(PEAK / max(float(np.abs(difference).max()), 1e-12)))
    best = np.flatnonzero(masks_of(flips.sets.smallest(e)[:1], grid.n_segments)[0])  # empty if the search found no set
    yield _sound("original", original, 0.0, (), float(excerpts.clean_p[e]), network, frontend)
    yield _sound("adversarial", adversarial, 0.0, (), float(excerpts.adversarial_p[e]), network, frontend)
    yield _sound("perturbation", difference * 10 ** (gain_db / 20), gain_db, (), np.nan, network, frontend)
    for name, segments in (("lime", tuple(ranking[:TOP].tolist())), ("best", tuple(best.tolist()))):
        if not segments:
            continue
        inside = np.isin(grid.segment_map(), segments)
        mixed = np.where(inside, excerpts.adversarial[e], excerpts.clean[e])
        heard = part_heard(confined(audio, perturbed, inside, frontend, first_frame=first), first, frontend)
        yield _sound(name, heard, 0.0, segments, _p_sing(torch.as_tensor(mixed)[None], network), network, frontend)


def part_heard(audio: np.ndarray, first: int, frontend: FrontEnd) -> np.ndarray:
    """Return the samples in the windows of an excerpt; beyond the ends, the song is reflected as by the front end.

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
        found = audio.copy()
        found[excerpt_samples(first, frontend)] += delta[:, 0]
        return found
    found = magnitudes(audio, frontend).numpy()
    found[first : first + len(delta)] += delta
    return np.maximum(found, 0)


def _sound(
    name: str,
    audio: np.ndarray,
    gain_db: float,
    segments: tuple[int, ...],
    p_sing: float,
    network: "Network",
    frontend: FrontEnd,
) -> Sound:
    from ..songs.frontend import excerpt_magnitudes, log_mel

    written = (np.round(np.clip(audio, -1, 1) * FULL_SCALE) / FULL_SCALE).astype(np.float32)
    frames = log_mel(excerpt_magnitudes(written, frontend), frontend)
    return Sound(name, written, float(gain_db), segments, p_sing, _p_sing(frames[None], network))


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
            "heard": [TITLES[name] for name in rows["sound"]],
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
