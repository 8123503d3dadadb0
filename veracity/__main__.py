"""Command line interface ``veracity``, which serves the drawing page."""

import argparse
import contextlib
import os
import socket
import sys
import webbrowser
from pathlib import Path

from .detector.pretrained import PRETRAINED, checkpoint_path
from .errors import ConfigError, VeracityError

EXAMPLE = Path("results/example")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="veracity", description="A test bench for explanations in audio classification.")
    commands = parser.add_subparsers(dest="command", required=True)
    page = commands.add_parser("page", help="open the drawing page", description=_page.__doc__)
    page.add_argument("song", nargs="?", type=Path, help="audio file; by default a song of the run, or a synthetic song")
    page.add_argument(
        "--checkpoint", "--detector", type=Path, help="detector; by default that of the run, or the pretrained one"
    )
    page.add_argument("--run", type=Path, metavar="results/RUN", help="finished run whose adversarial excerpts are shown")
    page.add_argument("--corpus", type=Path, help="folder of the run's songs, to play its excerpts")
    page.add_argument("--drawings", type=Path, default=Path("drawings"), help="folder of saved drawings (default: %(default)s)")
    page.add_argument("--port", type=int, default=8765, help="port on 127.0.0.1; 0 for any free port (default: %(default)s)")
    page.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command with the given arguments.

    Parameters
    ----------
    arguments : list of str, optional
        Arguments, by default those of the command line.

    Returns
    -------
    int
        Exit status: 0, or 2 after a user error.
    """
    options = parser().parse_args(arguments)
    try:
        return _page(options)
    except VeracityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _page(options: argparse.Namespace) -> int:
    """Serve a page on 127.0.0.1 for drawing on the spectrogram of a song, with predictions and explanations of the detector."""
    try:
        import uvicorn

        from .page.runs import FinishedRun
        from .page.server import Page, application
        from .page.session import Session, Song
    except ImportError as error:
        raise ConfigError(f"veracity page: requires the package {error.name}. Run pip install 'veracity[page]'.") from None
    from . import notebook

    _check(options)
    run = FinishedRun(options.run, options.corpus) if options.run else None
    run_song = run.song() if run else None

    def prepare() -> tuple[Session, Song]:
        checkpoint, threshold = options.checkpoint or PRETRAINED, None
        if run and not options.checkpoint:
            checkpoint, threshold = run.checkpoint, run.threshold
        session = Session(checkpoint, threshold=threshold)
        return session, session.song(options.song or run_song or notebook.example(EXAMPLE))

    page = Page(prepare, drawings=options.drawings, run=run, is_synthetic=not (options.song or run_song))
    config = uvicorn.Config(application(page), log_level="warning", server_header=False, timeout_graceful_shutdown=3)
    listening = _listening(options.port)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    print(f"{address} (stop with Ctrl+C)", flush=True)
    if not options.no_browser:
        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def _check(options: argparse.Namespace) -> None:
    """Reject options that contradict each other, and paths that do not exist."""
    if not 0 <= options.port <= 65535:
        raise ConfigError(f"--port: must be from 0 to 65535, got {options.port}. Give 0 for any free port.")
    if options.corpus and not options.run:
        raise ConfigError(f"--corpus: requires --run, got {options.corpus}. Add --run results/<run>, or leave out --corpus.")
    if options.corpus and not options.corpus.is_dir():
        raise ConfigError(
            f"--corpus: folder is missing, got {options.corpus}. Give the folder of the run's songs, or leave it out "
            "(excerpts then have no sound)."
        )
    for path in (options.song, options.checkpoint and checkpoint_path(options.checkpoint)):
        if path is not None and not path.is_file():
            raise ConfigError(f"{path}: file is missing. Correct its name, or leave it out for the default.")


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on a port of 127.0.0.1."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigError(f"--port: cannot be opened ({reason}), got {port}. Give another, or 0 for any free port.") from None


if __name__ == "__main__":
    sys.exit(main())
