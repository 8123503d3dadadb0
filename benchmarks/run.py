"""Run the benchmarks (``make bench``), and write a table to the screen and to ``benchmarks/results.csv``.

Each row is measured on the CPU, and on a GPU if there is one. The exit status is 1 if results differ from those of a baseline.
A missed goal does not change it, because goals apply to a machine without other load.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import attacks
import corpus
import masks
import memory
import tabulate
import torch
import training
from measure import Row

BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (
        masks.lime_8192,
        masks.all_masks,
        masks.page_stroke,
        memory.lime_memory,
        masks.excerpts_scaling,
        attacks.attack_waveform,
        attacks.attack_waveform_bfloat16,
        attacks.attack_spectrogram,
        attacks.attack_spectrogram_bfloat16,
        attacks.attack_threads,
        training.training_update,
        training.training_update_bfloat16,
        training.training_threads,
        memory.training_memory,
        corpus.decode_stft,
        corpus.dag_build_93,
    )
}
CPU_ONLY = {"page_stroke", "attack_threads", "training_threads", "training_memory", "decode_stft", "dag_build_93"}
COLUMNS = [field.name for field in fields(Row) if field.name != "failure"]


def measured(names: Sequence[str], devices: Sequence[str], *, quick: bool) -> Iterator[Row]:
    """Run benchmarks by name, on each device that they support."""
    for name in names:
        for device in (one for one in devices if one == "cpu" or name not in CPU_ONLY):
            print(f"{name} on {device} ...", file=sys.stderr, flush=True)
            yield BENCHMARKS[name](torch.device(device), quick)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV, with numbers of four digits."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([f"{cell:.4g}" if isinstance(cell, float) else cell for cell in astuple(row)[: len(COLUMNS)]])


def main() -> int:
    """Parse the command line, run the benchmarks, and print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME", help="benchmarks to run"
    )
    here = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    parser.add_argument("--devices", nargs="+", choices=here, default=here, help="devices to measure")
    parser.add_argument(
        "--quick", action="store_true", help="fewer repeats: tests that everything works, with inaccurate times"
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results.csv", help="CSV file to write")
    options = parser.parse_args()
    rows = []
    for row in measured(options.only, options.devices, quick=options.quick):
        rows.append(row)
        write(options.output, rows)  # written after each benchmark, so that a later failure loses nothing
    shown = [astuple(row)[: len(COLUMNS)] for row in rows]
    widths = [None] * (len(COLUMNS) - 1) + [70]
    print(tabulate.tabulate(shown, headers=COLUMNS, floatfmt=".4g", maxcolwidths=widths))
    failures = [f"{row.name} on {row.device}: {row.failure}" for row in rows if row.failure]
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
