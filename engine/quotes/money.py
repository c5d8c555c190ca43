"""Money: decimal amounts, the seven currencies and how a component is rounded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType

# Digits after the point that each currency's minor unit has (ISO 4217).
MINOR_DIGITS: Mapping[str, int] = MappingProxyType(
    {"USD": 2, "EUR": 2, "GBP": 2, "CAD": 2, "AUD": 2, "CHF": 2, "JPY": 0}
)
DEFAULT_CURRENCY = "USD"

# The largest amount that a caller may name, in any currency.
AMOUNT_MAX = Decimal("99999999.99")

# A total that the caller sent may differ from ours by this much, for its own rounding.
TOLERANCE = Decimal("0.01")

_MINOR_UNIT: Mapping[str, Decimal] = {
    currency: Decimal(1).scaleb(-digits) for currency, digits in MINOR_DIGITS.items()
}


def round_to_minor(amount: Decimal, currency: str) -> Decimal:
    """Rounds half up to the currency's minor unit, and gives the amount exactly those digits."""
    return amount.quantize(_MINOR_UNIT[currency], ROUND_HALF_UP)


def fits_minor(amount: Decimal, currency: str) -> bool:
    """Whether the amount has no more digits than the currency's minor unit."""
    return amount == amount.quantize(_MINOR_UNIT[currency], ROUND_HALF_UP)
