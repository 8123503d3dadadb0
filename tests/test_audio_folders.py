"""Corpora that are folders of audio, and labels in other formats and with other words."""

import os

import numpy as np
import pytest
import soundfile

from veracity.detector.predictions import Predictions, SongPrediction, score_split
from veracity.errors import CorpusError
from veracity.results import corpus, detector
from veracity.songs.corpus import read_audio_folder, read_corpus, unused_labels
from veracity.songs.frontend import FrontEnd
from veracity.songs.label_files import Interval, check_extent, find_labels, read_labels, to_the_end
from veracity.songs.spectrograms import compute_spectrogram

WORDS = {"sing": ["voice", "v"], "nosing": ["none"]}


def sound(path, seconds=3.0, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(round(22050 * seconds)), 22050)
    return path


def test_any_folder_is_searched_to_its_depths(tmp_path):
    for name in ("b.wav", "deep/er/b.FLAC", "a.flac", ".hidden/c.wav", "deep/.d.wav", "__MACOSX/e.wav"):
        sound(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no audio")
    songs = read_audio_folder(tmp_path)
    assert [song.audio.relative_to(tmp_path).as_posix() for song in songs] == ["a.flac", "b.wav", "deep/er/b.FLAC"]
    assert len({song.name for song in songs}) == 3
    assert {song.split for song in songs} == {"test"}
    assert {song.labels for song in songs} == {None}


def test_songs_of_one_name_are_told_apart_by_their_folders(tmp_path):
    for name in ("de/a.wav", "en/a.wav", "en/b.wav", "x/e n/a.wav", "x-e/n/a.wav"):
        sound(tmp_path / name)
    names = [song.name for song in read_audio_folder(tmp_path)]
    assert names[:3] == ["de-a", "en-a", "b"]
    assert all(name.startswith("a-") for name in names[3:])  # with a digest, because their folders would give one name
    assert len(set(names)) == 5


def test_files_that_may_be_labels_and_are_not_used_are_listed(tmp_path):
    for name in ("a.wav", "de/b.wav"):
        sound(tmp_path / name)
    for name in ("a.csv", "labels.csv", "de/b.TextGrid", "de/notes.txt", ".git/x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("0,1,sing\n")
    used = [song.labels for song in read_audio_folder(tmp_path)]
    assert unused_labels(tmp_path, used) == ["de/b.TextGrid", "labels.csv"]
    assert unused_labels(tmp_path, []) == ["a.csv", "de/b.TextGrid", "labels.csv"]


def test_links_are_followed_once_and_pipes_left_alone(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (tmp_path / "elsewhere" / "a.wav").write_bytes(b"")
    (corpus / "album").symlink_to(tmp_path / "elsewhere")
    (corpus / "loop").symlink_to(corpus)
    os.mkfifo(corpus / "pipe.wav")
    assert [song.name for song in read_audio_folder(corpus)] == ["a"]


def test_labels_are_found_however_their_name_is_written_and_two_files_are_refused(tmp_path):
    for name in ("dance.wav", "dance.LAB", "e\u0301te\u0301.wav", "\u00e9t\u00e9.csv"):
        (tmp_path / name).write_text("0 1 sing\n")
    labels = {song.name: song.labels and song.labels.suffix for song in read_audio_folder(tmp_path)}
    assert labels == {"dance": ".LAB", "ete": ".csv"}
    (tmp_path / "dance.csv").write_text("0,1,sing\n")
    with pytest.raises(CorpusError, match=r"dance\.wav: must have one label file, got dance\.LAB and dance\.csv\. Keep one"):
        read_audio_folder(tmp_path)


def test_a_word_of_ones_own_may_be_two_words(tmp_path):
    path = tmp_path / "a.lab"
    path.write_text("0 3.5 lead vocals\n3.5 4 rest \n")
    words = {"sing": ["lead vocals"], "nosing": [" rest"]}
    assert [interval.label for interval in read_labels(path, words)] == ["sing", "nosing"]


def test_folders_without_audio_are_refused(tmp_path):
    with pytest.raises(CorpusError, match=r": no audio \(.ogg, .mp3"):
        read_audio_folder(tmp_path)
    with pytest.raises(CorpusError, match=r"corpus.folder: folder is missing, got"):
        read_audio_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.lab", "0 1 none\n1 2 voice\n2 3 none\n"),
        ("a.txt", "1.000000\t2.000000\tvoice\n\\\t200.0\t900.0\n"),
        ("a.csv", "start,end,label\n1,2,voice\n"),
        ("a.csv", "1;2;voice\n"),
        ("a.csv", '"1","2","v"\n2,3,none\n'),
    ],
)
def test_formats_of_labels_say_the_same(tmp_path, name, text):
    audio = sound(tmp_path / "a.wav")
    (tmp_path / name).write_text(text)
    assert find_labels(audio) == tmp_path / name
    found = to_the_end(read_labels(tmp_path / name, WORDS), 3.0, tmp_path / name)
    assert found == [Interval(0, 1, "nosing"), Interval(1, 2, "sing"), Interval(2, 3, "nosing")]
    (song,) = read_audio_folder(tmp_path)
    spectrogram = compute_spectrogram(song, FrontEnd(), WORDS)
    assert np.asarray(spectrogram.is_sing).mean() == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "1\t2\tsinging\n", "the label must be none or voice or v.*add words to corpus.words"),
        ("a.txt", "2\t3\tvoice\n1\t2\tvoice\n", "unsorted or overlapping interval before 3.0 s"),
        ("a.csv", "begin,stop,label\n1,2,voice\n", "Write start and end in seconds"),
        ("a.csv", "1,2\n", "malformed"),
        ("a.csv", "", "no labels"),
    ],
)
def test_labels_of_other_formats_that_cannot_be_used(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_labels(tmp_path / name, WORDS)


def test_a_text_beside_a_song_that_is_no_label_track_is_left_alone(tmp_path):
    audio = sound(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("la la la\n")
    assert find_labels(audio) is None


def test_times_in_milliseconds_are_refused_in_tables_too(tmp_path):
    with pytest.raises(CorpusError, match="possibly milliseconds"):
        check_extent([Interval(0, 2900, "sing")], 3.0, "a.csv")


def test_labels_of_a_table_that_cover_almost_nothing_are_said(tmp_path):
    sound(tmp_path / "a.wav")
    (tmp_path / "a.csv").write_text("0.0,0.02,sing\n0.02,0.05,nosing\n")  # minutes
    (song,) = read_audio_folder(tmp_path)
    (verdict,) = corpus.table([compute_spectrogram(song, FrontEnd())]).verdict
    assert "before the end of the audio: are their times in seconds?" in verdict


def test_a_corpus_with_lists_takes_these_labels_too(tmp_path):
    sound(tmp_path / "audio" / "a.wav")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text("1,2,sing\n")
    (tmp_path / "filelists").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / "filelists" / split).write_text("a.wav\n" if split == "test" else "")
    assert read_corpus(tmp_path)[0].labels == tmp_path / "labels" / "a.csv"


def test_songs_without_labels_have_no_scores_and_the_table_says_so(tmp_path):
    sound(tmp_path / "a.wav")
    (song,) = read_audio_folder(tmp_path)
    assert compute_spectrogram(song, FrontEnd()).is_sing is None
    one = SongPrediction(split="test", logit=np.zeros(3), p_sing_smooth=np.full(3, 0.5))
    predictions = Predictions(detector="checkpoint", threshold=0.4, threshold_source="given", songs={"a": one})
    scores = score_split(predictions, "test")
    assert (scores.n_songs, scores.n_frames) == (1, 0)
    page = detector.page(detector.table({"test": {"checkpoint": scores}}, {"checkpoint": 0.4}))
    assert page.loc[0, "recall [%]"] == page.loc[0, "AUROC"] == "no labels"
