from typing import Literal

State = Literal[
    "awaiting_payment",
    "cancelled",
    "expired",
    "failed",
    "locking",
    "proven",
    "proving",
    "queued",
    "refunded",
    "settled",
    "settlement_pending",
]

STATE_VALUES: set[State] = {
    "awaiting_payment",
    "cancelled",
    "expired",
    "failed",
    "locking",
    "proven",
    "proving",
    "queued",
    "refunded",
    "settled",
    "settlement_pending",
}


def check_state(value: str) -> State:
    if value in STATE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {STATE_VALUES!r}")
