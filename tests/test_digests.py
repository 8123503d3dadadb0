"""Digests of external files depend on the content, not on its time, and are cached until it changes."""

import os
import subprocess
import sys
from pathlib import Path

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
    assert first.of(path) == first.of(path) == "one"
    first.save()
    assert FileMemory(memory, compute).of(path) == "one"
    assert read == [path]


def test_values_of_many_files_are_written_once(tmp_path, monkeypatch):
    written, rename = [], Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: written.append(target) or rename(self, target))
    memory = FileMemory(tmp_path / "memory.json", file_digest)
    for name in "abc":
        (tmp_path / name).write_text(name)
        memory.of(tmp_path / name)
    assert written == []
    for _ in range(2):
        memory.save()
    assert written == [tmp_path / "memory.json"]


def test_a_process_that_ends_has_written_its_values_also_if_it_fails(tmp_path):
    (tmp_path / "a.wav").write_text("one")
    script = "from veracity.workflow.digests import digest_of_path; digest_of_path('a.wav'); raise SystemExit(1)"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False)
    assert file_digest(tmp_path / "a.wav") in (tmp_path / ".snakemake" / "veracity-contents.json").read_text()


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_damaged_memory_begins_empty(tmp_path, damage):
    path, memory = tmp_path / "a.wav", tmp_path / "memory.json"
    path.write_text("one")
    memory.write_text(damage)
    known = FileMemory(memory, file_digest)
    assert known.of(path) == file_digest(path)
    known.save()
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
