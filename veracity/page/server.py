"""Local web application of the page; `veracity.page.session` and `veracity.page.runs` do the computation."""

import base64
import json
import os
import re
import shutil
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ConfigError, VeracityError, quoted, shortened
from ..experiments.drawing.shapes import SHAPES
from .runs import FinishedRun
from .session import PlacedDrawing, Session, Song, SupersededError, as_wav, is_audible, save_drawing

STATIC = Path(__file__).resolve().parent / "static"
MAX_UPLOADED = 64 << 20  # largest size of an uploaded file in bytes
MAX_REQUEST_BYTES = 1 << 20  # largest size of a request in bytes
UPLOADS = "veracity-page-"  # prefix of temporary folders with uploaded files, followed by the number of the process
MAX_SONGS = 8  # largest number of songs in memory; one of 15 minutes takes 100 MB
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Endpoint = Callable[[Request], Awaitable[Response]]
LOUDEST, QUIETEST = 99.9, 2.0  # percentiles of log-mel values with the lightest and the darkest colour


class Page:
    """State of the server: a session, its songs, a run, and the folder of drawings.

    Parameters
    ----------
    make : callable
        Function that creates the session and its first song.
    drawings : Path
        Folder in which drawings are saved.
    run : FinishedRun, optional
        Finished run whose perturbations are shown.
    is_synthetic : bool
        Whether the first song is synthetic, for a note on the page; false by default.
    """

    def __init__(
        self,
        make: Callable[[], tuple[Session, Song]],
        *,
        drawings: Path,
        run: FinishedRun | None = None,
        is_synthetic: bool = False,
    ) -> None:
        self.run, self.drawings, self.is_synthetic = run, drawings, is_synthetic
        self.session: Session | None = None
        self.song: Song | None = None  # the newest song, which new pages show
        self.failure = ""
        self._make, self._first = make, ""
        self._songs: OrderedDict[str, Song] = OrderedDict()  # by identity, in order of last use
        self._keeping = threading.Lock()

    def prepare(self) -> None:
        """Create the session and its first song, while the page displays a waiting message."""
        _remove_uploads_of_killed_pages()
        try:
            self.session, song = self._make()
            self._first = song.identity
            self._keep(song)
        except VeracityError as error:
            self.failure = str(error)
            print(f"error: {error}", file=sys.stderr, flush=True)
        except Exception as error:
            self.failure = f"page: cannot be prepared ({error}). See the terminal for details."
            raise

    def ready(self) -> tuple[Session, Song]:
        """Return the session and the newest song.

        Raises
        ------
        ConfigError
            If the preparation has failed or is not finished.
        """
        if self.failure:
            raise ConfigError(self.failure)
        if self.session is None or self.song is None:
            raise ConfigError("detector: not ready yet. Wait a moment.")
        return self.session, self.song

    def _keep(self, song: Song) -> str:
        """Store a song, remove the least recently used one if there are too many, and return the identity of the song."""
        with self._keeping:
            self._songs[song.identity] = self.song = song
            self._songs.move_to_end(song.identity)
            if len(self._songs) > MAX_SONGS:
                self._songs.popitem(last=False)
        return song.identity

    def _of_request(self, arguments: dict[str, Any]) -> tuple[Session, Song]:
        """Return the session and the song of a request; each page has a separate song."""
        session, _ = self.ready()
        with self._keeping:
            identity = _argument(arguments, "song", str)
            if identity not in self._songs:
                raise ConfigError("song: no longer available. Reload the page.")
            self._songs.move_to_end(identity)
            return session, self._songs[identity]

    # --- request handlers, which return values that can be serialised as JSON ------------------------------------------

    def about(self, _: dict[str, Any]) -> dict[str, Any]:
        """Return shapes, grid, threshold, colours and runs for the page, and whether the session is ready."""
        status: dict[str, Any] = {"ready": self.session is not None and self.song is not None, "failure": self.failure}
        if (session := self.session) is None:
            return status
        grid, frontend = session.grid, session.frontend
        return status | {
            "shapes": sorted(SHAPES),
            "threshold": session.threshold,
            "runs": self.run.listing() if self.run else None,
            "drawings": str(self.drawings),
            "grid": {"n_time": grid.n_time, "n_band": grid.n_band},
            "segments": grid.segment_map().ravel().tolist(),
            "n_frames": frontend.excerpt_frames,
            "n_mels": frontend.n_mels,
            "frames_per_second": frontend.frames_per_second,
            "hz": [frontend.f_min, frontend.f_max],
            "colours": _hex(matplotlib.colormaps["magma"](np.linspace(0, 1, 256))),
        }

    def show_song(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the spectrogram of a song as bytes and its P(sing) over time; the newest song by default."""
        session, song = self._of_request(arguments) if arguments else self.ready()
        is_synthetic = self.is_synthetic and song.identity == self._first
        note = "Synthetic song: an example that supports no conclusion about music." if is_synthetic else ""
        return {
            "song": song.identity,
            "name": song.name,
            "note": f"{note} {session.note}".strip(),
            "n": len(song.log_mel),
            "image": _image(song.log_mel, song),
            "p_sing": np.round(song.p_sing.astype(float), 4).tolist(),
        }

    def shape(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the coverage of a predefined shape."""
        session, _ = self.ready()
        centre, size = _argument(arguments, "centre", list), _argument(arguments, "size", list)
        if len(centre) != 2 or len(size) != 2:
            raise ConfigError(
                f"shape: centre and size must be two numbers each, got {len(centre)} and {len(size)}. Send two numbers each."
            )
        return {"coverage": _bytes(255 * session.shape(_argument(arguments, "name", str), tuple(centre), tuple(size)))}

    def explain(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Explain a drawing."""
        session, song = self._of_request(arguments)
        page = str(arguments.get("page", ""))[:64]
        explained = session.explain(song, self._drawing(arguments), page)
        return {**explained, "log_mel": _image(explained["log_mel"], song)}

    def sound(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the excerpt before and after the drawing as audio, with the detector's output for the latter."""
        session, song = self._of_request(arguments)
        before, after, p = session.sounds(song, self._drawing(arguments))
        rate = session.frontend.sample_rate
        return {
            "before": _wav(before, rate),
            "after": _wav(after, rate),
            "p_sound": p,
            "label_sound": session.label(p),
            "is_audible": is_audible(before, after),
        }

    def save(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Save a drawing in a format that the key ``drawings.folder`` accepts."""
        self.ready()
        return {"path": str(save_drawing(self.drawings, _argument(arguments, "name", str), self._coverage(arguments)))}

    def put(self, name: str, content: bytes) -> dict[str, Any]:
        """Add an uploaded song; the file is removed after it has been read."""
        session, _ = self.ready()
        with tempfile.TemporaryDirectory(prefix=f"{UPLOADS}{os.getpid()}-") as folder:
            path = Path(folder, "song" + re.sub(r"[^.\w]", "", Path(name).suffix)[:8])
            path.write_bytes(content)
            song = session.song(path, name)
        return {"song": self._keep(song), "name": song.name}

    def run_excerpt(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return an adversarial excerpt of the run, with P(sing) for every set of segments of the perturbation."""
        domain, song, number = _excerpt_of(arguments)
        chosen = self._run().excerpt(domain, song, number)
        excerpts, e = chosen.excerpts, chosen.number
        shown = excerpts.adversarial[e]
        low, high = np.percentile(shown, [QUIETEST, LOUDEST])
        grid = self._run().grid(self._run().paths[domain, song])
        return {
            "adversarial": _bytes(_scaled(shown, low, high)),
            "n_frames": grid.n_frames,
            "n_mels": grid.n_mels,
            "n_time": grid.n_time,
            "n_band": grid.n_band,
            "threshold": excerpts.threshold,
            "original": str(excerpts.original[e]),
            "p_sing": base64.b64encode(chosen.p_sing.astype("<f4").tobytes()).decode(),
            "rankings": chosen.rankings,
            "best": chosen.best,
        }

    def run_sound(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return an adversarial excerpt with only some segments of its perturbation as audio."""
        audio, rate = self._run().sound(*_excerpt_of(arguments), _argument(arguments, "segments", list))
        return {"sound": _wav(audio, rate)}

    def _run(self) -> FinishedRun:
        if self.run is None:
            raise ConfigError("page: started without a run. Add --run results/<run>.")
        return self.run

    def _drawing(self, arguments: dict[str, Any]) -> PlacedDrawing:
        start, strength = _argument(arguments, "start", int), _argument(arguments, "strength", float)
        return PlacedDrawing(start, self._coverage(arguments), strength)

    def _coverage(self, arguments: dict[str, Any]) -> np.ndarray:
        session, _ = self.ready()
        try:
            values = np.frombuffer(base64.b64decode(_argument(arguments, "coverage", str), validate=True), dtype=np.uint8)
        except ValueError:
            raise ConfigError("drawing: not encoded as base64. Reload the page.") from None
        shape = session.frontend.excerpt_frames, session.frontend.n_mels
        if values.size != shape[0] * shape[1]:
            raise ConfigError(f"drawing: must have {shape[0] * shape[1]} cells, got {values.size}. Reload the page.")
        return (values.reshape(shape) / 255).astype(np.float32)


def _remove_uploads_of_killed_pages() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{UPLOADS}[0-9]*-*"):
        process = int(folder.name.removeprefix(UPLOADS).split("-")[0])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # of another user


def application(page: Page) -> Starlette:
    """Create the web application of a page."""
    handlers = {
        "about": page.about,
        "song": page.show_song,
        "shape": page.shape,
        "explain": page.explain,
        "sound": page.sound,
        "save": page.save,
        "run/excerpt": page.run_excerpt,
        "run/sound": page.run_sound,
    }

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        threading.Thread(target=page.prepare, daemon=True).start()
        yield

    routes = [
        Route("/", lambda _: FileResponse(STATIC / "page.html")),
        *(
            Route(f"/{path}", _endpoint(handler), methods=["GET" if path in ("about", "song") else "POST"])
            for path, handler in handlers.items()
        ),
        Route("/upload", _upload_endpoint(page), methods=["PUT"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])  # prevents DNS rebinding
    middleware = [Middleware(_Headers), hosts]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan, exception_handlers={Exception: _internal_error})


class _Headers:
    """Middleware that adds `HEADERS` to all responses, including files and errors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _endpoint(handler: Callable[[dict[str, Any]], dict[str, Any]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            arguments = await _arguments(request)
        except ConfigError as error:
            return _refused(str(error))
        return await _answer(lambda: handler(arguments))

    return endpoint


def _upload_endpoint(page: Page) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        content = bytearray()
        async for part in request.stream():
            if len(content) <= MAX_UPLOADED:  # the rest is still received, because an interrupted browser shows no response
                content += part
        if len(content) > MAX_UPLOADED:
            return _refused(f"file: larger than {MAX_UPLOADED >> 20} MiB. Shorten it, or pass its path to the command.")
        name = shortened(Path(request.query_params.get("name", "")).name.strip(".") or "song")
        return await _answer(lambda: page.put(name, bytes(content)))

    return endpoint


async def _arguments(request: Request) -> dict[str, Any]:
    """Return the JSON object of a POST request, or the query parameters of a GET request."""
    if request.method != "POST":
        return dict(request.query_params)
    refusal = ConfigError(f"request: must be JSON of at most {MAX_REQUEST_BYTES >> 20} MiB. Reload the page.")
    if not request.headers.get("content-type", "").startswith("application/json"):  # which no other site can send unasked
        raise refusal
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MAX_REQUEST_BYTES:
            raise refusal
    try:
        arguments = json.loads(content)
    except ValueError as error:
        raise ConfigError(f"request: not valid JSON ({shortened(str(error))}). Reload the page.") from None
    except RecursionError:
        raise ConfigError("request: nested too deeply. Reload the page.") from None
    if not isinstance(arguments, dict):
        raise ConfigError("request: must be a JSON object. Reload the page.")
    return arguments


async def _answer(work: Callable[[], dict[str, Any]]) -> Response:
    """Return the result as JSON, or the message of a user error or of a superseded request."""
    try:
        return JSONResponse(await run_in_threadpool(work))
    except SupersededError as error:
        return JSONResponse({"superseded": str(error)}, status_code=409)
    except VeracityError as error:
        return _refused(str(error))


async def _internal_error(_: Request, error: Exception) -> Response:
    """Return a response for an unexpected error, which Starlette raises again so that uvicorn prints its traceback."""
    message = f"page: internal error of the server ({type(error).__name__}). See its terminal for details."
    return JSONResponse({"error": message}, status_code=500, headers=HEADERS)  # sent outside of the middleware


def _argument(arguments: dict[str, Any], name: str, kind: type) -> Any:
    """Return a value of a request, or raise ConfigError if it is missing or has another type; integers count as floats."""
    value = arguments.get(name)
    if not isinstance(value, int | float if kind is float else kind) or isinstance(value, bool):
        words = {str: "text", int: "a whole number", float: "a number", list: "a list"}[kind]
        raise ConfigError(f"{name}: must be {words}, got {quoted(value)}. Reload the page.")
    return value


def _excerpt_of(arguments: dict[str, Any]) -> tuple[str, str, int]:
    return _argument(arguments, "domain", str), _argument(arguments, "song", str), _argument(arguments, "number", int)


def _refused(message: str) -> Response:
    return JSONResponse({"error": message}, status_code=400)


def _bytes(values: np.ndarray) -> str:
    return base64.b64encode(np.round(values).clip(0, 255).astype(np.uint8).tobytes()).decode()


def _scaled(log_mel: np.ndarray, low: float, high: float) -> np.ndarray:
    return 255 * (log_mel - low) / max(high - low, 1e-6)


def _image(log_mel: np.ndarray, song: Song) -> str:
    """Return log-mel frames as bytes, scaled between a low and a high percentile of the song."""
    low, high = np.percentile(song.log_mel, [QUIETEST, LOUDEST])
    return _bytes(_scaled(log_mel, low, high))


def _hex(colours: np.ndarray) -> list[str]:
    return [matplotlib.colors.to_hex(colour) for colour in colours]


def _wav(audio: np.ndarray, rate: int) -> str:
    return "data:audio/wav;base64," + base64.b64encode(as_wav(audio, rate)).decode()
