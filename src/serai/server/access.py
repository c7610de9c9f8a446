"""Who may call: the bearer key, and without one the guard that keeps web pages away from a server on loopback."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from serai.errors import AccessError, AuthenticationError, ConfigurationError
from serai.server.errors import error_response
from serai.server.middleware import find_header
from serai.settings import Settings

_OWN_FETCH_SITES = frozenset((b"none", b"same-origin"))


def check_bind(settings: Settings) -> None:
    """Refuse to listen where strangers could run agents.

    Raises:
        ConfigurationError: the address is not loopback's, there is no key, and the operator did not allow it.
    """
    check_key(settings)
    if settings.security_key is None and not settings.insecure and not is_loopback(settings.host):
        raise ConfigurationError(
            f"Refusing to listen on {settings.host} without a security key: anyone who reaches it could run agents. "
            "Set SERAI_SECURITY_KEY, listen on 127.0.0.1, or pass --insecure (SERAI_INSECURE=1) to allow it."
        )


def check_key(settings: Settings) -> None:
    """Refuse a key, or the lack of one, that protects nothing.

    Raises:
        ConfigurationError: the key is empty, or there is none and pages of any origin would be answered.
    """
    if settings.security_key is not None and not settings.security_key.get_secret_value():
        raise ConfigurationError("SERAI_SECURITY_KEY is empty. Give it a long random value, or unset it.")
    if settings.security_key is None and "*" in settings.cors_origins:
        raise ConfigurationError(
            "SERAI_CORS_ORIGINS=* would let any web page run agents on a server without a key. "
            "List the origins, or set SERAI_SECURITY_KEY."
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only mean this machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class SecurityKey:
    """Demands the bearer key on every path that is not open."""

    def __init__(self, app: ASGIApp, *, key: str, open_paths: Iterable[str]) -> None:
        self.app = app
        self._key = key.encode()
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket") or _path_below_root(scope) in self._open_paths:
            await self.app(scope, receive, send)
            return
        error = self._check(find_header(scope, b"authorization"))
        if error is None:
            await self.app(scope, receive, send)
        else:
            await _refuse(error, scope, receive, send)

    def _check(self, header: bytes | None) -> AuthenticationError | None:
        if not header:
            return AuthenticationError("Authorization header required")
        scheme, _, token = header.partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else header
        if not hmac.compare_digest(given, self._key):
            return AuthenticationError("Invalid authentication token")
        return None


class LoopbackGuard:
    """Keeps web pages from using a keyless server through their visitor's browser.

    The Host allow-list stops DNS rebinding: a page's own name that suddenly resolves to this machine. The checks of
    Origin and Sec-Fetch-Site stop what needs no readable answer, such as a form posted from another site.
    Source: Fetch Metadata Request Headers, W3C; RFC 6454 for Origin.
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Iterable[str], allowed_origins: Iterable[str]) -> None:
        self.app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._known_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        host = origin = site = mode = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
            elif name == b"sec-fetch-mode":
                mode = value
        error = None
        if host is not None and host not in self._known_hosts:
            error = self._check_host(host, scope)
        if error is None and (origin is not None or site is not None):
            error = self._check_page(host, origin, site, navigates=mode == b"navigate" and scope.get("method") == "GET")
        if error is None:
            await self.app(scope, receive, send)
        else:
            await _refuse(error, scope, receive, send)

    def _check_host(self, host: bytes, scope: Scope) -> AccessError | None:
        name = _host_name(host.decode("latin-1"))
        server = scope.get("server")
        own = server is not None and name == str(server[0]).lower()
        if own or "*" in self._hosts or name in self._hosts or _is_address(name) or is_loopback(name):
            if len(self._known_hosts) < 64:
                self._known_hosts.add(host)
            return None
        return AccessError(
            f"This server has no security key and does not answer to the host name {name!r}. "
            "Add the name to SERAI_ALLOWED_HOSTS, or set SERAI_SECURITY_KEY."
        )

    def _check_page(
        self, host: bytes | None, origin: bytes | None, site: bytes | None, *, navigates: bool
    ) -> AccessError | None:
        if origin is not None:
            text = origin.decode("latin-1").lower()
            if text in self._origins or (host is not None and urlsplit(text).netloc == host.decode("latin-1").lower()):
                return None
            return AccessError(
                f"This server has no security key and does not take requests from pages of {text!r}. "
                "Add the origin to SERAI_CORS_ORIGINS, or set SERAI_SECURITY_KEY."
            )
        if site in _OWN_FETCH_SITES or navigates:
            return None
        return AccessError(
            "This server has no security key and does not take requests from pages of other sites. "
            "Add the page's origin to SERAI_CORS_ORIGINS, or set SERAI_SECURITY_KEY."
        )


def _host_name(host: str) -> str:
    """Return the name of a Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def _is_address(name: str) -> bool:
    # A rebinding attack needs a name; nobody's page lives at an address of ours.
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _path_below_root(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root):
        path = path[len(root) :]
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


async def _refuse(error: AccessError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:120]})
        return
    await error_response(error, scope)(scope, receive, send)
