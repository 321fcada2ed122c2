"""Domain errors -> status and stable code: one table for HTTP, websockets and the command line.

A library's exception text never reaches a client: only errors of this table carry their own sentence outwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from encoders.errors import DuplicateName, UnknownName, WeightsUnavailable
from memory.errors import (
    CommitRefused,
    CorruptRecord,
    KeySpaceMismatch,
    SchemaTooNew,
    StoreFull,
    StoreUnavailable,
    UnknownCube,
    UnknownVideo,
)
from pipeline.errors import (
    BackendMismatch,
    BackendUnavailable,
    DecoderKilled,
    MediaDamaged,
    MediaNotKept,
    MediaTooLarge,
    MediaUnsupported,
    NotWatchedYet,
)


class ServeError(Exception):
    """Base of what the service itself refuses; `code` and `status` are the client's."""

    code = "internal"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class NotFound(ServeError):
    code = "not_found"
    status = HTTPStatus.NOT_FOUND


class SettingsInvalid(ServeError):
    code = "settings.invalid"


class BadRequest(ServeError):
    code = "request.invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class UploadTooLarge(ServeError):
    code = "media.too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class OriginRefused(ServeError):
    code = "origin.refused"
    status = HTTPStatus.FORBIDDEN


class AccessRefused(ServeError):
    code = "access.refused"
    status = HTTPStatus.UNAUTHORIZED


class DiskFull(ServeError):
    code = "disk.full"
    status = HTTPStatus.INSUFFICIENT_STORAGE


class ServiceRefused(ServeError):
    """The service cannot be started like this."""

    code = "serve.refused"


class ServiceRunning(ServiceRefused):
    code = "serve.running"


class FolderUnusable(ServiceRefused):
    code = "folder.unusable"


class NotLive(ServeError):
    code = "stream.not_live"
    status = HTTPStatus.CONFLICT


class PartRestarting(ServeError):
    """A process of the service ended while it worked on this request; another one is being started."""

    code = "service.restarting"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class NotReady(ServeError):
    """A part of the service does not answer; `troubles` says which, and what it raised."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    CODES: ClassVar[dict[str, str]] = {
        "store": "store.unavailable",
        "models": BackendUnavailable.code,
        "ray": "ray.gone",
    }

    def __init__(self, troubles: dict[str, BaseException]) -> None:
        super().__init__(f"not ready: {', '.join(troubles)}")
        self.code = self.CODES[next(iter(troubles))]


@dataclass(frozen=True, slots=True)
class PublicError:
    """What a client is told of an error."""

    status: HTTPStatus
    code: str


TABLE: dict[type[Exception], PublicError] = {
    MediaUnsupported: PublicError(HTTPStatus.UNPROCESSABLE_ENTITY, MediaUnsupported.code),
    MediaDamaged: PublicError(HTTPStatus.UNPROCESSABLE_ENTITY, MediaDamaged.code),
    MediaTooLarge: PublicError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, MediaTooLarge.code),
    MediaNotKept: PublicError(HTTPStatus.CONFLICT, MediaNotKept.code),
    DecoderKilled: PublicError(HTTPStatus.SERVICE_UNAVAILABLE, DecoderKilled.code),
    BackendMismatch: PublicError(HTTPStatus.CONFLICT, BackendMismatch.code),
    BackendUnavailable: PublicError(HTTPStatus.SERVICE_UNAVAILABLE, BackendUnavailable.code),
    NotWatchedYet: PublicError(HTTPStatus.CONFLICT, NotWatchedYet.code),
    UnknownName: PublicError(HTTPStatus.INTERNAL_SERVER_ERROR, SettingsInvalid.code),
    DuplicateName: PublicError(HTTPStatus.INTERNAL_SERVER_ERROR, SettingsInvalid.code),
    WeightsUnavailable: PublicError(HTTPStatus.SERVICE_UNAVAILABLE, BackendUnavailable.code),
    UnknownVideo: PublicError(HTTPStatus.NOT_FOUND, "not_found"),
    UnknownCube: PublicError(HTTPStatus.NOT_FOUND, "not_found"),
    KeySpaceMismatch: PublicError(HTTPStatus.CONFLICT, BackendMismatch.code),
    StoreUnavailable: PublicError(HTTPStatus.SERVICE_UNAVAILABLE, "store.unavailable"),
    StoreFull: PublicError(HTTPStatus.INSUFFICIENT_STORAGE, "store.full"),
    SchemaTooNew: PublicError(HTTPStatus.SERVICE_UNAVAILABLE, "store.too_new"),
    CommitRefused: PublicError(HTTPStatus.CONFLICT, "ingest.superseded"),
    CorruptRecord: PublicError(HTTPStatus.INTERNAL_SERVER_ERROR, "memory.corrupt"),
}

UNKNOWN = PublicError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal")


def public_error(error: Exception) -> PublicError:
    """What a client is told of `error`; a subclass is told like its nearest listed base."""
    if isinstance(error, ServeError):
        return PublicError(error.status, error.code)
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), UNKNOWN)


def code_of(error: Exception) -> str:
    """The stable code."""
    return public_error(error).code


def detail_of(error: Exception) -> str:
    """The sentence a client reads; nothing of an unlisted error."""
    return "something went wrong inside Longwatch" if public_error(error) is UNKNOWN else str(error)
