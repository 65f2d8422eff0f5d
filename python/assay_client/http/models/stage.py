from typing import Literal

Stage = Literal["cancelled", "expired", "funded", "locked", "refunded", "settled"]

STAGE_VALUES: set[Stage] = {
    "cancelled",
    "expired",
    "funded",
    "locked",
    "refunded",
    "settled",
}


def check_stage(value: str) -> Stage:
    if value in STAGE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {STAGE_VALUES!r}")
