"""What belongs to the house and no wire: health, figures, the front page, and what the reference pages are drawn with."""
# Litestar's static files are partly untyped.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

import importlib.util
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Response, get
from litestar.exceptions import HTTPException
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reachbook.core.figures import Figure

ASSETS = "/assets/swagger-ui"

Figures = Callable[[], Awaitable[Sequence[Figure]]]
Missing = Callable[[], Awaitable[Sequence[str]]]


def swagger() -> SwaggerRenderPlugin:
    """The reference page, drawn with files from a package: it works without internet."""
    return SwaggerRenderPlugin(
        js_url=f"{ASSETS}/swagger-ui-bundle.js",
        css_url=f"{ASSETS}/swagger-ui.css",
        standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
        favicon=f"<link rel='icon' type='image/png' href='{ASSETS}/favicon-32x32.png'>",
        path="/",
    )


def build(missing: Missing, figures: Figures, references: Mapping[str, str], version: str) -> ASGIApp:
    """`missing` tells what is not ready; `figures` reads what only the database knows; `references` are title → path."""

    @get("/healthz", media_type=MediaType.JSON)
    async def health() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok", "version": version}

    @get("/readyz")
    async def ready() -> Response[dict[str, Any]]:
        """200 when requests can be served, else 503 with what is missing."""
        lacking = list(await missing())
        return Response({"ready": not lacking, "missing": lacking}, status_code=503 if lacking else 200)

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        """Prometheus' text format, over all processes of this server."""
        return Response(await _exposition(figures), media_type=CONTENT_TYPE_LATEST)

    @get("/", media_type=MediaType.HTML)
    async def front() -> str:
        """Where to go from here."""
        links = "".join(f'<li><a href="{path}">{title}</a></li>' for title, path in references.items())
        return FRONT.format(links=links, version=version)

    folder = _swagger_folder()
    assets = [create_static_files_router(ASSETS, [folder], name="swagger-ui")] if folder else []
    return Litestar(
        [health, ready, metrics, front, *assets], openapi_config=None, logging_config=None, exception_handlers={HTTPException: _refused}
    )


FRONT = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Reachbook</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}}</style>
<h1>Reachbook {version}</h1><p>API references:</p><ul>{links}</ul>
<p>For operators: <a href="/healthz">health</a>, <a href="/readyz">readiness</a>, <a href="/metrics">figures</a>.</p></html>"""


def _swagger_folder() -> Path | None:
    spec = importlib.util.find_spec("swagger_ui")
    return Path(spec.origin).parent / "static" if spec and spec.origin else None


def _refused(_: object, error: HTTPException) -> Response[dict[str, str]]:
    return Response({"message": error.detail, "MessageDetail": error.detail}, status_code=error.status_code)


async def _exposition(figures: Figures) -> bytes:
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    read = CollectorRegistry()
    read.register(_Read(await figures()))
    return generate_latest(registry) + generate_latest(read)


class _Read(Collector):
    """Figures that were just read, as gauges that are kept nowhere."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self.figures = figures

    def collect(self) -> Iterable[Metric]:
        for figure in self.figures:
            family = GaugeMetricFamily(figure.name, figure.help, labels=figure.labels)
            for labels, value in figure.values.items():
                family.add_metric(labels, value)
            yield family
