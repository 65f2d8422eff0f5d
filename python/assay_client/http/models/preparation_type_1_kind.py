from typing import Literal

PreparationType1Kind = Literal["text"]

PREPARATION_TYPE_1_KIND_VALUES: set[PreparationType1Kind] = {
    "text",
}


def check_preparation_type_1_kind(value: str) -> PreparationType1Kind:
    if value in PREPARATION_TYPE_1_KIND_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {PREPARATION_TYPE_1_KIND_VALUES!r}"
    )
