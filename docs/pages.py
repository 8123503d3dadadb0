"""Generated pages of the site: README and other pages of the project, the executed tour, and a reference of each package."""

import os
import re
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.manager import KernelManager
from mkdocs.structure.files import File
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parents[1]
COPIED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
COPIED["pretrained.md"] = "veracity/detector/pretrained.md"
ROOMS = sorted(path.parent.name for path in (ROOT / "veracity").glob("*/__init__.py"))
ALONE = ["notebook", "labels", "errors", "settings"]


def on_config(config):
    """List a reference page for each package, the notebook first."""
    (reference,) = (part["Reference"] for part in config.nav if "Reference" in part)
    reference[:] = [{name: f"reference/{name}.md"} for name in [*ALONE[:1], *ROOMS, *ALONE[1:]]]
    return config


def on_files(files, config):
    """Add generated pages to those in docs/."""
    for name, source in COPIED.items():
        files.append(File.generated(config, name, content=_moved((ROOT / source).read_text(encoding="utf-8"))))
    for name in [*ROOMS, *ALONE]:
        files.append(File.generated(config, f"reference/{name}.md", content=f"# {name}\n\n::: veracity.{name}\n"))
    page, pictures = _tour()
    files.append(File.generated(config, "tour.md", content=page))
    for name, picture in pictures.items():
        files.append(File.generated(config, name, content=picture))
    return files


def _moved(text):
    """Return a page of the project's folder as one of the site, where docs/ is the root."""
    text = text.replace("](docs/tour.py)", "](tour.md)").replace("](docs/", "](")
    return re.sub(r"\]\(([A-Z]+)\.md\)", lambda found: f"]({found[1].lower().replace('readme', 'index')}.md)", text)


def _tour():
    """Run the tour in the project's folder; return it as Markdown, and its pictures by name."""
    notebook = nbformat.from_dict(jupytext.read(ROOT / "docs" / "tour.py"))
    manager = KernelManager(kernel_name="python3", transport="ipc")
    NotebookClient(notebook, km=manager, timeout=1200, resources={"metadata": {"path": os.fspath(ROOT)}}).execute()
    manager.shutdown_kernel(now=True)
    for cell in notebook.cells:  # progress stays out
        cell["outputs"] = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
    page, resources = MarkdownExporter().from_notebook_node(notebook)
    # Players come indented, which Markdown takes for code.
    page = re.sub(r"^ +(?=</?(?:audio|source)|Your browser)", "", page, flags=re.MULTILINE)
    return page, resources["outputs"]
