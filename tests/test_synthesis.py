"""The synthetic corpus: exact labels, the same bytes for the same seed, and loudness that does not reveal the voice."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from veracity.errors import ConfigError
from veracity.jobs.seeds import rng_for
from veracity.songs.corpus import read_corpus
from veracity.songs.label_files import read_labels
from veracity.songs.synthesis import SynthesisSettings, song_names, synthesise_song, write_corpus

SETTINGS = SynthesisSettings(n_train=2, n_valid=1, n_test=1, seconds=6.0)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_sung(song):
    sung = np.zeros(len(song.audio), dtype=bool)
    for start, end, label in song.intervals:
        sung[round(start * song.sample_rate) : round(end * song.sample_rate)] = label == "sing"
    return sung


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, SETTINGS, seed=3)
    return folder


@pytest.fixture(scope="module")
def songs():
    return [synthesise_song(rng_for(0, "test", i), seconds=20, sample_rate=22050) for i in range(6)]


def test_songs_are_named_by_split_without_being_made():
    assert song_names(SETTINGS) == {
        "train": ("synthetic-train-01", "synthetic-train-02"),
        "valid": ("synthetic-valid-01",),
        "test": ("synthetic-test-01",),
    }


def test_the_corpus_holds_what_its_lists_name_and_nothing_else(corpus):
    songs = read_corpus(corpus)
    assert {(song.split, song.name) for song in songs} == {
        (split, name) for split, names in song_names(SETTINGS).items() for name in names
    }
    names = [song.name for song in songs]
    expected = {f"audio/{name}.flac" for name in names} | {f"labels/{name}.lab" for name in names}
    assert contents(corpus).keys() == expected | {f"filelists/{split}" for split in song_names(SETTINGS)} | {"README.txt"}
    assert "synthetic" in (corpus / "README.txt").read_text().lower()


def test_labels_alternate_without_gaps_from_zero_to_the_end_of_the_audio(corpus):
    for song in read_corpus(corpus):
        intervals = read_labels(song.labels)
        info = soundfile.info(song.audio)
        assert info.samplerate == SETTINGS.sample_rate
        assert song.labels.read_text().startswith("0.000 ")
        assert intervals[-1].end_seconds == pytest.approx(info.duration, abs=1e-3)
        assert all(a.end_seconds == b.start_seconds and a.label != b.label for a, b in pairwise(intervals))


def test_a_second_call_writes_the_same_bytes(corpus, tmp_path):
    write_corpus(tmp_path, SETTINGS, seed=3)
    first = contents(tmp_path)
    write_corpus(tmp_path, SETTINGS, seed=3)
    assert contents(corpus) == first == contents(tmp_path)


def test_a_song_does_not_depend_on_how_many_others_there_are(corpus, tmp_path):
    write_corpus(tmp_path, SynthesisSettings(n_train=0, n_valid=0, n_test=1, seconds=6.0), seed=3)
    for name in ("audio/synthetic-test-01.flac", "labels/synthetic-test-01.lab"):
        assert (tmp_path / name).read_bytes() == (corpus / name).read_bytes()


def test_songs_and_seeds_differ(corpus, tmp_path):
    write_corpus(tmp_path, SETTINGS, seed=4)
    audio = [data for folder in (corpus, tmp_path) for name, data in contents(folder).items() if name.startswith("audio")]
    assert len(set(audio)) == 8


def test_the_voice_sounds_where_it_is_labelled_and_is_zero_elsewhere(songs):
    for song in songs:
        sung = is_sung(song)
        assert not song.voice[~sung].any()
        assert 0.3 < sung.mean() < 0.7
        # No unlabelled rests: there are never 150 ms of silence, which is longer than any consonant.
        step = int(0.15 * song.sample_rate)
        for start, end, label in song.intervals:
            if label == "sing":
                phrase = song.voice[round(start * song.sample_rate) : round(end * song.sample_rate)]
                pieces = np.sqrt(np.mean(phrase[: len(phrase) // step * step].reshape(-1, step) ** 2, axis=1))
                assert pieces.min() > 1e-3 * np.sqrt(np.mean(phrase**2))


def test_the_mix_and_its_parts_are_finite_and_not_clipped(songs):
    for song in songs:
        assert song.audio.dtype == song.voice.dtype == song.leads.dtype == np.float32
        assert 0.45 < np.abs(song.audio).max() < 0.96
        assert np.isfinite(song.voice).all()
        assert np.isfinite(song.leads).all()


def test_the_accompaniment_plays_through_phrases_and_rests(songs):
    for song in songs:
        rest = song.audio - song.voice - song.leads
        sung = is_sung(song)
        levels = [np.sqrt(np.mean(rest[part] ** 2)) for part in (sung, ~sung)]
        assert 0.5 < levels[0] / levels[1] < 2
        assert 0.2 < np.sqrt(np.mean(song.voice[sung] ** 2)) / levels[0] < 5


def test_leads_stand_in_for_the_voice_as_hard_negatives(songs):
    rests_led = np.concatenate([song.leads[~is_sung(song)] != 0 for song in songs])
    phrases_led = np.concatenate([song.leads[is_sung(song)] != 0 for song in songs])
    assert rests_led.mean() > 0.6
    assert 0.05 < phrases_led.mean() < 0.6
    levels_db = [
        20 * np.log10(np.sqrt(np.mean(song.voice[song.voice != 0] ** 2) / np.mean(song.leads[song.leads != 0] ** 2)))
        for song in songs
    ]
    assert abs(np.mean(levels_db)) < 4


def test_loudness_does_not_tell_singing(songs):
    hop = 1024
    energy, sung = [], []
    for song in songs:
        n_frames = len(song.audio) // hop
        energy.append(np.log(np.mean(song.audio[: n_frames * hop].reshape(-1, hop) ** 2, axis=1)))
        sung.append(is_sung(song)[hop // 2 :: hop][:n_frames])
    energy, sung = np.concatenate(energy), np.concatenate(sung)
    thresholds = np.quantile(energy, np.linspace(0, 1, 51))[:, None]
    louder = energy > thresholds
    balanced = (louder[:, sung].mean(axis=1) + 1 - louder[:, ~sung].mean(axis=1)) / 2
    assert np.maximum(balanced, 1 - balanced).max() < 0.75


@pytest.mark.parametrize("sample_rate", [16000, 44100])
def test_the_shortest_song_holds_a_phrase_and_a_rest_at_any_rate(sample_rate):
    for i in range(5):
        song = synthesise_song(rng_for(1, i), seconds=4, sample_rate=sample_rate)
        assert song.audio.shape == song.voice.shape == song.leads.shape == (4 * sample_rate,)
        assert sorted(interval.label for interval in song.intervals) == ["nosing", "sing"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("n_train", -1, "out of range, got -"),
        ("n_test", -2, "out of range, got -"),
        ("seconds", 3.9, "Give a number from 4 to 7200"),
        ("seconds", float("nan"), "Give a number from 4 to 7200"),
        ("seconds", float("inf"), "Give a number from 4 to 7200"),
        ("sample_rate", 8000, "too low for the detector"),
    ],
)
def test_nonsense_is_refused(key, value, message):
    with pytest.raises(ConfigError, match=message):
        SynthesisSettings(**{"n_train": 1, "n_valid": 1, "n_test": 1, "seconds": 20.0} | {key: value})


def test_naming_songs_imports_no_heavy_library():
    heavy = ("torch", "librosa", "scipy", "soundfile")
    code = f"import sys, veracity.songs.synthesis; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
