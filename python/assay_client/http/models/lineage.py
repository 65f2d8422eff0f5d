from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.part import Part


T = TypeVar("T", bound="Lineage")


@_attrs_define
class Lineage:
    """Where a model comes from, by the chain."""

    parts: list[Part]
    """ The revenue split, and what splitters make of their shares. The model's own come first. """
    registered_secs: int
    """ When it was listed, in the chain's unix seconds. """
    registrant: str
    """ An account or a contract. """
    uri: str
    """ Where its registration says that its card is; may be empty. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        parts = []
        for parts_item_data in self.parts:
            parts_item = parts_item_data.to_dict()
            parts.append(parts_item)

        registered_secs = self.registered_secs

        registrant = self.registrant

        uri = self.uri

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "parts": parts,
                "registered_secs": registered_secs,
                "registrant": registrant,
                "uri": uri,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.part import Part

        d = dict(src_dict)
        parts = []
        _parts = d.pop("parts")
        for parts_item_data in _parts:
            parts_item = Part.from_dict(parts_item_data)

            parts.append(parts_item)

        registered_secs = d.pop("registered_secs")

        registrant = d.pop("registrant")

        uri = d.pop("uri")

        lineage = cls(
            parts=parts,
            registered_secs=registered_secs,
            registrant=registrant,
            uri=uri,
        )

        lineage.additional_properties = d
        return lineage

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
