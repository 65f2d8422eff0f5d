from typing import Literal

CompilationState = Literal["cancelled", "done", "failed", "running", "waiting"]

COMPILATION_STATE_VALUES: set[CompilationState] = {
    "cancelled",
    "done",
    "failed",
    "running",
    "waiting",
}


def check_compilation_state(value: str) -> CompilationState:
    if value in COMPILATION_STATE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {COMPILATION_STATE_VALUES!r}"
    )
