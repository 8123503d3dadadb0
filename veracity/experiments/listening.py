"""Explanations that can be heard: an excerpt, its adversarial version, the perturbation, parts of it (stage ``listening``).

Segments are put together from the frames and bins of both versions; a perturbation of magnitudes has no phase, and gets that of
the original. What the detector says of such a sound may differ a little from what it says of the same segments mixed in what it
sees, which is what the experiments do; both are told.
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
    "best": "smallest flipping set",
}
PEAK = 0.5  # full scale, of what is amplified
MOST_DB = 60.0  # of gain: a perturbation that is weaker is as good as none
FULL_SCALE = 2**15 - 1  # of 16 bits


@dataclass(frozen=True)
class Sound:
    """One thing to be heard.

    Attributes
    ----------
    name : str
        One of ``original``, ``adversarial``, ``perturbation`` (alone, amplified), ``lime`` (its first three segments) and
        ``best`` (a smallest set that flips).
    audio : ndarray, shape (n_samples,), float32
        Within full scale, in steps of 16 bits.
    gain_db : float
        By which it was amplified; 0 but for the perturbation alone.
    segments : tuple of int
        Of the perturbation that it holds; empty where that is all or nothing.
    p_sing : float
        What the detector says of these segments, mixed in what it sees; NaN for the perturbation alone.
    p_heard : float
        What it says of the very sound.
    """

    name: str
    audio: np.ndarray
    gain_db: float
    segments: tuple[int, ...]
    p_sing: float
    p_heard: float


def chosen(excerpts: Mapping[tuple[str, str], Excerpts], per_panel: int, seed: int) -> list[tuple[str, str, int]]:
    """Choose a few excerpts of each panel at random, of different songs as far as there are.

    Parameters
    ----------
    excerpts : mapping
        By domain and song.
    per_panel : int
    seed : int

    Returns
    -------
    list of (domain, song, excerpt)
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
            queue.sort(key=lambda one: one[0])  # the first of every song before the second of any
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
    """Write what is to be heard of one excerpt as FLAC files, and return a row of the table ``listening`` for each.

    Parameters
    ----------
    folder : path-like
    audio, attack, excerpts, e, flips, network, frontend, grid
        As `sounds_of`.
    explanations : Explanations
    fill : str
        Of the LIME whose segments are heard.
    threshold : float
    song : str
    start_seconds : float
        Where `audio` begins in the song.
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
        # The perturbation alone is another sound, not the excerpt with another label.
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
    """Yield what is to be heard of one excerpt.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
        The attacked part of the song.
    attack : SongAttack or ExcerptAttack
    excerpts : Excerpts
    e : int
        Number of the excerpt.
    flips : Flips
    ranking : ndarray of int, shape (n_segments,)
        LIME's.
    network : Network
    frontend : FrontEnd
    grid : SegmentGrid
    """
    import torch

    from ..songs.resynthesis import confined

    first = int(excerpts.start_frame[e])
    perturbed = perturbed_audio(audio, attack, first, frontend)
    everything = np.ones((grid.n_frames, grid.n_mels), dtype=bool)
    whole = perturbed if perturbed.ndim == 1 else confined(audio, perturbed, everything, frontend, first_frame=first)
    original, adversarial = (part_heard(x, first, frontend) for x in (audio, whole))
    difference = adversarial - original
    gain_db = min(MOST_DB, 20 * np.log10(PEAK / max(float(np.abs(difference).max()), 1e-12)))
    best = np.flatnonzero(masks_of(flips.sets.smallest(e)[:1], grid.n_segments)[0])  # empty where no set was found
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
    """Return what the frames of an excerpt see, the ends of the song reflected as the front end does."""
    half = frontend.frame_samples // 2
    part = excerpt_samples(first, frontend)
    return np.pad(audio, half, mode="reflect")[part.start + half : part.stop + half]


def perturbed_audio(audio: np.ndarray, attack: SongAttack | ExcerptAttack, first: int, frontend: FrontEnd) -> np.ndarray:
    """Return perturbed audio, or the perturbed magnitudes of all of its frames."""
    from ..songs.frontend import magnitudes

    if isinstance(attack, SongAttack):
        if attack.domain == "waveform":
            return audio + attack.delta[:, 0]
        half = frontend.half_excerpt  # the silence around the song is attacked, too
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
    """Arrange the table to be read."""
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
