"""The page as a web application of this machine alone; it asks `veracity.page.desk` and `veracity.page.runs` for everything."""

import base64
import json
import tempfile
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import ConfigError, VeracityError
from ..experiments.pen.shapes import SHAPES
from .desk import Desk, Song, SupersededError, as_wav, save_drawing
from .runs import Run

STATIC = Path(__file__).resolve().parent / "static"
MOST_UPLOADED = 64 << 20  # bytes
MOST_ASKED = 1 << 20  # bytes of a question
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOUDEST, QUIETEST = 99.9, 2.0  # percentiles of a song's log-mel values that are white and black


class Page:
    """The state of one page: a desk, the song on it, a run, and where drawings go."""

    def __init__(
        self, make: Callable[[], tuple[Desk, Song]], *, drawings: Path, run: Run | None = None, note: str = ""
    ) -> None:
        self.run, self.drawings, self.note = run, drawings, note
        self.desk: Desk | None = None
        self.song: Song | None = None
        self.failure = ""
        self._make = make

    def prepare(self) -> None:
        """Make what lies on the desk; the page says so in the meantime."""
        try:
            self.desk, self.song = self._make()
        except VeracityError as error:
            self.failure = str(error)
        except Exception as error:
            self.failure = f"the page cannot be prepared: {error}"
            raise

    def ready(self) -> tuple[Desk, Song]:
        """Return desk and song.

        Raises
        ------
        ConfigError
            While they are not there yet.
        """
        if self.failure:
            raise ConfigError(self.failure)
        if self.desk is None or self.song is None:
            raise ConfigError("the detector is still being made: wait a moment")
        return self.desk, self.song

    # --- what the page asks for; each returns what JSON can hold, or a response ----------------------------------------

    def about(self, _: dict[str, Any]) -> dict[str, Any]:
        """Tell what there is: shapes, grid, notes, a run; and whether the desk is ready."""
        told: dict[str, Any] = {"ready": self.desk is not None and self.song is not None, "failure": self.failure}
        told["runs"] = self.run.listing() if self.run else None
        if (desk := self.desk) is None:
            return told
        grid, frontend = desk.grid, desk.frontend
        return told | {
            "shapes": sorted(SHAPES),
            "threshold": desk.threshold,
            "note": f"{self.note} {desk.note}".strip(),
            "drawings": str(self.drawings),
            "grid": {"n_time": grid.n_time, "n_band": grid.n_band},
            "segments": grid.segment_map().ravel().tolist(),
            "n_frames": frontend.excerpt_frames,
            "n_mels": frontend.n_mels,
            "frames_per_second": frontend.frames_per_second,
            "colours": _hex(matplotlib.colormaps["magma"](np.linspace(0, 1, 256))),
        }

    def show_song(self, _: dict[str, Any]) -> dict[str, Any]:
        """Return the song's spectrogram as bytes, and P(sing) along it."""
        song = self.ready()[1]
        return {"name": song.name, "n": len(song.log_mel), "image": _image(song.log_mel, song), "p_sing": _rounded(song.p_sing)}

    def shape(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the coverage of a ready shape."""
        desk, _ = self.ready()
        (x, y), (width, height) = asked["centre"], asked["size"]
        return {"coverage": _bytes(255 * desk.shape(str(asked["name"]), (float(x), float(y)), (float(width), float(height))))}

    def explain(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Explain a drawing."""
        desk, song = self.ready()
        found = desk.explain(song, int(asked["start"]), self._coverage(asked), float(asked["strength"]))
        return {**found, "log_mel": _image(found["log_mel"], song)}

    def sound(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the excerpt before and after as audio."""
        desk, song = self.ready()
        sounds = desk.sounds(song, int(asked["start"]), self._coverage(asked), float(asked["strength"]))
        before, after, p_heard = sounds
        rate = desk.frontend.sample_rate
        return {"before": _wav(before, rate), "after": _wav(after, rate), "p_heard": p_heard}

    def save(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Save a drawing for ``drawings.folder``."""
        self.ready()
        return {"path": str(save_drawing(self.drawings, str(asked["name"]), self._coverage(asked)))}

    def put(self, name: str, content: bytes) -> dict[str, Any]:
        """Put another song on the desk, that was uploaded; the file is removed as soon as it is read."""
        desk, _ = self.ready()
        with tempfile.TemporaryDirectory(prefix="veracity-page-") as folder:
            path = Path(folder, "song" + Path(name).suffix[:8])
            path.write_bytes(content)
            try:
                song = desk.song(path, name)
            except VeracityError as error:
                raise ConfigError(str(error).replace(str(path), name)) from None
        self.song = song
        return {"name": song.name}

    def run_excerpt(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return an adversarial excerpt of the run, with the model's answer to every set of segments."""
        chosen = self._run().excerpt(str(asked["domain"]), str(asked["song"]), int(asked["number"]))
        excerpts, e = chosen.excerpts, chosen.number
        shown = excerpts.adversarial[e]
        low, high = np.percentile(shown, [QUIETEST, LOUDEST])
        grid = self._run().grid(self._run().paths[excerpts.domain, str(asked["song"])])
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

    def run_sound(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return an adversarial excerpt with some segments of its perturbation alone, as audio."""
        segments = [int(one) for one in asked["segments"]]
        audio, rate = self._run().sound(str(asked["domain"]), str(asked["song"]), int(asked["number"]), segments)
        return {"sound": _wav(audio, rate)}

    def _run(self) -> Run:
        if self.run is None:
            raise ConfigError("the page was started without a run: add --run results/<run>")
        return self.run

    def _coverage(self, asked: dict[str, Any]) -> np.ndarray:
        desk, _ = self.ready()
        values = np.frombuffer(base64.b64decode(str(asked["coverage"]), validate=True), dtype=np.uint8)
        shape = desk.frontend.excerpt_frames, desk.frontend.n_mels
        if values.size != shape[0] * shape[1]:
            raise ConfigError(f"a drawing of {values.size} cells was sent, and an excerpt has {shape[0] * shape[1]}")
        return (values.reshape(shape) / 255).astype(np.float32)


def application(page: Page) -> Starlette:
    """Make the web application of a page."""

    async def upload(request: Request) -> Response:
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > MOST_UPLOADED:
                return _refused(f"the file holds more than {MOST_UPLOADED >> 20} MiB: cut it, or give its path to the command")
        name = Path(request.query_params.get("name", "song")).name
        return await _answer(lambda: page.put(name, bytes(content)))

    def asking(question: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable:
        async def answer(request: Request) -> Response:
            asked: dict[str, Any] = {}
            if request.method == "POST":
                content = await request.body()
                if len(content) > MOST_ASKED or not request.headers.get("content-type", "").startswith("application/json"):
                    return _refused("a question is a small piece of JSON")
                try:
                    asked = dict(json.loads(content))
                except (ValueError, TypeError) as error:
                    return _refused(f"the question is no piece of JSON ({error})")
            return await _answer(lambda: question(asked))

        return answer

    questions = {
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
        Route("/", lambda _: FileResponse(STATIC / "page.html", headers=HEADERS)),
        *(
            Route(f"/{path}", asking(question), methods=["GET" if path in ("about", "song") else "POST"])
            for path, question in questions.items()
        ),
        Route("/upload", upload, methods=["PUT"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])  # no other site's name may lead here
    return Starlette(routes=routes, middleware=[hosts], lifespan=lifespan)


async def _answer(work: Callable[[], dict[str, Any]]) -> Response:
    """Answer with JSON; a user's mistake, or a newer drawing, in one sentence."""
    try:
        return JSONResponse(await run_in_threadpool(work), headers=HEADERS)
    except SupersededError as error:
        return JSONResponse({"superseded": str(error)}, status_code=409, headers=HEADERS)
    except VeracityError as error:
        return _refused(str(error))
    except (KeyError, TypeError, ValueError) as error:
        return _refused(f"the question is incomplete ({type(error).__name__}: {error})")


def _refused(why: str) -> Response:
    return JSONResponse({"error": why}, status_code=400, headers=HEADERS)


def _bytes(values: np.ndarray) -> str:
    return base64.b64encode(np.round(values).clip(0, 255).astype(np.uint8).tobytes()).decode()


def _scaled(log_mel: np.ndarray, low: float, high: float) -> np.ndarray:
    return 255 * (log_mel - low) / max(high - low, 1e-6)


def _image(log_mel: np.ndarray, song: Song) -> str:
    """Return log-mel frames as bytes, black and white where the song's quietest and loudest are."""
    low, high = np.percentile(song.log_mel, [QUIETEST, LOUDEST])
    return _bytes(_scaled(log_mel, low, high))


def _rounded(values: np.ndarray) -> list[float]:
    return np.round(values.astype(float), 4).tolist()


def _hex(colours: np.ndarray) -> list[str]:
    return [matplotlib.colors.to_hex(colour) for colour in colours]


def _wav(audio: np.ndarray, rate: int) -> str:
    return "data:audio/wav;base64," + base64.b64encode(as_wav(audio, rate)).decode()
