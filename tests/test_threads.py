"""Threads of training runs and attacks: no core is idle, and no job has more threads than parts of its work."""

from types import SimpleNamespace

import pytest
from test_planning import configured

from veracity.attacks.settings import CPU_CHUNK_FRAMES, n_cpu_chunks
from veracity.workflow import threads
from veracity.workflow.threads import threads_of


def run_of(*parts, n_songs=1):
    """Return the properties of a run that `threads_of` reads."""
    config, songs = configured(*parts), ["a song"] * n_songs
    detectors = [f"seed{i}" for i in range(config["detector"]["n_seeds"])]
    return SimpleNamespace(
        config=config, build=config["model"]["build"], detectors=detectors, explained=songs, names=lambda split: songs
    )


@pytest.mark.parametrize(
    ("cores", "training", "attack"),
    [(1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 2, 1), (12, 4, 2), (16, 4, 2), (32, 8, 4), (64, 8, 8), (1000, 8, 8)],
)
def test_threads_of_the_paper_by_cores(cores, training, attack):
    """Five training runs of eight shards, 32 attacks of sixteen chunks: all cores are used, and no job has more than exist."""
    run = run_of("jamendo.yaml", {"device": "cpu"}, n_songs=16)
    assert threads_of(run, "training", cores) == training
    assert threads_of(run, "perturbations", cores) == attack


@pytest.mark.parametrize(
    ("change", "stage", "expected"),
    [
        ({"detector": {"n_seeds": 1}}, "training", 4),  # a batch of sixteen is four shards
        ({"detector": {"n_seeds": 1, "training": {"batch": 32}}}, "training", 8),
        ({"detector": {"n_seeds": 1, "training": {"batch": 4}}}, "training", 1),
        ({"detector": {"n_seeds": 1, "training": {"batch": 22}}}, "training", 6),
        ({"detector": {"n_seeds": 1}, "device": "cuda"}, "training", 1),  # one thread controls a GPU
        ({"attacks": {"seconds": 10}}, "perturbations", 1),  # one chunk
        ({"attacks": {"seconds": 60}}, "perturbations", 4),
        ({"attacks": {"seconds": 10, "chunk_frames": 100}}, "perturbations", 8),
        ({"attacks": {"scope": "excerpt", "candidates": 20}}, "perturbations", 3),
        ({"attacks": {"scope": "excerpt", "candidates": 20}}, "tuning_runs", 1),  # of songs, whatever the scope
        ({"attacks": {"seconds": 60}, "model": {"build": "own:model"}}, "perturbations", 1),
    ],
)
def test_threads_are_no_more_than_there_are_parts(change, stage, expected):
    assert threads_of(run_of({"device": "cpu"}, change), stage, 8) == expected


def test_a_gpu_that_is_there_takes_the_threads_away(monkeypatch, tmp_path):
    (tmp_path / "card").touch()
    for paths, expected in (((str(tmp_path / "card"),), 1), ((str(tmp_path / "none"),), 4)):
        monkeypatch.setattr(threads, "GPUS", paths)
        assert threads_of(run_of({"device": "auto", "detector": {"n_seeds": 1}}), "training", 8) == expected


@pytest.mark.parametrize("n_frames", [1, 700, 1536, 1537, 4000, 7000, 16535, 10**6])
def test_a_song_is_cut_into_chunks_that_threads_can_share(n_frames):
    n = n_cpu_chunks(n_frames)
    assert n in (1, 2, 4) or n % 8 == 0
    assert n_frames / n <= 1.5 * CPU_CHUNK_FRAMES
    assert n == 1 or n_frames / n >= 0.6 * CPU_CHUNK_FRAMES
