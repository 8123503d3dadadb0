"""Digests of external files depend on the content, not on its time, and are cached until it changes."""

import os

import pytest

from veracity.jobs.provenance import file_digest
from veracity.workflow import digests
from veracity.workflow.digests import FileMemory, digest_of_path


def replace_file(path, text, seconds):
    """Replace a file by another with an older time, as `cp -p` and `unzip` do."""
    time = path.stat().st_mtime + seconds
    other = path.with_name("other")
    other.write_text(text)
    os.utime(other, (time, time))
    other.replace(path)


@pytest.mark.parametrize("seconds", [-1000, 0, 1000])
def test_replaced_file_has_another_digest_whatever_its_time(tmp_path, seconds):
    path, known = tmp_path / "a.wav", FileMemory(tmp_path / "memory.json", file_digest)
    path.write_text("one")
    before = known.of(path)
    assert before == file_digest(path)
    replace_file(path, "two", seconds)
    assert known.of(path) == file_digest(path) != before


def test_unchanged_file_is_read_once_by_this_start_and_the_next(tmp_path):
    read: list = []

    def compute(path):
        read.append(path)
        return path.read_text()

    path, memory = tmp_path / "a.wav", tmp_path / "memory.json"
    path.write_text("one")
    first = FileMemory(memory, compute)
    assert first.of(path) == first.of(path) == FileMemory(memory, compute).of(path) == "one"
    assert read == [path]


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_damaged_memory_begins_empty(tmp_path, damage):
    path, memory = tmp_path / "a.wav", tmp_path / "memory.json"
    path.write_text("one")
    memory.write_text(damage)
    assert FileMemory(memory, file_digest).of(path) == file_digest(path)
    assert str(path) in memory.read_text()


def test_folder_counts_by_names_and_contents(tmp_path, monkeypatch):
    folder = tmp_path / "drawn"
    monkeypatch.setattr(digests, "FILES", FileMemory(tmp_path / "memory.json", file_digest))
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.npy").write_text("one")
    (folder / "deeper" / "b.npy").write_text("two")
    found = [digest_of_path(folder)]
    (folder / "deeper" / "b.npy").rename(folder / "c.npy")
    found.append(digest_of_path(folder))
    (folder / "c.npy").write_text("three")
    found.append(digest_of_path(folder))
    assert len(set(found)) == 3
    assert digest_of_path(tmp_path / "nowhere") == "absent"
