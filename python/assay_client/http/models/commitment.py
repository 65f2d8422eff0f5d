from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Commitment")


@_attrs_define
class Commitment:
    """The commitment to a public input: what a quote and an order name."""

    input_commitment: str
    """ 32 bytes. """
    input_commitments: list[str]
    """ Commitments, 64 bytes each. """
    outside: int
    """ How many elements are outside the published range. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        input_commitment = self.input_commitment

        input_commitments = self.input_commitments

        outside = self.outside

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "input_commitment": input_commitment,
                "input_commitments": input_commitments,
                "outside": outside,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        input_commitment = d.pop("input_commitment")

        input_commitments = cast(list[str], d.pop("input_commitments"))

        outside = d.pop("outside")

        commitment = cls(
            input_commitment=input_commitment,
            input_commitments=input_commitments,
            outside=outside,
        )

        commitment.additional_properties = d
        return commitment

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
