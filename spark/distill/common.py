"""Literals that tell nothing about one instance: everybody's numbers and words.

Numbers of four and more significant digits that turn up in any careful text, grouped by why they are common; technical terms that mix
letters and digits; the vocabulary of structured results.
"""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBERS = """
time           21600 43200 86399 604800 2592000 2678400 31536000 31557600 31622400 1440 10080 525600 36525 365.25 365.2425
units          0.3048 0.9144 1.609344 1.6093 1.609 0.45359237 0.453592 0.4536 2.20462 2.2046 28.3495 3.785411784 3.785 4.54609 0.7457
units          4.184 273.15 459.67 101325 1013.25 6894.757 6.894757
physics        9.80665 9.8067 9.8066 299792458 299792.458 6.02214076e23 6.022e23 1.380649e-23 6.62607015e-34 1.602176634e-19 6.6743e-11
physics        8.314 8.314462618
geography      6371.0088 6371.009 6378137 6378.137 6356.752 6356752.314245
images-sound   0.2126 0.7152 0.0722 44100 22050 11025 48000 96000
ports          3306 5432 6379 8443 9092 9090 9200 27017 5672 1883 11211
sentinels      9999 99999 999999 9999999 99999999 999999999 0.9999 0.99999 1234 12345 123456 1234567 12345678 123456789 1234567890
statistics     1.4826 1.349 0.6745 1.959964 2.5758 1.6449
"""
_COMMON = frozenset(Decimal(number) for line in _NUMBERS.splitlines() for number in line.split()[1:])
_CONSTANTS = (
    "3.14159265358979323846",  # π
    "6.28318530717958647692",  # 2π
    "1.57079632679489661923",  # π/2
    "0.78539816339744830962",  # π/4
    "57.2957795130823208768",  # 180/π
    "0.01745329251994329577",  # π/180
    "2.71828182845904523536",  # e
    "1.41421356237309504880",  # √2
    "0.70710678118654752440",  # 1/√2
    "1.73205080756887729353",  # √3
    "1.61803398874989484820",  # φ
    "0.57721566490153286061",  # γ
    "0.69314718055994530942",  # ln 2
    "2.30258509299404568402",  # ln 10
)
_YEARS = range(1900, 2101)
_TERM = re.compile(
    r"(?:utf|ucs|iso|latin|cp|windows|sha|md|crc|base|u?int|float|double|complex|python|py|x(?=86|64|32)|i(?=[36]86|64|32|16|8)|amd|arm|aarch|mp|h|http/?|tls|ssl|ipv|win"
    r"|ascii|sqlite|bash|rfc|v|r|rb|wb|col|row|line|step|test|part|section|chapter|field|item|case|attempt|level|page|sheet|id)[-_ ]?"
    r"[\d._-]+(?:le|be|sum|hex)?",
    re.IGNORECASE,
)
_TIMES = re.compile(r"(?:\d{1,2}:\d{2}(?:\s*[-–]\s*|$))+")
"""Times of day and spans of them, to the minute: `08:00`, `18:00-02:30`."""
_CALENDAR = re.compile(r"\d{4}-(?:01-01|12-31|02-28|02-29|03-01)")
"""The days on which calendars are tried."""
_WORDS = frozenset(
    word
    for line in """
    active alert answer array average boolean close closed column count critical current debug default delta description detail details
    digest empty enabled entry error errors event example expected failed failure false field fields final first float found global group
    hash header high index info input integer invalid items label last level lines list local lower match matched mean median message
    meta method minor missing mixed model month name names negative neutral never none normal notes null number object offset option
    order other output passed path pending percent positive primary range ratio reason record records reference report result results
    score second seconds severity signal simple single size sorted source start state status stdout string success summary table target
    title total totals true type unit units unknown update upper user valid value values version warning weight width zero
    """.splitlines()
    for word in line.split()
)


def is_common_number(value: Decimal) -> bool:
    """Years, powers of two and their neighbours, and what the lists above hold; of a constant, any rounding."""
    if value in _COMMON:
        return True
    if value == value.to_integral_value():
        whole = int(value)
        return whole in _YEARS or any(near & (near - 1) == 0 for near in (whole - 1, whole, whole + 1))
    shown = format(value, "f")
    return any(constant.startswith(shown[:-1]) for constant in _CONSTANTS)


def is_common_term(text: str) -> bool:
    """`utf-8`, `sha256`, `step 3`, times of day, turns of the year, and single words of structured results."""
    return any(rule.fullmatch(text) for rule in (_TERM, _TIMES, _CALENDAR)) or text.lower() in _WORDS
