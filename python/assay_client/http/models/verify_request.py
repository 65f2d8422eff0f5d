from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="VerifyRequest")


@_attrs_define
class VerifyRequest:
    """A claim about a model."""

    context: str
    """ 32 bytes. """
    input_commitments: list[str]
    """ Commitments to the input, 64 bytes per chunk. """
    output_cells: list[int]
    """ Output cells. """
    proof: str
    """ Bytes. """
    model: str
    """ 32 bytes. """
    clamps: int | Unset = UNSET
    """ The number of clamps that the proof states. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        context = self.context

        input_commitments = self.input_commitments

        output_cells = self.output_cells

        proof = self.proof

        model = self.model

        clamps = self.clamps

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "context": context,
                "input_commitments": input_commitments,
                "output_cells": output_cells,
                "proof": proof,
                "model": model,
            }
        )
        if clamps is not UNSET:
            field_dict["clamps"] = clamps

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        context = d.pop("context")

        input_commitments = cast(list[str], d.pop("input_commitments"))

        output_cells = cast(list[int], d.pop("output_cells"))

        proof = d.pop("proof")

        model = d.pop("model")

        clamps = d.pop("clamps", UNSET)

        verify_request = cls(
            context=context,
            input_commitments=input_commitments,
            output_cells=output_cells,
            proof=proof,
            model=model,
            clamps=clamps,
        )

        verify_request.additional_properties = d
        return verify_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
