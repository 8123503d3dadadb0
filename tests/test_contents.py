"""Digests of what lies outside a run: they follow the content, not its time, and are remembered no longer than it stays."""

import os

import pytest

from veracity.jobs import contents
from veracity.jobs.contents import Contents, file_digest


@pytest.fixture
def counted(monkeypatch):
    """Give the list of files that were read."""
    read = []
    monkeypatch.setattr(contents, "file_digest", lambda path: (read.append(path), file_digest(path))[1])
    return read


def replaced(path, text, seconds):
    """Replace a file by another that claims to be older, as `cp -p` and `unzip` do."""
    time = path.stat().st_mtime + seconds
    other = path.with_name("other")
    other.write_text(text)
    os.utime(other, (time, time))
    other.replace(path)


@pytest.mark.parametrize("seconds", [-1000, 0, 1000])
def test_a_file_of_another_content_has_another_digest_whatever_its_time(tmp_path, seconds):
    path, known = tmp_path / "a.wav", Contents(tmp_path / "memory.json")
    path.write_text("one")
    before = known.digest(path)
    assert before == file_digest(path)
    replaced(path, "two", seconds)
    assert known.digest(path) == file_digest(path) != before


def test_what_has_not_changed_is_read_once_by_this_start_and_the_next(tmp_path, counted):
    path, memory = tmp_path / "a.wav", tmp_path / "memory.json"
    path.write_text("one")
    first = Contents(memory)
    assert first.digest(path) == first.digest(path)
    first.save()
    assert Contents(memory).digest(path) == first.digest(path)
    assert counted == [path]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": 1}', '{"a": [1]}'])
def test_a_damaged_memory_is_begun_anew(tmp_path, damage):
    path, memory = tmp_path / "a.wav", tmp_path / "memory.json"
    path.write_text("one")
    memory.write_text(damage)
    known = Contents(memory)
    assert known.digest(path) == file_digest(path)
    known.save()
    assert str(path) in memory.read_text()


def test_a_memory_that_cannot_be_written_is_no_reason_to_fail(tmp_path):
    (tmp_path / "a.wav").write_text("one")
    (tmp_path / "memory.json").mkdir()
    known = Contents(tmp_path / "memory.json")
    known.digest(tmp_path / "a.wav")
    known.save()


def test_a_folder_counts_by_names_and_contents(tmp_path):
    folder = tmp_path / "drawn"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.npy").write_text("one")
    (folder / "deeper" / "b.npy").write_text("two")
    digests = [Contents().digest(folder)]
    (folder / "deeper" / "b.npy").rename(folder / "c.npy")
    digests.append(Contents().digest(folder))
    (folder / "c.npy").write_text("three")
    digests.append(Contents().digest(folder))
    assert len(set(digests)) == 3
    assert Contents().digest(tmp_path / "nowhere") == "absent"
