"""One HTML page of a run: figures, tables, provenance; it needs no network and no other file."""

import base64
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2
import yaml

from ..jobs.files import replacing
from ..jobs.provenance import versions
from .pooling import read_table

#: What each figure and table shows, in the order of the page.
CAPTIONS = {
    "figure1": "A drawing turns “no sing” into “sing”: original, drawn on, LIME's first three segments (paper Figure 1).",
    "figure2": "Label flips when only k segments of a perturbation are added, chosen by LIME or by norm (paper Figure 2), and "
    "in the best and worst possible way, at random, and by exact LIME.",
    "figure3": "Perturbations confined to k segments: how many of these are among LIME's first k (paper Figure 3), beside what "
    "guessing would find and what exact LIME finds.",
    "figure4": "Fidelity of explanations that found the one perturbed segment, and of others (paper Figure 4).",
    "figure_stability": "Sampled against exact LIME: error of the weights, agreement of the first three and of the first.",
    "figure_explainers": "Flip curves of all explainers, grouped by what they read of the model, with the best set of each k, "
    "the best ranking, chance and the worst.",
    "figure_leaderboard": "Area under the flip curve of every explainer: 0 for a random ranking, 1 for the best; intervals "
    "over songs.",
    "gap": "Why LIME falls short: from the paper's LIME to the best ranking, in parts that add up to the whole gap.",
    "own_games": "Two games: how well each explainer solves the one that it is asked, and how well that answers the truth.",
    "fidelity_worth": "Does the fidelity of LIME tell whether its answer is right? Right and wrong answers of the same song.",
    "truths": "The truth itself: sizes and numbers of flipping sets, and how far from monotone they are.",
    "costs": "Where time, memory and disk went.",
    "corpus": "What the songs are, and what was found about them that is not as it should be.",
    "classifier": "The classifier that is attacked and explained, and how its masks are evaluated.",
    "detector": "How well the detector detects, frame by frame.",
    "attacks": "How many excerpts changed their label under the attacks.",
    "table1": "Label flips with three segments (paper Table 1): sampled and exact LIME, norm, and the bounds.",
    "table2": "Label flips with all segments of positive weight, and with as many by norm (paper Table 2).",
    "published": "Every number that the paper published beside this run's, with a verdict.",
    "localisation": "Localised perturbations: segments found, and found of those that were really needed.",
    "smallest_sets": "The fewest segments of a perturbation that flip the label; an upper bound where not all are proved.",
    "fidelity": "Fidelity of LIME by what switched-off segments hold.",
    "sampling_error": "Sampling error of LIME against the number of samples.",
    "leaderboard": "Every explainer's scores against the truth, over songs, beside chance.",
    "contrasts": "The comparisons that were declared before the run, tested over songs, in all panels at once.",
    "explainer_costs": "What each explainer reads of the model, and how long its jobs took.",
    "audits": "Tabulated values against direct evaluation of random masks.",
}

TEMPLATE = jinja2.Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>veracity: {{ run }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
nav a { margin-right: 1rem; } figure { margin: 2rem 0; } figure img { max-width: 100%; } .note { color: #7a4b00; }
figcaption, p.caption { color: #444; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; } th, td { padding: 0.2rem 0.6rem; text-align: right; }
th { border-bottom: 1px solid #888; } tr:nth-child(even) td { background: #f5f5f5; }
td:first-child, th:first-child { text-align: left; }
pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; font-size: 0.8rem; }
</style>
</head>
<body>
<h1>veracity: {{ run }}</h1>
<p class="note">Corpus: {{ note }}.</p>
<nav><a href="#figures">Figures</a><a href="#tables">Tables</a><a href="#provenance">Provenance</a></nav>
<h2 id="figures">Figures</h2>
{% for name, image in figures.items() -%}
<figure id="{{ name }}">
<img src="data:image/png;base64,{{ image }}" alt="{{ name }}">
<figcaption><strong>{{ name }}.</strong> {{ captions[name] }}</figcaption>
</figure>
{% endfor -%}
<h2 id="tables">Tables</h2>
{% for name, table in tables.items() -%}
<section id="table-{{ name }}">
<h3>{{ name }}</h3>
<p class="caption">{{ captions[name] }}</p>
<div class="wide">{{ table | safe }}</div>
</section>
{% endfor -%}
<h2 id="provenance">Provenance</h2>
<h3>Versions</h3>
<pre>{{ versions }}</pre>
<h3>Configuration</h3>
<pre>{{ configuration }}</pre>
</body>
</html>
"""
)


def write_report(
    path: str | os.PathLike,
    *,
    figures: Mapping[str, str | os.PathLike],
    tables: Mapping[str, str | os.PathLike],
    configuration: Mapping[str, object],
) -> None:
    """Write the page.

    Parameters
    ----------
    path : path-like
        The HTML file.
    figures : mapping
        Name, one of `CAPTIONS`, to a PNG file.
    tables : mapping
        Name, one of `CAPTIONS`, to a CSV file.
    configuration : mapping
        The whole configuration of the run, which holds ``run`` and ``corpus.note``.
    """
    corpus = configuration["corpus"]
    assert isinstance(corpus, Mapping)
    page = TEMPLATE.render(
        run=configuration["run"],
        note=corpus["note"],
        captions=CAPTIONS,
        figures={name: base64.b64encode(Path(figures[name]).read_bytes()).decode() for name in _in_order(figures)},
        tables={name: _table(tables[name]) for name in _in_order(tables)},
        versions=yaml.safe_dump(versions()),
        configuration=yaml.safe_dump(dict(configuration), sort_keys=False),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _in_order(names: Iterable[str]) -> list[str]:
    # A name without a caption is an error, not a figure that is left out.
    return sorted(names, key=list(CAPTIONS).index)


def _table(path: str | os.PathLike) -> str:
    table = read_table(path).drop(columns="corpus", errors="ignore")
    return table.to_html(index=False, border=0, float_format=lambda value: f"{value:.4g}", na_rep="")
