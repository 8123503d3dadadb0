"""Predict what a run will cost on this machine, or compare that with a run that is done.

python benchmarks/plan.py config/jamendo.yaml --cores 2 8 32         what a run will cost
python benchmarks/plan.py config.yaml --against results/synthetic    the same beside what that run has cost
"""

import argparse
import sys
from pathlib import Path

import yaml
from snakemake.utils import update_config

from veracity.planning.prediction import as_page, compare, plan
from veracity.results import costs
from veracity.workflow.configuration import checked

ROOT = Path(__file__).resolve().parents[1]
SNAKEFILE = ROOT / "Snakefile"


def configuration(paths: list[Path]) -> dict:
    """Merge configurations over the default one, as ``--configfile`` does, and check the outcome."""
    merged: dict = {}
    for path in (ROOT / "config" / "config.yaml", *paths):
        update_config(merged, yaml.safe_load(path.read_text(encoding="utf-8")))
    checked(merged)
    return merged


def main() -> int:
    """Read the command line, measure, show and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path, help="merged over config/config.yaml")
    parser.add_argument("--cores", type=int, nargs="+", default=[2], help="of the machine; of several, the wall time on each")
    parser.add_argument("--output", type=Path, help="CSV file to write")
    parser.add_argument("--against", type=Path, metavar="results/RUN", help="compare with what this run has cost")
    options = parser.parse_args()
    config = configuration(options.configs)
    table, words = plan(config, SNAKEFILE, cores=options.cores, processes=2)
    print(*words, sep="\n\n", end="\n\n")
    shown = as_page(table)
    if options.against:
        shown = table = compare(table, costs.table(options.against))
    print(shown.to_markdown(index=False, floatfmt=".4g"))
    if options.output:
        table.to_csv(options.output, index=False, float_format="%.4g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
