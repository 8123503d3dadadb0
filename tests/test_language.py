"""Idioms that read as translated stay out of the prose of the documentation and out of error messages.

To check more text, extend `GLOBS`; to forbid another idiom, add a line to `IDIOMS`. Code and quotations are exempt: code
blocks, text in backticks, block quotes and the targets of links. Patterns are conservative. Each one matches phrases without
a legitimate use in technical prose, and has an example that it must find.
"""

import ast
import bisect
import io
import itertools
import re
import tokenize

import pytest
from workspaces import ROOT

#: Files to check. Of Python files the docstrings and comments are checked, of rules and configurations the comments.
GLOBS = ["*.md", "docs/*.md", "docs/*.py", "veracity/**/*.py", "workflow/**/*.py", "workflow/**/*.smk", "Snakefile"]
GLOBS += ["benchmarks/*.py", "config/*.yaml", "profiles/**/*.yaml"]
PROGRAM = "(?:bench|classifier|configuration|detector|explainer|function|LIME|model|module|page|program|script|table|workflow)"
#: Pattern, example that it must find, plain English. Patterns are matched to words with single spaces between them.
IDIOMS = [
    # Lead with the verb and the field's term.
    (r"\bturn(?:s|ed|ing)? (?:[\w'-]+ ){1,4}round\b", "turns the detector's decision round", "flips the decision"),
    (r"\b(?:is|are|was|were) told\b", "both success rates are told", "are reported"),
    (r"\bit is said\b|\bis said of\b", "what is said of odd audio", "is reported for"),
    (r"\b(?:say|tell)s? (?:what|which|whether|how|why|who|whose)\b", "the dry run says how many", "lists, reports, shows"),
    (rf"\b{PROGRAM}s? (?:hear|know|believe|think)s?\b", "the model hears the sound", "receives, has access to"),
    (rf"\b(?:{PROGRAM}s? (?:is|are)|who is|one is) asked\b", "an explainer is asked about it", "is evaluated on"),
    (r"\bwho (?:reads the|knows|hears|sees)\b", "who reads the model", "explainers that use the model"),
    (r"\bgo(?:es)? on (?:with|where|from)\b|\bwent on\b", "it goes on where it was", "resumes, continues"),
    (r"\bcom(?:es?|ing) along\b", "the explainers that come along", "built-in"),
    (r"\bmakes? of (?:it|them)\b", "what your GPU makes of it", "a noun phrase"),
    (r"\bwhat lies\b|\blies? (?:beside|on the desk)\b", "what lies on the desk", "is in, is next to"),
    (r"\bmend(?:s|ed|ing)?\b", "mend it", "fix, correct"),
    (r"\banew\b", "makes it anew", "again, re-runs"),
    (r"\bon the spot\b", "made on the spot", "created by the notebook"),
    (r"\bhardly (?:hears?|notices?|sees?|knows?)\b", "a perturbation that one hardly hears", "barely audible"),
    (r"\bsome (?:two|three|four|five|six|eight|ten|fifteen|twenty|thirty|forty|fifty) \w+", "some thirty explainers", "about"),
    # Noun phrases instead of "one's own".
    (r"\bone's own\b", "a classifier of one's own", "your own, custom"),
    # "is not a", "must be", "except".
    (r"(?<![Tt]here )\b(?:is|are) no (?!(?:longer|more|less|fewer|better|worse|such)\b)\w+", "it is no folder", "is not a"),
    (r"\b(?:all|any|every|everything|none|nothing|same|zero) [^.;:|]{0,40}\bbut for\b", "all the rest but for one", "except"),
    (r"\b(?:of|every|in) so (?:many|much)\b", "a margin of so much", "the number, by this amount"),
    (r"\bas many as (?:it|they) (?:takes?|likes?)\b", "as many as it takes", "without a limit"),
    # Prepositions and plurals that are not English.
    (r"\btrainings\b", "it resumes killed trainings", "training runs"),
    (r"\bdecid(?:es?|ed|ing) for\b", "a set that decides for the label", "yields, predicts"),
    (r"\bdifferences? to (?:the|its|this)\b", "the difference to the base run", "difference from"),
    (r"\bP\(sing\) along\b", "the song with P(sing) along it", "P(sing) over time"),
    (r"\bthe plain (?:way|loop)\b", "slower than the plain way", "the baseline"),
]
#: Headings are noun phrases or imperatives, not free relatives; questions are accepted.
HEADING = re.compile(r"#+ (?:What|Where|Who|Whose|Which|How|Why|When)\b[^?]*$")
CODE = [(r"^```.*?^```", re.DOTALL), (r"<!--.*?-->", re.DOTALL), (r"^>.*?$", 0), (r"``[^`]+``", 0), (r"`[^`]+`", 0)]


def prose(text, suffix=".md"):
    """Return the lines of a text without code and quotations."""

    def blank(found):
        return "\N{MIDDLE DOT}" + "\n" * found[0].count("\n")

    if suffix == ".py":
        text = documentation(text)
    elif suffix != ".md":
        text = re.sub(r"^.*?(?:(?:^|(?<=\s))#+\s?(.*))?$", lambda found: found[1] or "", text, flags=re.MULTILINE)
    for pattern, flag in (*CODE, (r"\]\([^)\s]*\)", 0)):
        text = re.sub(pattern, blank, text, flags=re.MULTILINE | flag)
    return text.splitlines()


def documentation(code):
    """Return the docstrings and comments of Python code on the lines where they are."""
    lines = [""] * (code.count("\n") + 1)
    for node in ast.walk(ast.parse(code)):
        is_documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_documented and ast.get_docstring(node, clean=False):
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno
            lines[first:last] = [line.strip().strip('"') for line in code.splitlines()[first:last]]
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = token.string.lstrip("#: ")
    return "\n".join(lines)


def idioms(text, suffix=".md"):
    """Return (line, phrase, plain English) of every idiom in the prose of a text."""
    lines = prose(text, suffix)
    found = [(number, line, "a noun phrase or an imperative") for number, line in enumerate(lines, 1) if HEADING.match(line)]
    # A phrase may continue on the next line, but not in the next paragraph.
    words = [(word, number) for number, line in enumerate(lines, 1) for word in line.split() or [";"]]
    starts = list(itertools.accumulate((len(word) + 1 for word, _ in words), initial=0))
    joined = " ".join(word for word, _ in words)
    for pattern, _, plain in IDIOMS:
        for match in re.finditer(pattern, joined):
            found.append((words[bisect.bisect_right(starts, match.start()) - 1][1], match[0], plain))
    return sorted(found)


#: Words that are idioms in messages only. Messages describe values and files, which do not tell, hear or know anything.
OF_MESSAGES = re.compile(
    r"\b(?:tells?|told|says?|said|hears?|heard|knows?|known|lies?|is to be|but for|as it is|go(?:es)? on|of its own)\b"
)
#: Modules whose messages are clauses of another sentence: the reasons why a classifier has no exact tables.
CLAUSES = {"veracity/games/traced_modules.py", "veracity/games/models.py"}
SOURCES = sorted([*ROOT.glob("veracity/**/*.py"), *ROOT.glob("workflow/**/*.py")])


def error_names(trees):
    """Return the names of VeracityError and all classes derived from it."""
    bases = {node.name: {ast.unparse(base) for base in node.bases} for tree in trees for node in ast.walk(tree)
             if isinstance(node, ast.ClassDef)}  # fmt: skip
    found = {"VeracityError"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def literal(node):
    """Return the text of a string literal with a dot in the middle for each value; None for other expressions."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) or "\N{MIDDLE DOT}" for part in node.values)
    return None


def messages(tree, names):
    """Yield line and text of each literal message that is raised or logged as a warning, and whether it is raised."""
    for node in ast.walk(tree):
        is_raised = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) in names
        is_logged = isinstance(node, ast.Call) and ast.unparse(node.func) in ("log.warning", "warnings.warn")
        call = node.exc if is_raised else node
        if (is_raised or is_logged) and call.args and (text := literal(call.args[0])) is not None:
            yield node.lineno, text, is_raised


def faults(text, *, is_sentence):
    """Return what is wrong with the text of a message."""
    found = [match[0] for pattern, *_ in IDIOMS for match in re.finditer(pattern, text)]
    found += [match[0] for match in OF_MESSAGES.finditer(text)]
    return found + ["no full stop"] * (is_sentence and not text.endswith((".", "?", "\N{MIDDLE DOT}")))


CHECKED = [path for glob in GLOBS for path in sorted(ROOT.glob(glob))]


def test_language_globs_match_pages():
    named = {path.name for path in CHECKED}
    assert {"explainers.md", "findings.md", "CHANGELOG.md", "tour.py", "lime.py", "common.smk", "config.yaml"} <= named


def test_language_documentation_has_no_idioms():
    found = [(path, *one) for path in CHECKED for one in idioms(path.read_text(encoding="utf-8"), path.suffix)]
    assert not found, "\n".join(f"{path}:{line}: {phrase!r}, write: {plain}" for path, line, phrase, plain in found)


@pytest.mark.parametrize(("pattern", "example"), [(pattern, example) for pattern, example, _ in IDIOMS])
def test_language_planted_idiom_is_found(pattern, example):
    assert re.search(pattern, example)
    page = (ROOT / "docs" / "explainers.md").read_text(encoding="utf-8")
    assert idioms(page) == []
    planted = page.replace("\n## Scores\n", f"\n{example}.\n\n## Scores\n")
    line = planted.splitlines().index(f"{example}.") + 1
    assert [number for number, *_ in idioms(planted)] == [line]


def test_language_free_relative_as_heading_is_found():
    assert [line for line, *_ in idioms("# Title\n\n## What it takes\n\n## Who decides?\n\n## Start\n")] == [3]


def test_language_idiom_across_lines_is_found():
    assert idioms("- A classifier of one's\n  own.\n") == [(1, "one's own", "your own, custom")]
    assert [line for line, *_ in idioms('"""It is told."""\nx = "told anew"\n\n# Both are told.\n', ".py")] == [1, 4]
    assert [line for line, *_ in idioms("key: anew  # both are told\nother: 1\n# anew\n", ".yaml")] == [1, 3]


@pytest.mark.parametrize(
    "text",
    [
        "The word `anew`, and ``is told``.",
        "> It is told anew.",
        "```\nmend it anew\n```",
        "[a link](mend.md) <!-- anew -->",
        "The interval lies within the margin, not for speech but for music.",
        "There is no detector. It is no longer needed. It is no more than 3, and is no better.",
        "As many segments by norm as LIME has; so many songs that it takes hours. This is to be expected.",
        "Distinguish right answers from wrong ones. Round the value. The user is asked for a path.",
    ],
)
def test_language_plain_text_is_accepted(text):
    assert idioms(text + "\n") == []


def test_language_messages_are_sentences_without_idioms():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    names = error_names(trees.values())
    assert {"ConfigError", "CorpusError", "DrawingError", "SupersededError"} <= names
    wrong, n_raised = [], 0
    for path, tree in trees.items():
        name = path.relative_to(ROOT).as_posix()
        for line, text, is_raised in messages(tree, names):
            n_raised += is_raised
            found = faults(text, is_sentence=is_raised and name not in CLAUSES)
            wrong += [f"{name}:{line}: {fault!r} in {text!r}" for fault in found]
    assert n_raised > 200
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ('raise ConfigError(f"{key}: unknown, got {x}. Mend it")', "no full stop"),
        ('raise CorpusError(f"{path}: mend it.")', "mend"),
        ('raise ConfigError("a folder: is no folder.")', "is no folder"),
        ('log.warning("%s: heard twice", song)', "heard"),
    ],
)
def test_language_fault_of_message_is_found(code, fault):
    ((_, text, is_raised),) = messages(ast.parse(code), {"ConfigError", "CorpusError"})
    assert fault in faults(text, is_sentence=is_raised)


@pytest.mark.parametrize(
    "code",
    [
        'raise ConfigError(f"{key}: must be one of a, b or c, got {x}. Did you mean a?")',
        'raise ConfigError(f"{wanted}, got {x}. {cure}")',
        'raise ValueError("a clause")',
        "raise ConfigError(message)",
        'log.warning("%s: %s", song, remark)',
    ],
)
def test_language_plain_message_is_accepted(code):
    found = messages(ast.parse(code), {"ConfigError"})
    assert not [fault for _, text, is_raised in found for fault in faults(text, is_sentence=is_raised)]
