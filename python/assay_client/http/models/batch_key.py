from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="BatchKey")


@_attrs_define
class BatchKey:
    """A key of a model for several inferences in one proof, each with input commitments of its own."""

    inferences: int
    """ How many inferences a proof has. """
    key_hash: str
    """ 32 bytes. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        inferences = self.inferences

        key_hash = self.key_hash

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "inferences": inferences,
                "key_hash": key_hash,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        inferences = d.pop("inferences")

        key_hash = d.pop("key_hash")

        batch_key = cls(
            inferences=inferences,
            key_hash=key_hash,
        )

        batch_key.additional_properties = d
        return batch_key

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
