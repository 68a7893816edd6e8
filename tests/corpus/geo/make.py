#!/usr/bin/env python3
"""Writes the small MaxMind databases beside it. Needs `pip install mmdb_writer==0.2.7`; the tests do not.

The addresses are those that RFC 5737 and RFC 3849 keep for documentation, and one range that a rule in
../cloudflare names.
"""

from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet


def country(code, continent, european=False):
    record = {"continent": {"code": continent}, "country": {"iso_code": code}}
    if european:
        record["country"]["is_in_european_union"] = True
    return record


COUNTRIES = {
    "192.0.2.1/32": country("GB", "EU"),
    "192.0.2.2/32": country("FR", "EU", european=True),
    "192.0.2.3/32": country("US", "NA"),
    "192.0.2.4/32": country("DE", "EU", european=True),
    "11.22.33.0/24": country("US", "NA"),
    "2001:db8:44::/48": country("GB", "EU"),
}

CITIES = {
    "192.0.2.64/26": {
        **country("GB", "EU"),
        "city": {"names": {"en": "Boxford", "de": "Boxford (de)"}},
        "subdivisions": [
            {"iso_code": "ENG", "names": {"en": "England"}},
            {"iso_code": "WBK", "names": {"en": "West Berkshire"}},
        ],
        "postal": {"code": "OX1"},
        "location": {"latitude": 51.75, "longitude": -1.25, "time_zone": "Europe/London"},
    },
    "2001:db8:1::/48": {
        **country("US", "NA"),
        "city": {"names": {"en": "Milton"}},
        "subdivisions": [{"iso_code": "WA", "names": {"en": "Washington"}}],
        "location": {"metro_code": 819, "latitude": 47.2513, "longitude": -122.3149},
    },
    "192.0.2.128/32": country("JP", "AS"),
}

NETWORKS = {
    "192.0.2.5/32": {"autonomous_system_number": 54321, "autonomous_system_organization": "Example"},
    "192.0.2.64/26": {"autonomous_system_number": 64500},
    "2001:db8:1::/48": {"autonomous_system_number": 64501},
}


def write(name, kind, version, records):
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, database_type=kind)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(Path(__file__).with_name(name)))


def only_v4(records):
    return {network: record for network, record in records.items() if ":" not in network}


if __name__ == "__main__":
    write("countries.mmdb", "GeoLite2-Country", 6, COUNTRIES)
    write("cities.mmdb", "GeoIP2-City", 6, CITIES)
    write("networks.mmdb", "DBIP-ASN-Lite (compat=GeoLite2-ASN)", 6, NETWORKS)
    write("networks4.mmdb", "GeoLite2-ASN", 4, only_v4(NETWORKS))
    write("domains.mmdb", "GeoIP2-Domain", 6, {"192.0.2.0/24": {"domain": "example.com"}})
