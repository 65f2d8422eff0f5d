from typing import Literal

NextType0Next = Literal["send"]

NEXT_TYPE_0_NEXT_VALUES: set[NextType0Next] = {
    "send",
}


def check_next_type_0_next(value: str) -> NextType0Next:
    if value in NEXT_TYPE_0_NEXT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {NEXT_TYPE_0_NEXT_VALUES!r}"
    )
