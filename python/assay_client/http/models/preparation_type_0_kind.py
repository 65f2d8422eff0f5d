from typing import Literal

PreparationType0Kind = Literal["image"]

PREPARATION_TYPE_0_KIND_VALUES: set[PreparationType0Kind] = {
    "image",
}


def check_preparation_type_0_kind(value: str) -> PreparationType0Kind:
    if value in PREPARATION_TYPE_0_KIND_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {PREPARATION_TYPE_0_KIND_VALUES!r}"
    )
