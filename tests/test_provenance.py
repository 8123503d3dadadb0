"""Recorded provenance of results."""

import hashlib
import json

from veracity.jobs import provenance
from veracity.jobs.provenance import describe, file_digest, versions


def test_file_digest_is_the_start_of_sha256(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 5000)
    assert file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    (tmp_path / "empty").touch()
    assert file_digest(str(tmp_path / "empty")) == "e3b0c44298fc1c14"


def test_description_holds_settings_versions_and_digests_but_no_place_or_time(tmp_path):
    path = tmp_path / "run" / "songs" / "a.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    description = describe(settings={"b": 1, "a": [2]}, seed=4, inputs=[path])
    assert description["settings"] == '{"a": [2], "b": 1}'
    assert description["seed"] == 4
    assert json.loads(description["inputs"]) == {"run/songs/a.h5": "ba7816bf8f01cfea"}
    assert str(tmp_path) not in json.dumps(description)
    assert description == describe(settings={"a": [2], "b": 1}, seed=4, inputs=[str(path)])


def test_description_does_not_depend_on_the_order_of_inputs(tmp_path):
    paths = [tmp_path / name for name in "cab"]
    for path in paths:
        path.write_text(path.name)
    assert describe(settings={}, seed=0, inputs=paths) == describe(settings={}, seed=0, inputs=reversed(paths))


def test_versions_name_what_computes():
    import numpy
    import torch

    import veracity

    found = versions()
    assert found["veracity"] == veracity.__version__
    assert found["numpy"] == numpy.__version__
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert set(found) == {"python", "veracity", *provenance.LIBRARIES}
