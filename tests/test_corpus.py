import unicodedata
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from veracity.errors import CorpusError
from veracity.songs.audio import load_audio
from veracity.songs.corpus import read_corpus, song_name
from veracity.songs.label_files import Interval, frame_labels, label_overhang_seconds, read_labels, write_labels


def make_corpus(folder: Path, lists: dict[str, list[str]], *, audio: list[str] | None = None, newline: str = "\n") -> Path:
    for part in ("audio", "labels", "filelists"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid", "test"):
        (folder / "filelists" / split).write_text("".join(f"{name}{newline}" for name in lists.get(split, [])), "utf-8")
    for name in audio if audio is not None else [name for names in lists.values() for name in names]:
        (folder / "audio" / name).touch()
        (folder / "labels" / f"{Path(name).stem}.lab").write_text("0.000 3.000 sing\n")
    return folder


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("05 - Aux Cieux, Tu es mon Dieu.ogg", "05-aux-cieux-tu-es-mon-dieu"),
        ("01 - Élan d’été.mp3", "01-elan-dete"),
        ("a.b.c.flac", "a-b-c"),
        ("--x__.wav", "x"),
    ],
)
def test_names_are_slugs(file, name):
    assert song_name(file) == name


@given(st.text(min_size=1))
def test_every_name_can_be_a_wildcard(stem):
    assert __import__("re").fullmatch("[a-z0-9]+(-[a-z0-9]+)*", song_name(stem.replace("/", "") + ".ogg"))


def test_names_of_other_scripts_differ():
    assert song_name("песня.ogg") != song_name("歌.ogg")


def test_reads_lists_in_order_with_odd_names_and_line_ends(tmp_path):
    make_corpus(
        tmp_path,
        {"train": ["b, c.ogg", "a é.mp3", ""], "test": ["t.flac"]},
        audio=["b, c.ogg", "a é.mp3", "t.flac"],
        newline="\r\n",
    )
    songs = read_corpus(tmp_path)
    assert [(song.name, song.split) for song in songs] == [("b-c", "train"), ("a-e", "train"), ("t", "test")]
    assert all(song.audio.is_file() and song.labels.is_file() for song in songs)


def test_composed_and_decomposed_accents_are_one_name(tmp_path):
    name = unicodedata.normalize("NFD", "é.ogg")
    make_corpus(tmp_path, {"train": [unicodedata.normalize("NFC", "é.ogg")]}, audio=[name])
    assert read_corpus(tmp_path)[0].audio.is_file()


def test_old_lists_name_trs_files(tmp_path):
    make_corpus(tmp_path, {"train": ["both.trs", "only.trs"]}, audio=["both.mp3", "both.ogg", "only.mp3"])
    assert [song.audio.name for song in read_corpus(tmp_path)] == ["both.ogg", "only.mp3"]


def test_a_top_folder_and_what_macos_leaves_do_not_matter(tmp_path):
    make_corpus(tmp_path / "jamendo", {"train": ["a.ogg"]})
    (tmp_path / "jamendo" / "audio" / "._a.ogg").touch()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "jamendo" / "filelists").rename(tmp_path / "jamendo" / "filelist")
    assert [song.name for song in read_corpus(tmp_path)] == ["a"]


def test_files_with_one_slug_get_different_names(tmp_path):
    make_corpus(tmp_path, {"train": ["A b.ogg", "a-b.ogg", "c.ogg"]})
    names = [song.name for song in read_corpus(tmp_path)]
    assert len(set(names)) == 3
    assert names[2] == "c"
    assert all(name.startswith("a-b-") for name in names[:2])


def test_real_corpora(shared):
    songs = read_corpus(shared / "data" / "jamendo_free")
    assert [sum(song.split == split for song in songs) for split in ("train", "valid", "test")] == [9, 3, 3]
    assert all(read_labels(song.labels) for song in songs)


@pytest.mark.parametrize(
    ("lists", "audio", "message"),
    [
        ({"train": ["a.ogg", "gone.ogg"]}, ["a.ogg"], "train, line 2: 'gone.ogg' is not in"),
        ({"train": ["a.ogg"], "test": ["a.ogg"]}, ["a.ogg"], "test, line 1: 'a.ogg' is listed already, for train"),
        ({}, ["a.ogg"], "name no songs"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, lists, audio, message):
    make_corpus(tmp_path, lists, audio=audio)
    with pytest.raises(CorpusError, match=message):
        read_corpus(tmp_path)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(CorpusError, match="no corpus folder"):
        read_corpus(tmp_path / "nothing")
    with pytest.raises(CorpusError, match="holds no folder audio/"):
        read_corpus(tmp_path)
    make_corpus(tmp_path, {"train": ["a.ogg"]})
    (tmp_path / "filelists" / "valid").unlink()
    with pytest.raises(CorpusError, match="filelists/valid"):
        read_corpus(tmp_path)
    (tmp_path / "labels" / "a.lab").unlink()
    with pytest.raises(CorpusError, match=r"train, line 1: 'a.ogg' has no labels: put 'a.lab'"):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no labels"),
        ("0 1\n", "line 1: '0 1' is malformed"),
        ("0 one sing\n", "is malformed: write start and end"),
        ("0 1 singing\n", "label must be nosing or sing"),
        ("0 1 sing extra\n", "is malformed"),
        ("0 nan sing\n", "is malformed"),
        ("1 0 sing\n", "end must come after the start"),
        ("0 1 sing\n2 3 nosing\n", "line 2: '2 3 nosing' leaves a gap after 1.0 s"),
        ("0 2 sing\n1 3 nosing\n", "line 2: '1 3 nosing' is unsorted or overlaps"),
        ("0.5 1 sing\n", "leaves a gap after 0.0 s"),
    ],
)
def test_labels_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "song.lab"
    path.write_text(text)
    with pytest.raises(CorpusError, match=message) as raised:
        read_labels(path)
    assert str(path) in str(raised.value)


def test_missing_labels(tmp_path):
    with pytest.raises(CorpusError, match=r"There is no file .*song.lab"):
        read_labels(tmp_path / "song.lab")


def test_labels_survive_writing(tmp_path):
    intervals = [Interval(0.0, 1.5, "nosing"), Interval(1.5, 2.125, "sing")]
    write_labels(tmp_path / "song.lab", intervals)
    assert read_labels(tmp_path / "song.lab") == intervals


def test_a_frame_has_the_label_of_its_instant():
    intervals = [Interval(0, 1, "nosing"), Interval(1, 2, "sing"), Interval(2, 3, "nosing")]
    assert frame_labels(intervals, 30, frames_per_second=10).tolist() == [10 <= frame < 20 for frame in range(30)]


def test_labels_are_clipped_to_the_audio_or_go_on_to_its_end():
    intervals = [Interval(0, 1, "nosing"), Interval(1, 2, "sing")]
    assert frame_labels(intervals, 5, frames_per_second=10).sum() == 0
    assert frame_labels(intervals, 40, frames_per_second=10)[10:].all()
    assert label_overhang_seconds(intervals, 1.5) == 0.5
    assert label_overhang_seconds(intervals, 3.0) == -1.0


def test_channels_are_averaged_and_resampled(tmp_path):
    times = np.arange(48000) / 48000
    tone = 0.5 * np.sin(2 * np.pi * 440 * times)
    soundfile.write(tmp_path / "song.wav", np.stack([tone, 0 * tone], axis=1), 48000, subtype="FLOAT")
    audio = load_audio(tmp_path / "song.wav", sample_rate=22050)
    expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    assert audio.dtype == np.float32
    assert len(audio) == 22050
    np.testing.assert_allclose(audio[500:-500], expected[500:-500], atol=1e-4)


@pytest.mark.parametrize("rate", [44100, 48000, 32000, 11025])
def test_resampling_is_librosa_s(tmp_path, rate):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, rate + 7).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", samples, rate, subtype="FLOAT")
    audio = load_audio(tmp_path / "song.wav", sample_rate=22050)
    expected = librosa.resample(samples, orig_sr=rate, target_sr=22050, res_type="soxr_hq")
    assert len(expected) - 1 <= len(audio) <= len(expected)  # librosa adds a zero where there is a fraction of a sample
    np.testing.assert_array_equal(audio, expected[: len(audio)])


def test_the_published_spectrogram_needs_no_resampling(shared, published):
    audio = load_audio(shared / "data" / "mini_jamendo" / "audio" / "dance.flac", sample_rate=22050)
    assert np.isfinite(audio).all()
    assert 19 < len(audio) / 22050 < 21


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no audio file"),
        (b"", "cannot be decoded"),
        (b"no audio at all" * 100, "cannot be decoded"),
        (np.zeros(0, np.float32), "holds no samples"),
        (np.zeros(22050, np.float32), "lasts 1.00 s, less than one excerpt of 1.64 s"),
        (np.full(44100, np.nan, np.float32), "not finite"),
    ],
)
def test_audio_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "a song.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, 22050, subtype="FLOAT")
    with pytest.raises(CorpusError, match=message) as raised:
        load_audio(path, sample_rate=22050, min_seconds=1.64)
    assert str(path) in str(raised.value)
