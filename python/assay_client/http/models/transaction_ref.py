from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="TransactionRef")


@_attrs_define
class TransactionRef:
    """A transaction of a prediction."""

    hash_: str
    """ 32 bytes. """
    purpose: str
    """ `lock` or `settle`. """
    state: str
    """ `pending`, `mined`, `reverted`, `bumped` (one that pays higher fees was sent in its place, and one of them
    will
    be mined) or `replaced`. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        hash_ = self.hash_

        purpose = self.purpose

        state = self.state

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "hash": hash_,
                "purpose": purpose,
                "state": state,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        hash_ = d.pop("hash")

        purpose = d.pop("purpose")

        state = d.pop("state")

        transaction_ref = cls(
            hash_=hash_,
            purpose=purpose,
            state=state,
        )

        transaction_ref.additional_properties = d
        return transaction_ref

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
