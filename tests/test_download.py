import errno
import hashlib
import io
import os
import re
import shutil
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from workspaces import Workspace

from veracity.errors import CorpusError
from veracity.songs import download
from veracity.songs.corpus import read_corpus
from veracity.songs.download import fetch_archive


class Handler(SimpleHTTPRequestHandler):
    """Server that continues a file from a byte, and that can break off or ignore the range."""

    breaks_after = None  # bytes
    ignores_ranges = False
    requested: list[str | None] = []  # noqa: RUF012 - the range of each request

    def log_message(self, *_):
        pass

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.requested.append(wanted)
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.ignores_ranges else 0
        if wanted and first >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        self.wfile.write(content[first:][: self.breaks_after])


@pytest.fixture
def server(tmp_path):
    """Serve tmp_path/served on this machine and return its address."""
    (tmp_path / "served").mkdir()
    Handler.breaks_after, Handler.ignores_ranges, Handler.requested = None, False, []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "served"))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def pack(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


CORPUS = {
    "jamendo/audio/05 - Été, chanson.ogg": "",
    "jamendo/labels/05 - Été, chanson.lab": "0 1 sing\n",
    "jamendo/filelist/train": "05 - Été, chanson.trs\n",
    "jamendo/filelist/valid": "",
    "jamendo/filelist/test": "",
    "__MACOSX/jamendo/._audio": "",
}


def test_fetches_and_unpacks_a_corpus(server, tmp_path):
    digest = pack(tmp_path / "served" / "corpus.zip", CORPUS)
    folder = tmp_path / "data" / "jamendo"
    fetch_archive(f"{server}/corpus.zip", folder, sha256=digest)
    assert [song.name for song in read_corpus(folder)] == ["05-ete-chanson"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["jamendo", "jamendo.sha256"]
    assert (folder.parent / "jamendo.sha256").read_text() == f"{digest}  corpus.zip\n"


def test_does_nothing_where_a_corpus_is(tmp_path):
    (tmp_path / "jamendo" / "audio").mkdir(parents=True)
    assert fetch_archive("http://127.0.0.1:9/none.zip", tmp_path / "jamendo") == tmp_path / "jamendo"


def test_leaves_a_folder_with_something_else_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CorpusError, match="no folder audio/"):
        fetch_archive("http://127.0.0.1:9/none.zip", tmp_path)
    assert (tmp_path / "thesis.tex").is_file()


@pytest.mark.parametrize("changed", ["same", "ranges ignored"])
def test_an_interrupted_download_is_resumed(server, tmp_path, monkeypatch, changed):
    pack(tmp_path / "served" / "corpus.zip", CORPUS)
    folder = tmp_path / "data" / "jamendo"
    monkeypatch.setattr(download, "CHUNK", 50)
    monkeypatch.setattr(Handler, "breaks_after", 100)
    for after in (100, 200):
        with pytest.raises(CorpusError, match=r"cannot be fetched .* Run the same command again to continue after 0\.0 MB"):
            fetch_archive(f"{server}/corpus.zip", folder)
        assert [path.stat().st_size for path in folder.parent.iterdir()] == [after]
    monkeypatch.setattr(Handler, "breaks_after", None)
    monkeypatch.setattr(Handler, "ignores_ranges", changed == "ranges ignored")
    fetch_archive(f"{server}/corpus.zip", folder)
    assert Handler.requested == [None, "bytes=100-", "bytes=200-"]
    assert len(read_corpus(folder)) == 1
    assert not (folder.parent / ".jamendo.part").exists()


def test_a_complete_part_is_unpacked_and_a_longer_one_is_replaced(server, tmp_path):
    pack(tmp_path / "served" / "corpus.zip", CORPUS)
    whole = (tmp_path / "served" / "corpus.zip").read_bytes()
    (tmp_path / "data").mkdir()
    for name, part in (("complete", whole), ("longer", whole + b"of another file")):
        (tmp_path / "data" / f".{name}.part").write_bytes(part)
        fetch_archive(f"{server}/corpus.zip", tmp_path / "data" / name)
        assert len(read_corpus(tmp_path / "data" / name)) == 1


def test_a_part_of_another_archive_is_refused_and_removed(server, tmp_path):
    pack(tmp_path / "served" / "corpus.zip", CORPUS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".jamendo.part").write_bytes(bytes(300))
    refused(server, tmp_path, "not an intact zip archive")
    fetch_archive(f"{server}/corpus.zip", tmp_path / "data" / "jamendo")
    assert len(read_corpus(tmp_path / "data" / "jamendo")) == 1


def test_an_archive_that_has_changed_since_the_first_download(server, tmp_path):
    folder = tmp_path / "data" / "jamendo"
    first = pack(tmp_path / "served" / "corpus.zip", CORPUS)
    fetch_archive(f"{server}/corpus.zip", folder)
    shutil.rmtree(folder)
    second = pack(tmp_path / "served" / "corpus.zip", CORPUS | {"more": "x"})
    with pytest.raises(CorpusError, match=rf"first download, {first}, got {second}\. .* remove .*jamendo\.sha256"):
        fetch_archive(f"{server}/corpus.zip", folder)
    assert not folder.exists()
    fetch_archive(f"{server}/corpus.zip", folder, sha256=second.upper())  # the configured digest is newer
    assert (folder.parent / "jamendo.sha256").read_text().startswith(second)


@pytest.mark.parametrize(
    ("members", "sha256", "name", "message"),
    [
        (CORPUS, "0" * 64, "corpus.zip", "digest does not match corpus.sha256"),
        (CORPUS, None, "absent.zip", "cannot be fetched"),
        (None, None, "corpus.zip", "not an intact zip archive"),
        ({"readme.txt": "hello"}, None, "corpus.zip", "no corpus in the layout"),
        (CORPUS | {"../outside": "oh"}, None, "corpus.zip", "a member is outside of the folder"),
    ],
)
def test_archives_that_cannot_be_used_leave_nothing(server, tmp_path, members, sha256, name, message):
    if members is None:
        (tmp_path / "served" / "corpus.zip").write_bytes(b"PK no more than this")
    else:
        pack(tmp_path / "served" / "corpus.zip", members)
    with pytest.raises(CorpusError, match=message) as raised:
        fetch_archive(f"{server}/{name}", tmp_path / "data" / "jamendo", sha256=sha256)
    assert f"{server}/{name}" in str(raised.value)
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "outside").exists()


def entry(name, *, mode=0, flags=0, method=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.flag_bits |= flags
    info.compress_type = method
    return info


def pack_entries(path, entries):
    """Write a corpus, followed by unusual members, as `zipfile` writes them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in CORPUS.items():
            archive.writestr(name, text)
        for info, text in entries:
            archive.writestr(info, text)


def changed_headers(path, name, at_local, at_central, value):
    """Change two bytes in the headers of a member to values that `zipfile` would not write."""
    content = bytearray(path.read_bytes())
    local = content.index(name.encode()) - 30
    central = content.rindex(name.encode()) - 46
    content[local + at_local : local + at_local + 2] = value.to_bytes(2, "little")
    content[central + at_central : central + at_central + 2] = value.to_bytes(2, "little")
    path.write_bytes(content)


LONG = "jamendo/audio/" + "x" * 300 + ".ogg"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([(entry("/etc/passwd"), "x")], r"a member is outside of the folder, got /etc/passwd"),
        ([(entry("jamendo/../../outside"), "x")], "a member is outside of the folder"),
        ([(entry("jamendo/link", mode=0o120777), "/etc")], r"must not contain links or devices, got jamendo/link"),
        (
            [(entry("jamendo/link", mode=0o120777), "/etc"), (entry("jamendo/link/passwd"), "x")],
            "must not contain links or devices",
        ),
        ([(entry("jamendo/fifo", mode=0o010644), "")], "must not contain links or devices"),
        ([(entry("jamendo/a"), "x"), (entry("jamendo/a/b"), "x")], "both a file and a folder, got 'jamendo/a'"),
        ([(entry("jamendo/a/"), ""), (entry("jamendo/a"), "x")], "both a file and a folder, got 'jamendo/a'"),
        ([(entry("jamendo/a"), "x"), (entry("jamendo/./a"), "y")], "duplicate name, got 'jamendo/a?.*'"),
        ([(entry(LONG), "x")], "a file name is too long, got"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_cannot_be_unpacked_leave_nothing(server, tmp_path, entries, message):
    pack_entries(tmp_path / "served" / "corpus.zip", entries)
    refused(server, tmp_path, message)


def refused(server, tmp_path, message):
    with pytest.raises(CorpusError, match=message) as raised:
        fetch_archive(f"{server}/corpus.zip", tmp_path / "data" / "jamendo")
    assert f"{server}/corpus.zip" in str(raised.value)
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("at_local", "at_central", "value", "message"),
    [
        (6, 8, 1, r"a member is encrypted, got odd"),
        (8, 10, 99, "not an intact zip archive .*compression"),
        (14, 16, 7, "not an intact zip archive .*CRC"),
    ],
)
def test_encrypted_or_strange_or_damaged_members(server, tmp_path, at_local, at_central, value, message):
    archive = tmp_path / "served" / "corpus.zip"
    pack_entries(archive, [(entry("odd"), "x" * 100)])
    changed_headers(archive, "odd", at_local, at_central, value)
    refused(server, tmp_path, message)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_stream(server, tmp_path, method):
    archive = tmp_path / "served" / "corpus.zip"
    pack_entries(archive, [(entry("odd", method=method), "abcd" * 5000)])
    content = bytearray(archive.read_bytes())
    at = content.index(b"odd") + 3
    content[at + 12 : at + 24] = b"\xff" * 12
    archive.write_bytes(content)
    refused(server, tmp_path, "not an intact zip archive")


def test_what_would_unpack_to_more_than_a_corpus(server, tmp_path, monkeypatch):
    archive = tmp_path / "served" / "corpus.zip"
    pack_entries(archive, [(entry("zeros", method=zipfile.ZIP_DEFLATED), bytes(10_000_000))])
    monkeypatch.setattr(download, "MAX_BYTES", 5_000_000)
    refused(server, tmp_path, r"too large for a corpus, got 0 GB in 7 files")
    monkeypatch.undo()
    monkeypatch.setattr(download, "MAX_MEMBERS", 5)
    refused(server, tmp_path, r"too large for a corpus, got .* in 7 files")
    monkeypatch.undo()
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    refused(server, tmp_path, r"larger than the free space of 0.0[01] GB, got 0.01 GB\. Free some space")


def test_what_is_unpacked_is_counted(server, tmp_path, monkeypatch):
    pack_entries(tmp_path / "served" / "corpus.zip", [(entry("zeros"), bytes(1000))])
    checked = download._check_members

    def declare_less(members, *rest):
        checked(members, *rest)
        for member in members:
            member.file_size = min(member.file_size, 10)

    class Opened(zipfile.ZipFile):
        def open(self, member, *rest):
            return io.BytesIO(bytes(1000))

    monkeypatch.setattr(download, "_check_members", declare_less)
    monkeypatch.setattr(download.zipfile, "ZipFile", Opened)
    refused(server, tmp_path, "contains more than declared")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_a_failing_write_leaves_nothing(server, tmp_path, monkeypatch, code):
    pack(tmp_path / "served" / "corpus.zip", CORPUS)
    whole = Path.open

    def failing(path, mode="r", *rest, **kwargs):
        if "x" in mode:
            raise OSError(code, os.strerror(code))
        return whole(path, mode, *rest, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(CorpusError, match=rf"data/jamendo: cannot be written \({os.strerror(code)}\)\. Free some space"):
        fetch_archive(f"{server}/corpus.zip", tmp_path / "data" / "jamendo")
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".jamendo.part"]  # it need not be downloaded again


def test_a_file_where_the_folder_shall_lie(server, tmp_path):
    pack(tmp_path / "served" / "corpus.zip", CORPUS)
    (tmp_path / "data").write_text("mine")
    with pytest.raises(CorpusError, match=r"corpus.folder: must not be a file, got .*data"):
        fetch_archive(f"{server}/corpus.zip", tmp_path / "data")
    with pytest.raises(CorpusError, match="data/jamendo: cannot be written"):
        fetch_archive(f"{server}/corpus.zip", tmp_path / "data" / "jamendo")
    assert (tmp_path / "data").read_text() == "mine"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "corpus.zip", "sftp://somewhere/corpus.zip", "doi:10.1/x", "ftp://somewhere/corpus.zip", ""]
)
def test_other_addresses(tmp_path, url):
    with pytest.raises(CorpusError, match=r"corpus.url: must begin with http:// or https://"):
        fetch_archive(url, tmp_path / "data" / "jamendo")


def test_nobody_answers(tmp_path):
    with pytest.raises(CorpusError, match="cannot be fetched"):
        fetch_archive("http://127.0.0.1:9/corpus.zip", tmp_path / "data" / "jamendo")


@pytest.mark.slow
def test_two_commands_lead_from_the_archive_to_the_jobs_of_the_truth_study(server, tmp_path, shared):
    """The archive has the layout of Jamendo, with the fifteen songs that are here."""
    songs = shared / "data" / "jamendo_free"
    with zipfile.ZipFile(tmp_path / "served" / "jamando.zip", "w") as archive:
        for path in sorted(path for path in songs.rglob("*") if path.is_file()):
            part = path.relative_to(songs)
            name = Path("filelist", f"{part.name}.txt") if part.parts[0] == "filelists" else part
            archive.write(path, Path("jamendo", name))
            archive.writestr(str(Path("__MACOSX", "jamendo", name.parent, f"._{name.name}")), "")
    (tmp_path / "checkout").mkdir()
    workspace = Workspace(tmp_path / "checkout")
    url = f"corpus={{url: {server}/jamando.zip}}"
    done = workspace.run(f"snakemake --cores 1 download --configfile config/jamendo.yaml --config '{url}'")
    assert done.returncode == 0, done.stdout + done.stderr
    figure = "snakemake -n --cores 2 results/truth/figures/gap.png --configfile config/truth.yaml"
    done = workspace.run(figure)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^perturbations +30$", done.stdout, re.MULTILINE)
    assert re.search(r"^imported +1$", done.stdout, re.MULTILINE)
    for name in ("05 - Dance.ogg", "04 - Inside.mp3"):
        (workspace.folder / "data" / "jamendo" / "jamendo" / "audio" / name).unlink()
    refused = workspace.run(figure)
    said = refused.stdout + refused.stderr
    assert "corpus.songs: not in data/jamendo/jamendo/audio, got '04-inside', '05-dance'. Add the audio files" in said
