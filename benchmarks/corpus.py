"""Benchmarks of decoding and spectrograms, and of the construction of the workflow's DAG."""

import functools
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
import yaml
from measure import Row, best_seconds

from veracity.songs.audio import load_audio
from veracity.songs.frontend import FrontEnd, magnitudes
from veracity.songs.synthesis import synthesise_song

ROOT = Path(__file__).resolve().parents[1]


def decode_stft(device: torch.device, quick: bool) -> Row:
    """Decode a song and compute its magnitudes; value = multiple of real time, ratio = value of veracity / of librosa."""
    frontend = FrontEnd()
    with tempfile.TemporaryDirectory() as folder:
        path = _synthetic(Path(folder, "song.flac"), 60)
        seconds = soundfile.info(path).duration

        def ours() -> torch.Tensor:
            return magnitudes(torch.as_tensor(load_audio(path, sample_rate=frontend.sample_rate)), frontend)

        def plain() -> np.ndarray:
            audio, _ = librosa.load(path, sr=frontend.sample_rate)
            return np.abs(librosa.stft(audio, n_fft=frontend.frame_samples, hop_length=frontend.hop_samples))

        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)  # a job has one core
        best = best_seconds(ours, plain, device=device, repeats=1 if quick else 10)
        torch.set_num_threads(n_threads)
    speed, baseline = (seconds / s for s in best)
    what = f"{seconds:.0f} s of a synthetic song ({path.suffix[1:]})"
    detail = f"goal 200x real time per core; {what}, one thread; baseline: librosa.load and librosa.stft"
    return Row("decode_stft", device.type, speed, "x real time", baseline, speed / baseline, detail)


def _synthetic(path: Path, seconds: float) -> Path:
    song = synthesise_song(np.random.default_rng(0), seconds=seconds, sample_rate=44100)
    soundfile.write(path, song.audio, song.sample_rate)
    return path


def dag_build_93(device: torch.device, quick: bool) -> Row:
    """Time the construction of the DAG of the paper's 93 songs; baseline = 9 songs, ratio = baseline / value."""
    seconds, jobs = {}, {}
    for counts in ((61, 16, 16), (5, 2, 2)):
        with tempfile.TemporaryDirectory() as folder:
            _write_corpus(Path(folder), dict(zip(("train", "valid", "test"), counts, strict=True)))
            songs = sum(counts)
            jobs[songs] = _plan(folder)  # warms up
            seconds[songs] = best_seconds(
                functools.partial(_plan, folder), device=device, repeats=1 if quick else 5, warm_up=False
            )[0]
    detail = (
        f"goal 5 s; snakemake -n all, including its start, for config/jamendo.yaml on files of 2 s: {jobs[93]} jobs; "
        f"baseline: 9 songs, {jobs[9]} jobs"
    )
    return Row("dag_build_93", device.type, seconds[93], "s", seconds[9], seconds[9] / seconds[93], detail)


def _write_corpus(folder: Path, counts: dict[str, int]) -> None:
    """Write a corpus of noise, and the configuration that names it."""
    for name in ("audio", "labels", "filelists"):
        (folder / name).mkdir()
    for split, count in counts.items():
        stems = [f"{split}-{i:02d}" for i in range(count)]
        for stem in stems:
            soundfile.write(folder / "audio" / f"{stem}.flac", np.random.default_rng(0).uniform(-0.1, 0.1, 44100), 22050)
            (folder / "labels" / f"{stem}.lab").write_text("0.000 1.000 nosing\n1.000 2.000 sing\n", encoding="utf-8")
        (folder / "filelists" / split).write_text("".join(f"{stem}.flac\n" for stem in stems), encoding="utf-8")
    config = {"run": "benchmark", "corpus": {"folder": str(folder)}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def _plan(folder: str) -> int:
    """Run ``snakemake -n`` and return the number of jobs."""
    configs = [str(ROOT / "config" / "jamendo.yaml"), str(Path(folder, "config.yaml"))]
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "all",
        "--cores",
        "1",
        "--dry-run",
        "--quiet",
        "rules",
        "--configfile",
        *configs,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603 (the project's own workflow)
    if done.returncode:
        raise RuntimeError(f"snakemake -n failed:\n{done.stdout}{done.stderr}")
    return int(re.findall(r"^total\s+(\d+)", done.stdout + done.stderr, re.MULTILINE)[0])
