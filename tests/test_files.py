"""Files are written completely or not at all, and an error message names the obstacle."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from veracity.errors import ArtefactError
from veracity.jobs import files
from veracity.jobs.files import kind_of, replacing


def write(path, text="new"):
    with replacing(path) as temporary:
        temporary.write_text(text)


def fail_with(path, error):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_no_half_file_is_shown_and_the_suffix_is_kept(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert (temporary.parent, temporary.suffix) == (path.parent, ".csv")
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_goes_wrong_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error):
        fail_with(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_reached_the_disk_before_its_name_is_there(tmp_path, monkeypatch):
    path, order = tmp_path / "a.txt", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    rename = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: order.append("renamed") or rename(self, target))
    write(path)
    assert order[0].parent == tmp_path
    assert order[0].name.startswith(".a-")
    assert order[1:] == ["renamed"]


# --- Names


@pytest.mark.parametrize("name", ["a" * 250, "a" * 247 + ".h5", "é" * 125, "a." + "b" * 250, "." + "a" * 249, "a" * 255])
def test_every_name_that_a_disk_takes_can_be_written(tmp_path, name):
    with replacing(tmp_path / name) as temporary:
        assert len(os.fsencode(temporary.name)) <= 120
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_long_names_that_differ_in_the_end_have_temporary_names_of_their_own(tmp_path):
    names = ("a" * 240 + "1.h5", "a" * 240 + "2.h5")
    with replacing(tmp_path / names[0]) as one, replacing(tmp_path / names[1]) as other:
        assert one != other
        assert one.suffix == ".h5"
        one.write_text("1")
        other.write_text("2")
    assert [(tmp_path / name).read_text() for name in names] == ["1", "2"]


# --- several writers, and killed ones


def test_two_writers_at_once_share_no_file_and_the_last_to_end_wins(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as first, replacing(path) as second:
        assert first != second
        first.write_text("first, which is longer")
        second.write_text("second")
    assert path.read_text() == "first, which is longer"
    assert list(tmp_path.iterdir()) == [path]


def test_processes_that_write_at_once_install_no_mixture(tmp_path):
    path = tmp_path / "a.txt"
    script = f"""
import sys
from veracity.jobs.files import replacing
for _ in range(100):
    with replacing({str(path)!r}) as temporary, temporary.open("w") as file:
        for _ in range(20):
            file.write(sys.argv[1] * 1000)
            file.flush()
"""
    writers = [subprocess.Popen([sys.executable, "-c", script, letter]) for letter in "ab"]
    while any(writer.poll() is None for writer in writers):
        assert not path.exists() or path.read_text() in ("a" * 20000, "b" * 20000)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["song.h5", "seed0.state.pt", "a" * 250, "[x]*(y).csv", "no suffix"])
def test_the_file_of_a_killed_writer_is_hidden_disturbs_no_successor_and_can_be_removed(tmp_path, name):
    path, other = tmp_path / name, tmp_path / "x.csv"
    script = f"""
import os, signal
from veracity.jobs.files import replacing
with replacing({str(path)!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    (orphan,) = tmp_path.iterdir()
    assert orphan.name.startswith(".")
    write(path)
    assert (path.read_text(), orphan.read_text()) == ("new", "half")
    with replacing(other) as temporary:
        temporary.write_text("new")
        files.remove_temporaries(path)
        assert temporary.exists()
    assert set(tmp_path.iterdir()) == {path, other}


# --- obstacles to writing


@pytest.mark.parametrize("number", sorted(files.CURES), ids=errno.errorcode.get)
def test_each_refusal_of_the_disk_is_told_with_file_and_cure(tmp_path, number):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ArtefactError) as caught:
        fail_with(path, OSError(number, os.strerror(number)))
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be written ({os.strerror(number)}). ")
    assert message.endswith(" and run the same command again.")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "no", "x"), PermissionError(errno.EACCES, "no", "/other/file")]
)
def test_errors_of_other_files_pass(tmp_path, error):
    with pytest.raises(type(error)):
        fail_with(tmp_path / "a.txt", error)


def test_a_name_that_is_too_long_is_told(tmp_path):
    with pytest.raises(ArtefactError, match=r"\(File name too long\)\. Shorten the names"):
        write(tmp_path / ("a" * 256))


def test_a_folder_in_the_way_is_told(tmp_path):
    (tmp_path / "a.txt" / "inside").mkdir(parents=True)
    with pytest.raises(
        ArtefactError, match=r"a\.txt: cannot be written \(Is a directory\)\. Move the file or folder that blocks the path"
    ):
        write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt" / "inside").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["file/a.txt", "file/deeper/a.txt", "link/a.txt"])
def test_a_file_in_the_way_of_its_folder_is_told(tmp_path, name):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "file")
    with pytest.raises(ArtefactError, match="Move the file or folder that blocks the path"):
        write(tmp_path / name)


def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    with pytest.raises(ArtefactError, match=r"a\.txt: cannot be written .*Move the file or folder that blocks the path"):
        write(tmp_path / "one" / "folder" / "a.txt")


def test_a_limit_of_the_size_of_files_is_told(tmp_path):
    path = tmp_path / "a.txt"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(ArtefactError, match=r"\(File too large\)\. Free some space or raise the limit"):
            write(path, "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_read_only_is_told(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", tmp_path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        for name in ("a.txt", "folder/a.txt"):
            with pytest.raises(ArtefactError, match=r"a\.txt: cannot be written \(Read-only file system\)"):
                write(tmp_path / name)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ArtefactError, match=r"\(Permission denied\)\. Choose a folder that you may write to"):
        write(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", None),
        (b"fLaC", None),
        (b"PK\x03\x04", "a zip archive"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\0\0\0\x20ftypM4A", "an MPEG-4 file (m4a, mp4)"),
    ],
)
def test_files_are_recognised_by_how_they_begin(tmp_path, head, kind):
    (tmp_path / "a").write_bytes(head)
    assert kind_of(tmp_path / "a") == kind
