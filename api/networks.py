"""Where a request comes from, as rate limits see it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


def network_of(request: HTTPConnection) -> str:
    """The IPv4 address or the IPv6 /64 of the client: whoever has one address of a /64 has them all.

    Behind a trusted proxy (PARLEY_TRUSTED_PROXIES) Uvicorn has put the client's address in the place of the proxy's.
    """
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
