from typing import Literal

SampleFormat = Literal["csv", "json", "npy", "npz"]

SAMPLE_FORMAT_VALUES: set[SampleFormat] = {
    "csv",
    "json",
    "npy",
    "npz",
}


def check_sample_format(value: str) -> SampleFormat:
    if value in SAMPLE_FORMAT_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {SAMPLE_FORMAT_VALUES!r}"
    )
