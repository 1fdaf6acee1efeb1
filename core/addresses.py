"""Where a request that a setting names may go. Pure: names and addresses in, a reason out.

Whoever can change an address in the settings, or what a name resolves to, must not reach with it
what only this machine can reach: a cloud's metadata service, or a neighbour that trusts us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, parse_qs, urlsplit

_SCHEMES = ("http", "https")
_REDIS = ("redis", "rediss")
_METADATA = frozenset(
    ip_address(known)
    for known in ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200",
                  "192.0.0.192", "168.63.129.16")
)  # fmt: skip
"""Where Amazon, Google, Alibaba, Oracle and Azure answer a machine about itself."""

_NOWHERE = ip_network("0.0.0.0/8")
_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_LOCAL_NAMES = ("localhost", "local", "internal", "lan", "svc", "cluster.local", "home.arpa")
_HOST = re.compile(r"[^\s/@?#,]+")

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Destination:
    """The one host that a setting names, and what may be asked of its addresses.

    `listed` are the hosts that the operator allows; empty allows the setting's own. With
    `proxied` a proxy of the environment resolves the name, so that only the name is checked.
    """

    variable: str
    host: str
    listed: frozenset[str] = frozenset()
    proxied: bool = False

    @classmethod
    def of(cls, variable: str, url: str, listed: str, *, proxied: bool = False) -> Destination:
        """The destination of a URL that `check_url` has let pass."""
        return cls(variable, host_of(url), hosts_in(listed), proxied)

    def refuses(self, host: str, addresses: list[str]) -> str:
        """Why nothing may be sent to that host at these addresses; empty where it may.

        One bad address is enough: which of them a connection takes is not ours to choose.
        """
        if _plain(host) != self.host or (self.listed and self.host not in self.listed):
            return f"{self.variable} does not allow the host {host}"
        for said in addresses:
            address = _unwrapped(ip_address(said.partition("%")[0]))
            if why := _never(address):
                return f"{self.variable} leads to {said}, {why}"
            if not address.is_global and not self._may_be_local:
                return (
                    f"{self.variable} leads to {said}, an address of this machine or of a private "
                    f"network; where that is meant, list {self.host} in {self._list}"
                )
        return ""

    @property
    def _may_be_local(self) -> bool:
        """Whether the operator plainly meant an address that is not public."""
        return self.host in self.listed or _is_address(self.host) or _is_local_name(self.host)

    @property
    def _list(self) -> str:
        return self.variable.removesuffix("_URL") + "_HOSTS"


def check_url(url: str, listed: str = "", *, userinfo: bool = False) -> None:
    """See that a URL may be asked at all, before anything is resolved.

    Raises:
        ValueError: it is no http or https address, its host is not listed or is never allowed,
            or (without `userinfo`) a name or password stands in it. The text quotes nothing of it.
    """
    parts = _split(url)
    host = host_of(url)
    if parts.scheme not in _SCHEMES or not host:
        raise ValueError("must be an http:// or https:// address")
    if not userinfo and has_userinfo(url):
        raise ValueError("must not have a name or password in it: it is shown and logged")
    if (named := hosts_in(listed)) and host not in named:
        raise ValueError("names a host that is not in the list of those allowed")
    if _is_address(host) and (why := _never(_unwrapped(ip_address(host)))):
        raise ValueError(f"names {why}")


def check_redis(url: str) -> None:
    """See that a Redis is one that not everybody on its network can use.

    Whoever reaches it can queue work and read what is queued, so beyond this machine it needs a
    password, or TLS by which the client shows who it is.

    Raises:
        ValueError: it is none; the text quotes nothing of it.
    """
    parts = _split(url)
    options = parse_qs(parts.query)
    if parts.scheme == "unix" or (parts.scheme in _REDIS and is_loopback(parts.hostname or "")):
        return
    if parts.scheme not in _REDIS or not parts.hostname:
        raise ValueError("must start with redis://, rediss:// or unix://")
    if parts.password or options.get("password"):
        return
    if parts.scheme == "rediss" and options.get("ssl_certfile"):
        return
    raise ValueError(
        "names a Redis on another machine and no password, so that whoever reaches it could "
        "queue work. Set one there (requirepass) and here: redis://:PASSWORD@HOST:PORT/0"
    )


def host_of(url: str) -> str:
    """The host of a URL, in small letters, without brackets and without the root's dot."""
    return _plain(_split(url).hostname or "")


def has_userinfo(url: str) -> bool:
    """Whether a name or a password stands before the host."""
    return "@" in _split(url).netloc


def is_loopback(host: str) -> bool:
    """Whether a host, as a setting names it, is this machine."""
    if _is_address(host):
        return _unwrapped(ip_address(host)).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def hosts_in(listed: str) -> frozenset[str]:
    """The hosts of a list that is separated by commas.

    Raises:
        ValueError: an entry is no host.
    """
    entries = [entry.strip() for entry in listed.split(",") if entry.strip()]
    hosts = {_plain(entry) for entry in entries}
    for host in hosts:
        if not _HOST.fullmatch(host) or (":" in host and not _is_address(host)):
            raise ValueError("lists hosts without scheme, port and path, separated by commas")
    return frozenset(hosts)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # Its text quotes what stands before the host, which may be a password.
        raise ValueError("is no address that can be read") from None


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_local_name(host: str) -> bool:
    """A name that public DNS does not give out: a service of compose or Kubernetes, say."""
    return "." not in host or host.endswith(tuple(f".{end}" for end in _LOCAL_NAMES))


def _never(address: Address) -> str:
    """Why nothing is ever sent there, whatever is listed."""
    if address.is_link_local or address in _METADATA:
        return "a link-local or metadata address, where clouds keep a machine's credentials"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or address in _NOWHERE:
        return "an address that means no host"
    if isinstance(address, IPv4Address) and address.is_reserved:
        return "a reserved address"
    return ""


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that travels inside an IPv6 one, where one does."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is None and address in _COMPATIBLE and int(address) > 0xFFFF:  # noqa: PLR2004
        inner = IPv4Address(int(address))
    return inner or address
