"""Checks the start secret, which lets in the user who started the service and nobody else on the machine.

`longwatch serve` makes a new secret at every start and writes it, readable by its user alone, into the runtime folder.
Programs send it as ``Authorization: Bearer lw_…`` (`serve.client.access_headers` finds it). A browser gets a
cookie from a one-time link, which the service prints and `longwatch link` makes anew. `longwatch serve --open` makes no
secret and answers every local user.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from memory.private_folder import private_folder
from serve.settings import Settings

ENTER = "/enter"
"""The one route that is answered without the secret: it takes the code of a one-time link."""
LINK_S = 600.0
"""How long a link that was asked for may be used. The printed one lasts until it is used."""
_PREFIX = "lw_"


def new_secret() -> str:
    """43 random characters behind a prefix by which a leak can be recognised."""
    return _PREFIX + secrets.token_urlsafe(32)


def secret_path(runtime_dir: Path, port: int) -> Path:
    """Where the secret of the service on a port lies."""
    return runtime_dir / f"service-{port}.secret"


def write_secret(runtime_dir: Path, port: int, secret: str) -> Path:
    """Writes the secret with mode 0600; a file of that name is replaced. Raises StoreUnavailable where the runtime
    folder is somebody else's."""
    path = secret_path(private_folder(runtime_dir), port)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secret)
    return path


def find_secret(address: str, runtime_dir: Path | None = None) -> str | None:
    """The secret of the service at `address`, where it runs on this machine as this user; None where there is none."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        return secret_path(Settings().runtime_dir if runtime_dir is None else runtime_dir, port).read_text()
    except OSError:
        return None


class Access:
    """Who is let in by one service.

    Args:
        secret: the start secret.
        port: part of the cookie's name, as browsers send a host's cookies to all of its ports.
    """

    def __init__(self, secret: str, port: int) -> None:
        self._secret = secret.encode()
        self.cookie_name = f"longwatch-{port}"
        self._codes: dict[str, float | None] = {self.first_code: None}

    @property
    def first_code(self) -> str:
        """The code of the link that is printed at the start; the service's other processes derive the same one."""
        return self._derived("first link")

    @property
    def cookie(self) -> str:
        """The cookie's value: not the secret itself, and the same after the gateway was started anew."""
        return self._derived("cookie")

    def _derived(self, purpose: str) -> str:
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).hexdigest()

    def allows(self, authorization: str, cookies: str) -> bool:
        """Whether a request with these headers (empty where absent) comes from somebody who has the secret."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._secret):
            return True
        return hmac.compare_digest(self._cookie_in(cookies).encode(), self.cookie.encode())

    def _cookie_in(self, cookies: str) -> str:
        try:
            morsel = SimpleCookie(cookies).get(self.cookie_name)
        except CookieError:
            return ""
        return "" if morsel is None else morsel.value

    def new_code(self) -> str:
        """The code of one more link, for the next ten minutes."""
        self._drop_expired()
        code = secrets.token_urlsafe(32)
        self._codes[code] = time.monotonic() + LINK_S
        return code

    def spend(self, code: str) -> bool:
        """Whether a link's code is good; it is not good a second time."""
        self._drop_expired()
        for issued in list(self._codes):
            if hmac.compare_digest(issued.encode(), code.encode()):
                del self._codes[issued]
                return True
        return False

    def _drop_expired(self) -> None:
        now = time.monotonic()
        self._codes = {code: until for code, until in self._codes.items() if until is None or until > now}
