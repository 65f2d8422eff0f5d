from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.next_type_0_next import NextType0Next, check_next_type_0_next

T = TypeVar("T", bound="NextType0")


@_attrs_define
class NextType0:
    """The account sends a transaction without value, and asks again when it is in a block."""

    data: str
    """ Bytes. """
    next_: NextType0Next
    to: str
    """ An account or a contract. """
    what: str
    """ What it does, for people. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        data = self.data

        next_: str = self.next_

        to = self.to

        what = self.what

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "data": data,
                "next": next_,
                "to": to,
                "what": what,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        data = d.pop("data")

        next_ = check_next_type_0_next(d.pop("next"))

        to = d.pop("to")

        what = d.pop("what")

        next_type_0 = cls(
            data=data,
            next_=next_,
            to=to,
            what=what,
        )

        next_type_0.additional_properties = d
        return next_type_0

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
