from typing import Literal

TensorKind = Literal["image", "numbers", "table", "text", "tokens"]

TENSOR_KIND_VALUES: set[TensorKind] = {
    "image",
    "numbers",
    "table",
    "text",
    "tokens",
}


def check_tensor_kind(value: str) -> TensorKind:
    if value in TENSOR_KIND_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {TENSOR_KIND_VALUES!r}"
    )
