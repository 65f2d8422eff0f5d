from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.next_type_1_next import NextType1Next, check_next_type_1_next

T = TypeVar("T", bound="NextType1")


@_attrs_define
class NextType1:
    """Asks again after some seconds."""

    next_: NextType1Next
    secs: int
    """ How long. """
    what: str
    """ What for. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        next_: str = self.next_

        secs = self.secs

        what = self.what

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "next": next_,
                "secs": secs,
                "what": what,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        next_ = check_next_type_1_next(d.pop("next"))

        secs = d.pop("secs")

        what = d.pop("what")

        next_type_1 = cls(
            next_=next_,
            secs=secs,
            what=what,
        )

        next_type_1.additional_properties = d
        return next_type_1

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
