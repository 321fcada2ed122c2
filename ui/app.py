"""Builds the page as an ASGI app: what is where, and which event calls what.

The Python side calls the service's API at `api_url`, the browser calls `/v1/…` of the page's own address. So the page
is served behind the service's port, and it uses only what that API offers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from gradio.themes import Base
from starlette.types import ASGIApp

from serve.client import Client

from .callbacks import Callbacks
from .shell import OwnHostOnly

HERE = Path(__file__).resolve().parent
SANS = ("system-ui", "sans-serif")
MONO = ("ui-monospace", "monospace")
FOLLOWERS = 32
"""Tabs that may follow a video's progress at once; each holds one thread. Later ones wait."""
ASKERS = 8
SWEEP_S = 600
ABANDONED_S = 24 * 3600
"""How often, and from what age on, uploads that nobody passed on to the service are deleted."""

_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""No overlays while something runs, and no entry among Gradio's own API: the service has one."""


def build(api_url: str, public_url: str, max_upload_bytes: int | None = None, secret: str | None = None) -> ASGIApp:
    """The page as an ASGI app, mounted at `/`.

    Args:
        api_url: where the service answers this process, such as ``http://127.0.0.1:8000``.
        public_url: the page's address in browsers where a proxy does not pass on their `Host`. Empty, or the same as
            `api_url`: whatever address they used, since `localhost` and `127.0.0.1` are different origins to them.
        max_upload_bytes: larger files are refused while they come in; None leaves that to the service.
        secret: the service's start secret, where it has one.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gr.mount_gradio_app(
        app,
        _page(Callbacks(Client(api_url, secret=secret))),
        path="/",
        root_path=public_url if public_url != api_url else None,
        theme=Base(font=SANS, font_mono=MONO),
        css_paths=[HERE / "page.css"],
        js=(HERE / "seek.js").read_text(encoding="utf-8"),
        footer_links=[],
        max_file_size=max_upload_bytes,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        mcp_server=False,
    )
    return OwnHostOnly(app)


def _page(callbacks: Callbacks) -> gr.Blocks:
    blocks: gr.Blocks = gr.Blocks(
        title="Longwatch", analytics_enabled=False, fill_width=True, delete_cache=(SWEEP_S, ABANDONED_S)
    )
    with blocks:
        gr.HTML("<h1>Longwatch</h1><p>Watches a video once, answers questions about it with times.</p>", elem_id="head")
        with gr.Row():
            with gr.Column(scale=3, min_width=360):
                with gr.Row(elem_id="which"):
                    choice = gr.Dropdown(label="Video", choices=[], value=None, elem_id="choice", scale=3)
                    upload = gr.UploadButton("Upload a video", file_types=["video"], elem_id="upload", scale=1)
                    # Gradio's own example names another host. (A subclass would make Gradio write files beside this.)
                    upload.example_inputs = lambda: None  # type: ignore[method-assign]
                progress = gr.HTML(elem_id="progress")
                player = gr.HTML(elem_id="player-box")
            with gr.Column(scale=2, min_width=320):
                question = gr.Textbox(
                    label="Question", placeholder="When does the cat appear?", elem_id="question", lines=1, max_lines=4
                )
                ask = gr.Button("Ask", variant="primary", elem_id="ask")
                answer = gr.HTML(elem_id="answer")
                citations = gr.HTML(elem_id="citations")
        timeline = gr.HTML(elem_id="timeline")
        fresh = gr.State(None)
        shown = [progress, player, timeline, answer, citations]
        follow: dict[str, Any] = {
            "fn": callbacks.follow,
            "outputs": [progress, timeline],
            "trigger_mode": "multiple",
            "concurrency_limit": FOLLOWERS,
            "concurrency_id": "follow",
            **_QUIET,
        }
        blocks.load(callbacks.choices, outputs=[choice, progress], **_QUIET)
        chosen = choice.input(callbacks.show, inputs=[choice], outputs=shown, trigger_mode="always_last", **_QUIET)
        chosen.then(inputs=[choice], **follow)
        sent = upload.upload(
            callbacks.upload, inputs=[upload], outputs=[choice, fresh, progress], concurrency_limit=4, **_QUIET
        )
        sent.then(callbacks.show, inputs=[fresh], outputs=shown, **_QUIET).then(inputs=[fresh], **follow)
        gr.on(
            [ask.click, question.submit],
            callbacks.ask,
            inputs=[choice, question],
            outputs=[answer, citations],
            concurrency_limit=ASKERS,
            **_QUIET,
        )
    return blocks
