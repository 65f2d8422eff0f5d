from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.inputs_type_1 import InputsType1


T = TypeVar("T", bound="CompletionRequest")


@_attrs_define
class CompletionRequest:
    """A prompt."""

    input_: InputsType1 | list[float]
    """ The inputs of a request, in real units, each row-major in its shape. """
    max_tokens: int
    """ How many tokens to put behind it. """
    model: str
    """ 32 bytes. """

    def to_dict(self) -> dict[str, Any]:
        input_: dict[str, Any] | list[float]
        if isinstance(self.input_, list):
            input_ = self.input_

        else:
            input_ = self.input_.to_dict()

        max_tokens = self.max_tokens

        model = self.model

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "input": input_,
                "max_tokens": max_tokens,
                "model": model,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.inputs_type_1 import InputsType1

        d = dict(src_dict)

        def _parse_input_(data: object) -> InputsType1 | list[float]:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                componentsschemas_inputs_type_0 = cast(list[float], data)

                return componentsschemas_inputs_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_inputs_type_1 = InputsType1.from_dict(data)

            return componentsschemas_inputs_type_1

        input_ = _parse_input_(d.pop("input"))

        max_tokens = d.pop("max_tokens")

        model = d.pop("model")

        completion_request = cls(
            input_=input_,
            max_tokens=max_tokens,
            model=model,
        )

        return completion_request
