"""Turns every error into an RFC 9457 problem document; no text of a library's exception gets into one."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serve.errors import TABLE, UNKNOWN, BadRequest, NotFound, PartRestarting, ServeError, detail_of, public_error

from .schemas import Problem

log = logging.getLogger("longwatch.http")
MEDIA_TYPE = "application/problem+json"


def problem(status: HTTPStatus, code: str, detail: str) -> Problem:
    """The document."""
    return Problem(title=status.phrase, status=status.value, code=code, detail=detail)


def problem_response(status: HTTPStatus, code: str, detail: str) -> JSONResponse:
    """The document as a response."""
    return JSONResponse(problem(status, code, detail).model_dump(), status.value, media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem document that a client gets for an error."""
    public = public_error(error)
    if public is UNKNOWN:
        log.error("unexpected error", exc_info=error)
    return problem(public.status, public.code, detail_of(error))


def _invalid(error: RequestValidationError) -> str:
    places = ("/".join(str(part) for part in entry["loc"]) + f": {entry['msg']}" for entry in error.errors()[:5])
    return "; ".join(places)


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem document."""

    def on_any(request: Request, error: Exception) -> JSONResponse:
        document = problem_of(unwrapped(error))
        return JSONResponse(document.model_dump(), document.status, media_type=MEDIA_TYPE)

    def on_validation(request: Request, error: Exception) -> JSONResponse:
        detail = _invalid(error) if isinstance(error, RequestValidationError) else "unreadable request"
        return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, BadRequest.code, detail)

    def on_http(request: Request, error: Exception) -> JSONResponse:
        status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.BAD_REQUEST
        code = NotFound.code if status == HTTPStatus.NOT_FOUND else f"http.{status.value}"
        return problem_response(status, code, status.description or status.phrase)

    for kind in (*TABLE, ServeError):  # one by one: Starlette drops the connection after a handler for `Exception`
        app.add_exception_handler(kind, on_any)
    app.add_exception_handler(Exception, on_any)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def unwrapped(error: Exception) -> Exception:
    """The error a deployment raised, out of the wrapping Ray gives it; `PartRestarting` where its process ended."""
    if any(kind.__name__ == "RayActorError" for kind in type(error).__mro__):  # by name: Ray is not imported here
        return PartRestarting("a process of the service ended and is started again; ask again")
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error
