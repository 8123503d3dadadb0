"""Report of a run as a single HTML page with figures, tables and provenance, which requires no network and no other files."""

import base64
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import yaml

from ..errors import ArtefactError, shortened
from ..experiments.listening import TITLES as HEARD
from ..jobs.files import replacing
from ..jobs.origins import commit
from ..jobs.provenance import versions
from ..labels import direction_title
from .pooling import read_table

#: Captions of figures and tables, in the order of the page.
CAPTIONS = {
    "figure1": "Drawing that flips “no sing” to “sing”: original, with drawing, LIME's top three segments (paper Figure 1).",
    "figure2": "Label flips when only k segments of a perturbation are added, selected by LIME or by norm (paper Figure 2), "
    "with the best and worst possible selections, a random one, and that of exact LIME.",
    "figure3": "Perturbations confined to k segments: number of these among LIME's top k (paper Figure 3), with the numbers "
    "for exact LIME and those expected by chance.",
    "figure4": "Fidelity of explanations that identify the perturbed segment, and of others (paper Figure 4).",
    "figure_stability": "Sampled and exact LIME: error of the weights, agreement of the top three segments and of the top one.",
    "figure_explainers": "Flip curves of LIME, the norm and the best explainers of each kind, with the best set for each k "
    "and a random ranking.",
    "figure_leaderboard": "Area under the flip curve of the best explainers of each query budget: 0 for a random ranking, 1 "
    "for the best; intervals over songs.",
    "gap": "Score of the paper's LIME, and the parts that add up to its gap to the best ranking.",
    "faithfulness_to_own_game": "Agreement of each explainer with the solution of its own game, and its score.",
    "fidelity_vs_correctness": "Whether the fidelity of LIME predicts a correct explanation, among excerpts of the same song.",
    "truths": "Sizes and numbers of flip sets, and the share of excerpts in which they are exactly monotone.",
    "compare": "Comparison of the base run and its variants, with differences over the same songs and 95 % intervals.",
    "controls": "Controls, in which the correct answer or the chance level is known by construction, with the expectations.",
    "listening": "Sounds of explanations, with predictions of the detector for the segments and for the sound.",
    "costs": "Time, memory and disk space by stage.",
    "variant_costs": "Cost of the run and its variants, together and separately.",
    "corpus": "Properties of the songs, and problems with their audio and labels.",
    "classifier": "The classifier that is attacked and explained, and how its masks are evaluated.",
    "detector": "Frame-wise scores of the detector.",
    "attacks": "Number of excerpts that the attacks flip.",
    "table1": "Label flips by three segments (paper Table 1): sampled and exact LIME, norm, and the bounds.",
    "table2": "Label flips by all segments of positive weight, and by the same number by norm (paper Table 2).",
    "published": "All published numbers of the paper with those of this run, and a verdict.",
    "localisation": "Segments of localised perturbations, and those needed to flip, that explainers identify.",
    "smallest_sets": "Sizes of the smallest flip sets, which are upper bounds unless proved.",
    "fidelity": "Fidelity of LIME by fill.",
    "sampling_error": "Sampling error of LIME against the number of samples.",
    "leaderboard": "Scores of each explainer against the flip sets, over songs, with chance levels.",
    "sensitivity": "Estimates of other tables as ratios of sums, as unnormalised areas, and with intervals over artists.",
    "contrasts": "Contrasts that were declared before the run, tested over songs in all panels.",
    "explainer_costs": "Number of model queries and duration of the jobs of each explainer.",
    "audits": "Tabulated values compared with direct evaluation of random masks.",
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
th { border-bottom: 1px solid #888; vertical-align: bottom; } th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid #0a6; } th[aria-sort=ascending] button::after { content: " \u25b2"; }
th[aria-sort=descending] button::after { content: " \u25bc"; } .warnings { background: #fff4e0; padding: 0.5rem 1rem; }
tr:nth-child(even) td { background: #f5f5f5; }
td:first-child, th:first-child { text-align: left; }
.players { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 0.5rem 1rem; }
.players figure { margin: 0; } .players audio { width: 100%; } .players figcaption { font-size: 0.85rem; }
pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; font-size: 0.8rem; }
</style>
</head>
<body>
<h1>veracity: {{ run }}</h1>
<p class="note">Corpus: {{ note }}.</p>
{% if warnings -%}
<details class="warnings" id="warnings"{{ " open" if warnings | length <= 12 else "" }}>
<summary>{{ warnings | length }} warnings of this run</summary>
<ul>{% for warning in warnings %}<li>{{ warning }}</li>{% endfor %}</ul>
</details>
{% endif -%}
<nav><a href="#figures">Figures</a>
{% if sounds %}<a href="#listening">Listening</a>{% endif %}
<a href="#tables">Tables</a><a href="#provenance">Provenance</a></nav>
<h2 id="figures">Figures</h2>
{% for name, image in figures.items() -%}
<figure id="{{ name }}">
<img src="data:image/png;base64,{{ image }}" alt="{{ name }}">
<figcaption><strong>{{ name }}.</strong> {{ captions[name] }}</figcaption>
</figure>
{% endfor -%}
{% if sounds -%}
<h2 id="listening">Listening</h2>
<p>Headphones are recommended. The label of each player gives P(sing) and the decision for its segments in the detector's
input (f(x)) and for the resynthesised sound. A perturbation of magnitudes has no phase; it is played with that of the
original.</p>
{% for title, group in sounds -%}
<section class="sounds">
<h3>{{ title }}</h3>
<div class="players">
{% for one in group %}<figure>
<figcaption><strong>{{ one.heading }}</strong>{{ one.words }}</figcaption>
<audio controls preload="metadata" aria-label="{{ title }}: {{ one.heading }}"
src="data:audio/flac;base64,{{ one.audio }}"></audio>
</figure>
{% endfor %}</div>
</section>
{% endfor -%}
{% endif -%}
<h2 id="tables">Tables</h2>
{% for name, table in tables.items() -%}
<section id="table-{{ name }}">
<h3>{{ name }}</h3>
<p class="caption">{{ captions[name] }} {{ table.words }}</p>
<div class="wide"><table>
<thead><tr>
{% for heading in table.headings %}<th scope="col"><button type="button">{{ heading }}</button></th>{% endfor %}
</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
</section>
{% endfor -%}
<h2 id="provenance">Provenance</h2>
<p>Commit: {{ commit }}</p>
<h3>Inputs of the run</h3>
<pre>{{ inputs }}</pre>
<h3>Versions</h3>
<pre>{{ versions }}</pre>
<h3>Configuration</h3>
<pre>{{ configuration }}</pre>
<script>
// A click on a heading sorts its table: numbers by value, rows without a number last.
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const heading = button.parentElement, index = heading.cellIndex, body = heading.closest("table").tBodies[0];
  const falls = heading.getAttribute("aria-sort") === "ascending", sign = falls ? -1 : 1;
  const key = row => {
    const text = row.cells[index].innerText, number = parseFloat(text);
    return isNaN(number) ? text : number;
  };
  const rank = value => typeof value === "number" ? 0 : 1;
  const compare = (a, b) => rank(a) - rank(b) || sign * (rank(a) ? a.localeCompare(b) : a - b);
  [...body.rows].sort((a, b) => compare(key(a), key(b))).forEach(row => body.append(row));
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
});
</script>
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
    warnings: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
    sounds: str | os.PathLike | None = None,
) -> None:
    """Write the report.

    Parameters
    ----------
    path : path-like
        Path to the HTML file.
    figures : mapping
        PNG file of each figure; names are keys of `CAPTIONS`.
    tables : mapping
        Markdown file of each formatted table; names are keys of `CAPTIONS`.
    configuration : mapping
        Complete configuration of the run, including ``run`` and ``corpus.note``.
    warnings : sequence of str
        Warnings of the jobs, which are shown at the top.
    inputs : mapping of str to str, optional
        Digests of the external inputs of the run.
    sounds : path-like, optional
        Folder of the FLAC files of the table ``listening``. Its CSV file must be next to its Markdown file.
    """
    corpus = configuration["corpus"]
    assert isinstance(corpus, Mapping)
    page = TEMPLATE.render(
        run=configuration["run"],
        note=corpus["note"],
        captions=CAPTIONS,
        figures={name: base64.b64encode(Path(figures[name]).read_bytes()).decode() for name in _in_order(figures)},
        warnings=warnings,
        commit=commit(),
        sounds=_sounds(Path(tables["listening"]).with_suffix(".csv"), Path(sounds)) if sounds else [],
        inputs=yaml.safe_dump(dict(inputs or {}), allow_unicode=True) if inputs else "no external files",
        tables={name: _table(tables[name]) for name in _in_order(tables)},
        versions=yaml.safe_dump(versions()),
        configuration=yaml.safe_dump(dict(configuration), sort_keys=False),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _sounds(path: Path, folder: Path) -> list[tuple[str, list[dict[str, str]]]]:
    """Return a heading and the players for each excerpt with sounds."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in read_table(path).itertuples():
        panel = f"{row.domain}, {direction_title(row.original)}: {row.song} at {row.seconds:.1f} s"
        words = f" (segments {row.segments})" if isinstance(row.segments, str) and row.segments else ""
        words += f", {row.gain_db:+.0f} dB" if row.gain_db else ""
        words += f". f(x) {row.p_sing:.3f}, {_flips(row.flips)}" if not math.isnan(row.p_sing) else ""
        words += f". The sound: f(x) {row.p_heard:.3f}"
        words += f", {_flips(row.flips_heard)}." if not math.isnan(row.flips_heard) else "."
        file = folder / str(row.file)
        if file.resolve().parent != folder.resolve():
            raise ArtefactError(f"{path}: files must be in {folder}, got {shortened(str(row.file))}. Delete it, and run again.")
        audio = base64.b64encode(file.read_bytes()).decode()
        groups.setdefault(panel, []).append({"heading": HEARD[str(row.sound)], "words": words, "audio": audio})
    return list(groups.items())


def _flips(value: float) -> str:
    return "flips" if value else "does not flip"


def _in_order(names: Iterable[str]) -> list[str]:
    # A name without a caption raises an error, so that no figure is omitted silently.
    return sorted(names, key=list(CAPTIONS).index)


@dataclass(frozen=True)
class _Table:
    headings: list[str]
    rows: list[list[str]]
    words: str


def _table(path: str | os.PathLike) -> _Table:
    """Read the cells of a Markdown table, or the sentence that replaces an empty table."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines
        if line.startswith("|")
    ]
    if not cells:
        return _Table([], [], " ".join(line for line in lines[3:] if line))
    n_rows = len(cells) - 2  # without the headings and the line below them
    return _Table(cells[0], cells[2:], f"({n_rows} {'row' if n_rows == 1 else 'rows'}.)")
