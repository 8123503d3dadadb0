import re
import shutil
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.io import PeriodicityDetector
from workspaces import ROOT

from veracity.errors import CorpusError
from veracity.songs.corpus import read_corpus, song_name, songs_of
from veracity.songs.label_files import read_labels


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
    name = song_name(stem.replace("/", "") + ".ogg")
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name)
    assert len(name) <= 80
    assert PeriodicityDetector().is_periodic(name) is None


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


@pytest.mark.parametrize(
    "stem", ["ab" * 20, "a" * 20, "x" + "1-" * 25, "la " * 30, "ab" * 124, "long " * 49, " ".join(map(str, range(60)))]
)
def test_stems_that_snakemake_or_a_disk_refuses_get_a_digest(stem):
    name = song_name(stem + ".wav")
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{8}", name)
    assert len(name) <= 80
    assert PeriodicityDetector().is_periodic(name) is None
    assert song_name(stem + " ha.wav") != name


@pytest.mark.parametrize("stem", ["nan", "NaN", "null"])
def test_no_song_is_called_as_tables_call_what_is_missing(stem):
    assert song_name(f"{stem}.wav") not in ("nan", "null")


def test_no_two_files_share_a_name_whatever_they_are_called(tmp_path):
    files = ["a.wav", "A.wav"]
    for _ in range(3):  # files with the same names as others
        make_corpus(tmp_path, {"train": files})
        names = [song.name for song in read_corpus(tmp_path)]
        assert len(set(names)) == len(files)
        files += [f"{name}.wav" for name in names if f"{name}.wav" not in files]
    make_corpus(tmp_path, {"train": files})
    assert len({song.name for song in read_corpus(tmp_path)}) == len(files) > 6


def test_two_files_that_look_the_same_are_told(tmp_path):
    names = [unicodedata.normalize(form, "é.ogg") for form in ("NFC", "NFD")]
    make_corpus(tmp_path, {"train": names[:1]}, audio=names)
    if len(list((tmp_path / "audio").iterdir())) == 1:
        pytest.skip("this file system takes them for one")
    with pytest.raises(CorpusError, match="two file names that differ only in Unicode form"):
        read_corpus(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_lists_of_windows_and_of_old(tmp_path, encoding):
    make_corpus(tmp_path, {"train": ["a é.ogg", "b.ogg"]})
    (tmp_path / "filelists" / "train").write_text("a é.ogg\r\nb.ogg\r\n", encoding)
    assert [song.name for song in read_corpus(tmp_path)] == ["a-e", "b"]


def test_what_is_quoted_of_a_list_is_short(tmp_path):
    make_corpus(tmp_path, {"train": ["x" * 100_000]}, audio=["a.ogg"])
    with pytest.raises(CorpusError, match=r"line 1: not in .*, got 'xxx") as raised:
        read_corpus(tmp_path)
    assert len(str(raised.value)) < 500


def test_real_corpora(shared):
    folder = shared / "data" / "jamendo_free"
    songs = read_corpus(folder)
    assert [sum(song.split == split for song in songs) for split in ("train", "valid", "test")] == [9, 3, 3]
    assert all(read_labels(song.labels) for song in songs)
    for name in ("truth", "jamendo_free_trained", "jamendo_free_variants"):
        config = yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8"))
        assert read_corpus(folder, config["corpus"]["songs"]) == songs


# --- Selected songs


@pytest.mark.parametrize("kind", ["folder", "audio"])
@pytest.mark.parametrize(
    ("selection", "found"),
    [
        ({"train": ["01-a"], "test": ["02-b"]}, [("01-a", "train"), ("02-b", "test")]),
        ({"test": ["0?-*"]}, [("01-a", "test"), ("02-b", "test"), ("03-c", "test")]),
        ({"test": ["03 - C.mp3", "01*"]}, [("03-c", "test"), ("01-a", "test")]),
    ],
)
def test_songs_are_selected_without_lists(tmp_path, kind, selection, found):
    make_corpus(tmp_path, {}, audio=["01 - A.ogg", "02 - B.ogg", "03 - C.mp3", "cover.jpg"])
    shutil.rmtree(tmp_path / "filelists")
    folder = tmp_path if kind == "folder" else tmp_path / "audio"
    assert [(song.name, song.split) for song in songs_of(kind, folder, selection)] == found


@pytest.mark.parametrize("kind", ["folder", "audio"])
@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"train": ["01-a", "02-bb", "x*"]}, r"corpus\.songs: not in .*, got '02-bb', 'x\*'\. Add .*\(did you mean '02-b'\?\)"),
        ({"train": ["01-a"], "test": ["0*"]}, r"corpus\.songs\.test: already (listed|selected) for train, got '01 - A\.ogg'"),
        ({"test": ["cover"]}, "corpus.songs: not in"),
    ],
)
def test_selections_that_cannot_be_used(tmp_path, kind, selection, message):
    make_corpus(tmp_path, {}, audio=["01 - A.ogg", "02 - B.ogg", "cover.jpg"])
    with pytest.raises(CorpusError, match=message):
        songs_of(kind, tmp_path if kind == "folder" else tmp_path / "audio", selection)


def test_a_selected_song_needs_labels(tmp_path):
    make_corpus(tmp_path, {}, audio=["01 - A.ogg"])
    (tmp_path / "labels" / "01 - A.lab").unlink()
    with pytest.raises(CorpusError, match=r"corpus\.songs\.test: no labels, got '01 - A\.ogg'\. Put '01 - A\.lab' into"):
        read_corpus(tmp_path, {"test": ["01-a"]})


def test_lists_may_have_a_suffix_and_their_lines_none(tmp_path):
    make_corpus(tmp_path, {"train": ["a", "b.ogg", "c.trs"]}, audio=["a.mp3", "b.ogg", "c.ogg"])
    for split in ("train", "valid", "test"):
        path = tmp_path / "filelists" / split
        path.rename(path.with_suffix(".txt"))
    assert [song.audio.name for song in read_corpus(tmp_path)] == ["a.mp3", "b.ogg", "c.ogg"]


@pytest.mark.parametrize(
    ("lists", "audio", "message"),
    [
        ({"train": ["a.ogg", "gone.ogg"]}, ["a.ogg"], "train, line 2: not in .*, got 'gone.ogg'"),
        ({"train": ["a.ogg"], "test": ["a.ogg"]}, ["a.ogg"], "test, line 1: already listed for train, got 'a.ogg'"),
        ({}, ["a.ogg"], "filelists: no songs"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, lists, audio, message):
    make_corpus(tmp_path, lists, audio=audio)
    with pytest.raises(CorpusError, match=message):
        read_corpus(tmp_path)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(CorpusError, match=r"corpus.folder: folder is missing"):
        read_corpus(tmp_path / "nothing")
    with pytest.raises(CorpusError, match="no folder audio/"):
        read_corpus(tmp_path)
    make_corpus(tmp_path, {"train": ["a.ogg"]})
    (tmp_path / "filelists" / "valid").unlink()
    with pytest.raises(CorpusError, match="filelists/valid"):
        read_corpus(tmp_path)
    (tmp_path / "labels" / "a.lab").unlink()
    with pytest.raises(CorpusError, match=r"train, line 1: no labels, got 'a.ogg'\. Put 'a.lab'"):
        read_corpus(tmp_path)
