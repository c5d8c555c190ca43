"""What counts as one caller, and how an address is written down."""

from __future__ import annotations

import pytest

from engine.access.addresses import UNKNOWN, address_of, network_of


@pytest.mark.parametrize(
    ("host", "address", "network"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("2001:DB8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("", None, UNKNOWN),
        (None, None, UNKNOWN),
        ("192.0.2.7:80", None, UNKNOWN),
        ("' OR 1=1 --", None, UNKNOWN),
        ("\0", None, UNKNOWN),
    ],
)
def test_an_address_is_written_one_way_and_counts_with_its_network(
    host: str | None, address: str | None, network: str
) -> None:
    assert (address_of(host), network_of(host)) == (address, network)
