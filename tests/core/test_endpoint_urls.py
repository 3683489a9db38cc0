"""Where an account may have its messages sent: which URLs are taken, and that no spelling of an address inside gets through."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reachbook.core import endpoint_urls
from reachbook.core.limits import URL_LENGTH

FINE = [
    "https://example.com",
    "http://example.com/in?a=b&c={MESSAGE}",
    "HTTPS://EXAMPLE.com:8443/in",
    "https://bücher.example/ü",
    "https://xn--bcher-kva.example/",
    "https://8.8.8.8/",
    "https://8.8.2056/",
    "https://134744072/",
    "https://0x8080808/",
    "https://[2001:4860:4860::8888]:443/in",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::808:808]/",
    "https://[2002:808:808::]/",
    "https://1.example.com/",
    "https://10.example.com/",
    "https://example.com./",
    "https://localhost.example.com/",
    "https://notlocalhost/",
    "https://example.com/@user:password",
    "https://example.com/in?mail=a@b.c",
]
REFUSED = {
    "a loopback address": [
        *("http://localhost", "http://LocalHost:80/", "http://localhost./", "http://a.localhost/", "http://a.localhost./"),
        *("http://127.0.0.1/", "http://127.255.255.254/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/"),
        *(
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://0x7F.0x0.0x0.0x1/",
            "http://127.0.0.1./",
            "http://127.1./",
        ),
        *("https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
        *("https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[2002:7f00:1:1::5]/"),
        *("http://１２７.0.0.1/", "http://127。0。0。1/", "http://①②⑦.0.0.1/", "http://ｌｏｃａｌｈｏｓｔ/"),
        *("http://127.0\u00ad.0.1/", "http://127.0.0.\u200b1/", "http://local\u00adhost/"),
    ],
    "a link-local address": [
        *("http://169.254.169.254/latest/meta-data", "http://169.254.1/", "http://2852039166/", "http://0xa9fea9fe/", "http://[fe80::1]/"),
        *("http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::1]/", "http://0251.0376.0251.0376/"),
    ],
    "a private address": [
        *("http://10.0.0.1/", "http://10.1/", "http://012.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/"),
        *("http://192.168.257/", "http://0xc0a80101/", "http://0.0.0.0/", "http://0/", "http://192.0.2.1/", "http://198.18.0.1/"),
        *("https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[::]/", "https://[2001:db8::1]/", "https://[::ffff:10.0.0.1]/"),
        *("https://[64:ff9b::10.0.0.1]/", "http://255.255.255.255/", "http://240.0.0.1/"),
    ],
    "an address that is not public": [
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://239.1.2.3/",
        "http://[ff02::1]/",
        "http://[ff0e::1]/",
    ],
    "leads to": [
        *("http://[fec0::1]/", "http://[::127.0.0.1]/", "http://[::10.0.0.1]/", "http://[64:ff9b:1::7f00:1]/", "http://[5000::1]/"),
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    ],
    "must begin with": [
        "ftp://example.com",
        "file:///etc/passwd",
        "gopher://example.com/",
        "example.com",
        "//example.com",
        "javascript:alert(1)",
    ],
    "user name": [
        "https://ann@example.com",
        "https://ann:secret@example.com/",
        "https://@example.com/",
        "https://:@example.com",
        "http://a@127.0.0.1",
    ],
    "fragment": ["https://example.com/#a", "https://example.com#", "https://example.com/?a#b"],
    "no host": [
        *(
            "https://",
            "https:///path",
            "http:/example.com",
            "http:example.com",
            "https://:443/",
            "https://example.com:0/",
            "https://{HOST}/",
        ),
        *("https://%31%32%37.0.0.1/", "https://[fe80::1%25eth0]/", "https://a,b/", "https://a;b/", "https://<a>/"),
    ],
    "is not a URL": [
        "https://[::1",
        "https://example.com:99999/",
        "https://example.com:http/",
        "https://[::1.2]/",
        "https://[12345::]/",
        "https://a..b/",
        "https://.a/",
    ],
    "blanks, control": [
        "https://exa mple.com",
        "https://example.com/\nx",
        "https://example.com/a b",
        "https://example.com\\@a",
        "https://\x7fa/",
        "https://a\x00b/",
    ],
    "required": ["", "   "],
    "longer than": ["https://example.com/" + "a" * URL_LENGTH],
}


@pytest.mark.parametrize("url", FINE)
def test_taken(url: str) -> None:
    assert endpoint_urls.check(f" {url} ") == url


@pytest.mark.parametrize(("reason", "url"), [(reason, url) for reason, urls in REFUSED.items() for url in urls])
def test_refused(reason: str, url: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        endpoint_urls.check(url)
    assert "127" not in str(refused.value), "the reason is for whoever reads it, in words"


def test_the_longest() -> None:
    longest = "https://example.com/".ljust(URL_LENGTH, "a")
    assert endpoint_urls.check(longest) == longest


def test_the_allow_list() -> None:
    allowed = endpoint_urls.networks(" 10.0.0.0/8 ,127.0.0.1, fd00::/8,, ")
    for url in (
        "http://10.9.8.7/",
        "http://127.0.0.1:8080/",
        "http://127.1/",
        "http://localhost/",
        "http://[fd00::5]/",
        "http://[::ffff:10.0.0.1]/",
    ):
        assert endpoint_urls.check(url, allowed) == url
    for url in ("http://127.0.0.2/", "http://192.168.1.1/", "http://[fc00::1]/", "http://[::1]/", "http://169.254.169.254/"):
        with pytest.raises(ValueError):
            endpoint_urls.check(url, allowed)
    assert endpoint_urls.networks("") == ()
    with pytest.raises(ValueError):
        endpoint_urls.networks("10.0.0.0/40")


def spelled(address: IPv4Address, ways: tuple[int, int, int, int], parts: int) -> str:
    """As inet_aton takes it: one to four parts, each decimal, octal or hexadecimal; the last one holds the rest."""
    whole = int(address)
    numbers = [(whole >> shift) & 0xFF for shift in (24, 16, 8, 0)][: parts - 1]
    numbers.append(whole & ((1 << 8 * (5 - parts)) - 1))
    forms = ("{}", "0{:o}", "0x{:x}", "0X{:X}")
    return ".".join(forms[way].format(number) for way, number in zip(ways, numbers, strict=False))


def public(address: IPv4Address | IPv6Address) -> bool:
    """What `ipaddress` says, of what an address carries if it carries one; restated by bits."""
    if isinstance(address, IPv6Address):
        bits = int(address)
        if bits >> 32 == 0xFFFF or bits >> 32 == 0x0064FF9B << 64:
            return public(IPv4Address(bits & 0xFFFFFFFF))
        if bits >> 112 == 0x2002:
            return public(IPv4Address(bits >> 80 & 0xFFFFFFFF))
        if bits >> 118 == 0xFEC0 >> 6:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


networks = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.168.0.0/16", "198.18.0.0/15"),
]
inside = st.sampled_from(networks).flatmap(lambda network: st.ip_addresses(network=network))
anywhere = st.ip_addresses(v=4) | inside
ways = st.tuples(*(st.integers(0, 3) for _ in range(4)))


@given(anywhere, ways, st.integers(1, 4), st.sampled_from(["", "."]))
@example(IPv4Address("127.0.0.1"), (1, 2, 0, 3), 2, "")
def test_no_spelling_gets_an_address_inside_through(address: IPv4Address, ways: tuple[int, int, int, int], parts: int, end: str) -> None:
    url = f"http://{spelled(address, ways, parts)}{end}/"
    try:
        taken = bool(endpoint_urls.check(url))
    except ValueError:
        taken = False
    assert taken == public(address), url


def carried(of: IPv4Address, by: int) -> IPv6Address:
    """An IPv4 address within IPv6: mapped, NAT64, 6to4, or the old way."""
    whole = int(of)
    return IPv6Address([0xFFFF << 32 | whole, 0x0064FF9B << 96 | whole, 0x2002 << 112 | whole << 80, whole][by])


@given(st.ip_addresses(v=6) | st.builds(carried, anywhere, st.integers(0, 3)), st.booleans())
@example(IPv6Address("fec0::1"), False)
@example(IPv6Address("2001:0:4136:e378:8000:63bf:3fff:fdd2"), False)
def test_no_address_of_ipv6_inside_gets_through(address: IPv6Address, long: bool) -> None:
    url = f"https://[{address.exploded if long else address}]/"
    try:
        taken = bool(endpoint_urls.check(url))
    except ValueError:
        taken = False
    assert not taken or public(address), url


@given(anywhere | st.ip_addresses(v=6))
def test_what_a_name_leads_to_is_judged_alike(address: IPv4Address | IPv6Address) -> None:
    """At the time of sending, by what the name resolves to."""
    assert endpoint_urls.refusal(address) is not None or public(address)
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    assert endpoint_urls.refusal(address, everything) is None
