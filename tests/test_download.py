import hashlib
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from veracity.errors import CorpusError
from veracity.songs.corpus import read_corpus
from veracity.songs.download import fetch_archive


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """Serve tmp_path/served on this machine and give its address."""
    (tmp_path / "served").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served"))) as running:
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
    assert [path.name for path in folder.parent.iterdir()] == ["jamendo"]


def test_does_nothing_where_a_corpus_is(tmp_path):
    (tmp_path / "jamendo" / "audio").mkdir(parents=True)
    assert fetch_archive("http://127.0.0.1:9/none.zip", tmp_path / "jamendo") == tmp_path / "jamendo"


def test_leaves_a_folder_with_something_else_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CorpusError, match="holds no folder audio/"):
        fetch_archive("http://127.0.0.1:9/none.zip", tmp_path)
    assert (tmp_path / "thesis.tex").is_file()


@pytest.mark.parametrize(
    ("members", "sha256", "name", "message"),
    [
        (CORPUS, "0" * 64, "corpus.zip", "is not what was expected"),
        (CORPUS, None, "absent.zip", "cannot be fetched"),
        (None, None, "corpus.zip", "is no whole zip archive"),
        ({"readme.txt": "hello"}, None, "corpus.zip", "holds no corpus"),
        (CORPUS | {"../outside": "oh"}, None, "corpus.zip", "would write outside its folder"),
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


def test_nobody_answers(tmp_path):
    with pytest.raises(CorpusError, match="cannot be fetched"):
        fetch_archive("http://127.0.0.1:9/corpus.zip", tmp_path / "data" / "jamendo")
