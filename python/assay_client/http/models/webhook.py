from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Webhook")


@_attrs_define
class Webhook:
    """Where a client wants to be told. The secret is shown once, when it is made."""

    created_ms: int
    """ When it was made, milliseconds since the epoch. """
    id: str
    """ Its id. """
    url: str
    """ Where messages are posted. """
    disabled_ms: int | None | Unset = UNSET
    """ When it was switched off, since its receiver said that it is gone (410). """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created_ms = self.created_ms

        id = self.id

        url = self.url

        disabled_ms: int | None | Unset
        if isinstance(self.disabled_ms, Unset):
            disabled_ms = UNSET
        else:
            disabled_ms = self.disabled_ms

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_ms": created_ms,
                "id": id,
                "url": url,
            }
        )
        if disabled_ms is not UNSET:
            field_dict["disabled_ms"] = disabled_ms

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        created_ms = d.pop("created_ms")

        id = d.pop("id")

        url = d.pop("url")

        def _parse_disabled_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        disabled_ms = _parse_disabled_ms(d.pop("disabled_ms", UNSET))

        webhook = cls(
            created_ms=created_ms,
            id=id,
            url=url,
            disabled_ms=disabled_ms,
        )

        webhook.additional_properties = d
        return webhook

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
