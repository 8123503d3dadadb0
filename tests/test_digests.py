"""Digests of files outside a run follow the content, not its time, and are remembered no longer than it stays."""

import os

import pytest

from veracity.jobs.provenance import file_digest
from veracity.workflow import digests
from veracity.workflow.digests import FileDigests


def replace_file(path, text, seconds):
    """Replace a file by another that claims to be older, as `cp -p` and `unzip` do."""
    time = path.stat().st_mtime + seconds
    other = path.with_name("other")
    other.write_text(text)
    os.utime(other, (time, time))
    other.replace(path)


@pytest.mark.parametrize("seconds", [-1000, 0, 1000])
def test_replaced_file_has_another_digest_whatever_its_time(tmp_path, seconds):
    path, known = tmp_path / "a.wav", FileDigests(tmp_path / "memory.json")
    path.write_text("one")
    before = known.of(path)
    assert before == file_digest(path)
    replace_file(path, "two", seconds)
    assert known.of(path) == file_digest(path) != before


def test_unchanged_file_is_read_once_by_this_start_and_the_next(tmp_path, monkeypatch):
    read: list = []
    monkeypatch.setattr(digests, "file_digest", lambda path: (read.append(path), file_digest(path))[1])
    path, memory = tmp_path / "a.wav", tmp_path / "memory.json"
    path.write_text("one")
    first = FileDigests(memory)
    assert first.of(path) == first.of(path) == FileDigests(memory).of(path)
    assert read == [path]


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_damaged_memory_begins_empty(tmp_path, damage):
    path, memory = tmp_path / "a.wav", tmp_path / "memory.json"
    path.write_text("one")
    memory.write_text(damage)
    assert FileDigests(memory).of(path) == file_digest(path)
    assert str(path) in memory.read_text()


def test_folder_counts_by_names_and_contents(tmp_path):
    folder, memory = tmp_path / "drawn", tmp_path / "memory.json"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.npy").write_text("one")
    (folder / "deeper" / "b.npy").write_text("two")
    found = [FileDigests(memory).of(folder)]
    (folder / "deeper" / "b.npy").rename(folder / "c.npy")
    found.append(FileDigests(memory).of(folder))
    (folder / "c.npy").write_text("three")
    found.append(FileDigests(memory).of(folder))
    assert len(set(found)) == 3
    assert FileDigests(memory).of(tmp_path / "nowhere") == "absent"
