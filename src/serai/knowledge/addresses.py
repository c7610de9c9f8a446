"""Which addresses of the network a URL may lead to. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_METADATA: Final = frozenset(
    map(ip_address, ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
"""Where clouds tell a machine its secrets: AWS and most others, Alibaba, Azure, Oracle, AWS over IPv6."""

_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
"""Given up by RFC 7526; releases of Python differ in whether it is public."""

_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/96"))
_TRANSLATED_AT_HOME: Final = IPv6Network("64:ff9b:1::/48")
"""Of RFC 8215. Only its network knows where the IPv4 address stands in it, except in the part above."""


def why_forbidden(text: str, *, allow_private: bool) -> str | None:
    """Return what kind of address this is, if it may not be asked.

    Args:
        text: an IPv4 or IPv6 address. One that carries another inside itself is judged by both.
        allow_private: loopback and private networks are fine; link-local and metadata addresses never are.
    """
    for address in _inner_and_outer(ip_address(text)):
        kind = _never(address) or (None if allow_private else _private(address))
        if kind is not None:
            return kind
    return None


def _inner_and_outer(address: Address) -> Iterator[Address]:
    """Yield the IPv4 address that an IPv6 address stands for, or else the address itself."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif any(address in network for network in _TRANSLATED):
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield from address.teredo


def _never(address: Address) -> str | None:
    if address in _METADATA:
        return "a cloud's metadata address"
    if address.is_link_local:
        return "a link-local address"
    if address in _TRANSLATED_AT_HOME:
        return "an address that stands for another one"
    if address.is_unspecified or address in _THIS_NETWORK:
        return "an unspecified address"
    return "a multicast address" if address.is_multicast else None


def _private(address: Address) -> str | None:
    if address.is_loopback:
        return "an address of this machine"
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    is_public = address.is_global and not address.is_reserved and not is_site_local and address not in _SIX_TO_FOUR
    return None if is_public else "an address of a private network"
