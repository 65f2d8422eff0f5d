from typing import Literal

NextType2Next = Literal["listed"]

NEXT_TYPE_2_NEXT_VALUES: set[NextType2Next] = {
    "listed",
}


def check_next_type_2_next(value: str) -> NextType2Next:
    if value in NEXT_TYPE_2_NEXT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {NEXT_TYPE_2_NEXT_VALUES!r}"
    )
