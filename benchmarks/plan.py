"""Predict the cost of a run on this machine, or compare the prediction with a finished run.

python benchmarks/plan.py config/jamendo.yaml --cores 2 8 32         predicted cost
python benchmarks/plan.py config.yaml --against results/synthetic    predicted and measured cost
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
    """Merge configurations over the default one, as ``--configfile`` does, and check the result."""
    merged: dict = {}
    for path in (ROOT / "config" / "config.yaml", *paths):
        update_config(merged, yaml.safe_load(path.read_text(encoding="utf-8")))
    checked(merged)
    return merged


def main() -> int:
    """Parse the command line, measure, and print and write the prediction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path, help="configurations that are merged over config/config.yaml")
    parser.add_argument(
        "--cores", type=int, nargs="+", default=[2], help="numbers of cores for which the wall time is predicted"
    )
    parser.add_argument("--output", type=Path, help="CSV file to write")
    parser.add_argument("--against", type=Path, metavar="results/RUN", help="finished run whose measured cost is compared")
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
