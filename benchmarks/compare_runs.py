"""Compare the values of two runs bit for bit: arrays, weights, table cells, images.

    python benchmarks/compare_runs.py results/synthetic ../before/results/synthetic [--rename stability_study=stability ...]

Provenance (settings, versions, digests of inputs) is not compared. A rename is applied to names in the second run: folders,
files, fields, and words in tables. The script prints a digest of each kind of file and every difference. The exit status is 1
if there are differences.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import pandas as pd
import torch
from PIL import Image

PROVENANCE = {"settings", "seed", "versions", "inputs", "artefact"}
SKIPPED = ("logs", "benchmarks")  # describe the run and are not results
MEASURED = ("costs", "plan")


def values(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and digest of each value in a file."""
    if path.suffix == ".h5":
        yield from _of_group(h5py.File(path, "r"), "")
    elif path.suffix == ".pt":
        content = torch.load(path, weights_only=True)
        for name, tensor in content["state_dict"].items():
            yield name, _digest(tensor.numpy().tobytes() + str((tensor.dtype, tuple(tensor.shape))).encode())
        yield "threshold", str(content["threshold"])
    elif path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in table:
            yield str(column), _digest("\n".join(table[column]).encode())
    elif path.suffix == ".png":
        with Image.open(path) as image:
            yield "pixels", _digest(image.convert("RGBA").tobytes() + str(image.size).encode())
    else:
        yield "bytes", _digest(path.read_bytes())


def _of_group(group: h5py.Group, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in group.attrs.items():
        if name not in PROVENANCE and name != "description":
            yield f"{prefix}@{name}", str(value)
    for name, member in group.items():
        if isinstance(member, h5py.Group):
            yield from _of_group(member, f"{prefix}{name}/")
        else:
            content = repr(member[...].tolist()).encode() if member.dtype.kind == "O" else member[...].tobytes()  # O: texts
            yield f"{prefix}{name}", _digest(content + str((member.dtype, member.shape)).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def digests(run: Path, renames: dict[str, str], *, whole_texts: bool) -> dict[str, str]:
    """Return the digest of every value of a run by ``file: name``; tables with renamed words are compared as text."""

    def renamed(text: str) -> str:
        return re.sub("|".join(map(re.escape, renames)), lambda m: renames[m[0]], text) if renames else text

    found = {}
    for path in sorted(run.rglob("*")):
        part = path.relative_to(run)
        if (
            not path.is_file()
            or path.name.startswith(".")
            or part.parts[0] in SKIPPED
            or path.stem in MEASURED
            or path.suffix in (".html", ".pdf")
        ):
            continue
        if path.suffix in (".csv", ".md", ".txt") and whole_texts:
            text = re.sub(
                "[ :-]+", " ", renamed(path.read_text(encoding="utf-8"))
            )  # pages are padded to the width of their words
            found[f"{renamed(str(part))}: text"] = _digest(text.encode())
            continue
        for name, digest in values(path):
            found[f"{renamed(str(part))}: {renamed(name)}"] = digest
    return found


def main() -> int:
    """Compare two runs, print the differences, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rename", nargs="*", default=[], metavar="OLD=NEW")
    given = parser.parse_args()
    renames = {old: new for old, _, new in (pair.partition("=") for pair in given.rename)}
    ours = digests(given.run, {}, whole_texts=bool(renames))
    theirs = digests(given.other, renames, whole_texts=bool(renames))
    stages = sorted({name.split("/")[0] for name in (*ours, *theirs)})
    for stage in stages:
        own, other = ({k: v for k, v in of.items() if k.split("/")[0] == stage} for of in (ours, theirs))
        word = "same" if own == other else "DIFFERENT"
        print(f"{stage:18} {len(own):6} values  {_digest(repr(sorted(own.items())).encode())}  {word}")
    different = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    for name in different:
        print(f"  {name}: {ours.get(name, 'absent')} here, {theirs.get(name, 'absent')} there")
    print(f"{len(different)} of {len({*ours, *theirs})} values differ")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
