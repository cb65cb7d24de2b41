"""Quantities as a person reads them."""

import math

_PREFIXES = "kMGTPE"


def quantity(value: int, unit: str) -> str:
    """Returns a count with a decimal prefix, such as `72.02 MB` or `188 B`."""
    if value < 1000:
        return f"{value:,} {unit}"
    power = min(int(math.log10(value)) // 3, len(_PREFIXES))
    return f"{value / 1000**power:,.2f} {_PREFIXES[power - 1]}{unit}"
