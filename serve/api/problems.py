"""Turns every error into an RFC 9457 problem document; no text of a library's exception gets into one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from serve.errors import TABLE, UNKNOWN, BadRequest, NotFound, PartRestarting, ServeError, detail_of, public_error

from .schemas import Problem

log = logging.getLogger("longwatch.http")
MEDIA_TYPE = "application/problem+json"


def problem(status: HTTPStatus, code: str, detail: str) -> Problem:
    """The document."""
    return Problem(title=status.phrase, status=status.value, code=code, detail=detail)


def problem_response(
    status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The document as a response."""
    document = problem(status, code, detail).model_dump()
    return JSONResponse(document, status.value, None if headers is None else dict(headers), media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem document that a client gets for an error."""
    public = public_error(error)
    if public is UNKNOWN:
        log.error("unexpected error", exc_info=error)
    return problem(public.status, public.code, detail_of(error))


def _invalid(error: RequestValidationError) -> str:
    return "; ".join(
        "/".join(str(part) for part in problem["loc"]) + ": " + problem["msg"].removeprefix("Value error, ")
        for problem in error.errors()[:5]
    )


class Explained(HTTPException):
    """An HTTP error whose detail is our own sentence."""


def install(app: FastAPI, methods_of: Callable[[Scope], list[str]] = lambda scope: []) -> None:
    """Makes every error of `app` a problem document. `methods_of`: what a path may be asked with."""

    def on_any(request: Request, error: Exception) -> JSONResponse:
        document = problem_of(unwrapped(error))
        return JSONResponse(document.model_dump(), document.status, media_type=MEDIA_TYPE)

    def on_validation(request: Request, error: Exception) -> JSONResponse:
        detail = _invalid(error) if isinstance(error, RequestValidationError) else "unreadable request"
        return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, BadRequest.code, detail)

    def on_http(request: Request, error: Exception) -> JSONResponse:
        status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
        code = NotFound.code if status == HTTPStatus.NOT_FOUND else f"http.{status.value}"
        detail = error.detail if isinstance(error, Explained) else status.description or status.phrase
        headers = dict((error.headers if isinstance(error, HTTPException) else None) or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(methods_of(request.scope)) or headers.get("allow", "GET")
            headers.pop("allow", None)
        return problem_response(status, code, detail, headers)

    for kind in (*TABLE, ServeError):  # one by one: Starlette drops the connection after a handler for `Exception`
        app.add_exception_handler(kind, on_any)
    app.add_exception_handler(Exception, on_any)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


STATUSES = sorted(
    {entry.status for entry in TABLE.values()}
    | {kind.status for kind in ServeError.__subclasses__()}
    | {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.BAD_GATEWAY}
    | {HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, UNKNOWN.status}
)
"""Every status that a problem document may come with."""


def describe(app: FastAPI) -> None:
    """Says in OpenAPI that any call may be answered with a problem document, and with which statuses."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            for methods in document["paths"].values():
                for call in methods.values():
                    for status in STATUSES:
                        call["responses"][str(status.value)] = _response(status)
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        return app.openapi_schema or document

    app.openapi = openapi  # type: ignore[method-assign]


def _response(status: HTTPStatus) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": status.phrase, "content": content}


def unwrapped(error: Exception) -> Exception:
    """The error a deployment raised, out of the wrapping Ray gives it; `PartRestarting` where its process ended."""
    if any(kind.__name__ == "RayActorError" for kind in type(error).__mro__):  # by name: Ray is not imported here
        return PartRestarting("a process of the service ended and is started again; ask again")
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error
