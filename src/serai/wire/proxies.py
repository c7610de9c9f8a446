"""Which proxy of the environment stands between a client and its server: none for a server on the same machine."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx


def http_options(base_url: str) -> dict[str, Any]:
    """Return the arguments of an ``httpx.Client`` of ours for a server; on a loopback address no proxy is used."""
    if not is_loopback(base_url):
        return {}
    # Without the environment httpx would also miss its certificates (SSL_CERT_FILE), hence the context made with it.
    is_secure = urlsplit(base_url).scheme == "https"
    return {"trust_env": False, "verify": httpx.create_ssl_context() if is_secure else True}


def is_loopback(base_url: str) -> bool:
    """Say whether a base URL names this machine: ``localhost``, 127.0.0.0/8 or ::1."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def environment_proxy(base_url: str) -> str | None:
    """Return the proxy, without its user and password, through which a client of ours reaches a server; else None."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - for an error's text only

    parts = urlsplit(base_url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or is_loopback(base_url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy.rpartition("@")[2].rpartition("://")[2]
