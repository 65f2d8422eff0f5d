from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.inputs_type_1 import InputsType1


T = TypeVar("T", bound="CommitmentRequest")


@_attrs_define
class CommitmentRequest:
    """A public input."""

    input_: InputsType1 | list[float]
    """ The inputs of a request, in real units, each row-major in its shape. """
    model: str
    """ 32 bytes. """
    allow_clamping: bool | Unset = UNSET
    """ Whether to commit to an input outside the published range. """

    def to_dict(self) -> dict[str, Any]:
        input_: dict[str, Any] | list[float]
        if isinstance(self.input_, list):
            input_ = self.input_

        else:
            input_ = self.input_.to_dict()

        model = self.model

        allow_clamping = self.allow_clamping

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "input": input_,
                "model": model,
            }
        )
        if allow_clamping is not UNSET:
            field_dict["allow_clamping"] = allow_clamping

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

        model = d.pop("model")

        allow_clamping = d.pop("allow_clamping", UNSET)

        commitment_request = cls(
            input_=input_,
            model=model,
            allow_clamping=allow_clamping,
        )

        return commitment_request
