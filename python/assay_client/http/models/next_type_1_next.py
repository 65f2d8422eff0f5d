from typing import Literal

NextType1Next = Literal["wait"]

NEXT_TYPE_1_NEXT_VALUES: set[NextType1Next] = {
    "wait",
}


def check_next_type_1_next(value: str) -> NextType1Next:
    if value in NEXT_TYPE_1_NEXT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {NEXT_TYPE_1_NEXT_VALUES!r}"
    )
