"""The allow-list: what it names it allows, and nothing private that nobody named."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from claude_workers.enclosure.rules import Blocked, Rule, Rules, endpoint, is_loopback
from claude_workers.errors import BadInput

Lead = Callable[..., None]
PUBLIC = "93.184.215.14"


def rules(*texts: str) -> Rules:
    return Rules(tuple(Rule.parse(one) for one in texts))


@pytest.fixture
def lead(monkeypatch: pytest.MonkeyPatch) -> Lead:
    """Decide where every name leads: the one thing here that is the world's."""

    def decide(*addresses: str) -> None:
        def resolve(_host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
            families = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
            return [
                (family, socket.SOCK_STREAM, 6, "", (one, port))
                for family, one in zip(families, addresses, strict=True)
            ]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return decide


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.com", "example.com", None),
        ("Example.COM", "example.com", None),
        (" example.com ", "example.com", None),
        ("example.com:8443", "example.com", 8443),
        ("*.example.com", "*.example.com", None),
        ("*.example.com:8443", "*.example.com", 8443),
        ("localhost:5432", "localhost", 5432),
        ("localhost", "localhost", None),
        ("10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[::1]", "::1", None),
        ("[::1]:8080", "::1", 8080),
        ("my_host", "my_host", None),
        ("x:65535", "x", 65535),
    ],
)
def test_a_rule_is_a_host_with_or_without_a_port(text: str, host: str, port: int | None) -> None:
    assert Rule.parse(text) == Rule(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "*",
        "*.",
        "*.*",
        "*.com",
        "*.com.",
        "*..com",
        "*:443",
        "*.com:443",
        "**.example.com",
        "a.*.example.com",
        "*example.com",
        ".example.com",
        "-x.com",
        "https://example.com",
        "example.com/path",
        "user@example.com",
        "a b",
        "a,b",
        "a\nb",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:http",
        "example.com:-1",
        ":443",
        "::1",
        "[::1",
        "[x]",
        "x" * 300,
        "é.com",
    ],
)
def test_what_is_no_host_or_far_too_many_hosts_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a host") as caught:
        Rule.parse(text)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("rule", "host", "port"),
    [
        ("example.com", "example.com", 443),
        ("example.com", "example.com", 80),
        ("example.com.", "example.com", 443),
        ("example.com:8443", "example.com", 8443),
        ("*.example.com", "a.example.com", 443),
        ("*.example.com", "a.b.example.com", 80),
        ("*.example.com:8443", "a.example.com", 8443),
    ],
)
def test_a_rule_covers_what_it_names(rule: str, host: str, port: int) -> None:
    assert Rule.parse(rule).covers(host, port)


@pytest.mark.parametrize(
    ("rule", "host", "port"),
    [
        ("example.com", "example.com", 22),
        ("example.com", "example.com", 8443),
        ("example.com", "a.example.com", 443),
        ("example.com", "example.com.evil.org", 443),
        ("example.com", "evilexample.com", 443),
        ("example.com:8443", "example.com", 443),
        ("example.com:8443", "example.com", 80),
        ("*.example.com", "example.com", 443),
        ("*.example.com", "evilexample.com", 443),
        ("*.example.com", "a.example.com.evil.org", 443),
        ("*.example.com", "a.example.com", 22),
        ("*.example.com:8443", "a.example.com", 443),
    ],
)
def test_a_rule_covers_nothing_else(rule: str, host: str, port: int) -> None:
    assert not Rule.parse(rule).covers(host, port)


@pytest.mark.parametrize("host", ["example.com", "EXAMPLE.com", "example.com."])
def test_every_spelling_of_an_allowed_host_leads_to_its_address(host: str, lead: Lead) -> None:
    lead(PUBLIC)
    assert rules("example.com").address(host, 443) == (PUBLIC, 443)


@pytest.mark.parametrize("host", ["", ".", "evil.org", "example.com.evil.org", "a\0b", "1.2.3.4", "*.example.com"])
def test_a_host_that_nobody_named_is_refused_by_name_and_not_looked_up(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a refused name was looked up"))
    with pytest.raises(Blocked, match="not on the allow-list"):
        rules("example.com").address(host, 443)


@pytest.mark.parametrize("text", ["*.example.com", "*.example.com:443"])
def test_a_pattern_s_own_text_is_no_host_of_it(text: str, lead: Lead) -> None:
    lead("127.0.0.1")
    with pytest.raises(Blocked):
        rules(text).address("*.example.com", 443)


PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104  an address to be refused
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("place", PRIVATE)
@pytest.mark.parametrize("rule", ["a.example.com", "*.example.com", "*.example.com:443"])
def test_a_name_that_leads_to_a_private_address_is_refused(rule: str, place: str, lead: Lead) -> None:
    lead(place)
    with pytest.raises(Blocked, match="private"):
        rules(rule).address("a.example.com", 443)


@pytest.mark.parametrize("place", PRIVATE)
def test_an_operator_who_lists_a_host_with_its_port_means_it_private_or_not(place: str, lead: Lead) -> None:
    lead(place)
    assert rules("a.example.com:443").address("a.example.com", 443) == (place, 443)


@pytest.mark.parametrize("rule", ["a.example.com:8443", "*.example.com:443"])
def test_a_private_address_is_allowed_on_the_listed_port_alone(rule: str, lead: Lead) -> None:
    lead("10.0.0.1")
    with pytest.raises(Blocked, match="private"):
        rules("a.example.com", rule).address("a.example.com", 443)


@pytest.mark.parametrize(
    ("rule", "host", "port"),
    [("10.0.0.1", "10.0.0.1", 80), ("169.254.169.254", "169.254.169.254", 80), ("[::1]", "[::1]", 443)],
)
def test_a_private_address_that_is_itself_listed_is_allowed(rule: str, host: str, port: int) -> None:
    assert rules(rule).address(host, port) == (host.strip("[]"), port)


def test_this_machine_by_its_name_is_refused_unless_its_port_is_listed() -> None:
    with pytest.raises(Blocked, match="private"):
        rules("localhost").address("localhost", 80)
    assert rules("localhost:80").address("localhost", 80)[1] == 80


def test_of_several_addresses_a_public_one_is_taken(lead: Lead) -> None:
    lead("10.0.0.1", PUBLIC)
    assert rules("example.com").address("example.com", 443) == (PUBLIC, 443)


@pytest.mark.parametrize("label", ["a" * 64, "a" * 250, "a..b", ".a"])
def test_a_name_that_cannot_be_looked_up_is_an_error_of_the_network(label: str) -> None:
    with pytest.raises(OSError, match="does not resolve"):
        rules("*.example.com").address(f"{label}.example.com", 443)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://api.example.com", ("api.example.com", 443)),
        ("http://api.example.com/v1?x=1", ("api.example.com", 80)),
        ("HTTPS://API.example.com:8443/", ("api.example.com", 8443)),
        ("http://127.0.0.1:9923", ("127.0.0.1", 9923)),
        ("http://[::1]:9923", ("::1", 9923)),
        ("https://user:secret@api.example.com", ("api.example.com", 443)),
    ],
)
def test_a_url_names_its_host_and_port(url: str, place: tuple[str, int]) -> None:
    assert endpoint(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "localhost:8080",
        "/path",
        "//api.example.com:443",
        "ftp://api.example.com",
        "ftp://api.example.com:21",
        "file:///etc/passwd",
        "http://",
        "http://:80",
        "http://x:port",
        "http://x:99999",
        "http://[::1",
    ],
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        endpoint(url)


@pytest.mark.parametrize("url", ["ftp://user:s3cret@x", "http://user:s3cret@x:port", "https://user:s3cret@"])
def test_a_refused_url_s_secret_is_not_shown(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        endpoint(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "example.com", "10.0.0.1", "localhost.evil.org", "127.0.0.1.evil.org", "0.0.0.1"])
def test_another_machine_is_not_this_one(host: str) -> None:
    assert not is_loopback(host)
