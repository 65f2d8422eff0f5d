from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.state import State, check_state
from ..types import UNSET, Unset

T = TypeVar("T", bound="Ended")


@_attrs_define
class Ended:
    """A prediction that is over."""

    created_ms: int
    """ When it was asked for, milliseconds since the epoch. """
    ended_ms: int
    """ When it ended. """
    model: str
    """ 32 bytes. """
    state: State
    """ Where a prediction is in its life. """
    price: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        created_ms = self.created_ms

        ended_ms = self.ended_ms

        model = self.model

        state: str = self.state

        price: None | str | Unset
        if isinstance(self.price, Unset):
            price = UNSET
        else:
            price = self.price

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_ms": created_ms,
                "ended_ms": ended_ms,
                "model": model,
                "state": state,
            }
        )
        if price is not UNSET:
            field_dict["price"] = price

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        created_ms = d.pop("created_ms")

        ended_ms = d.pop("ended_ms")

        model = d.pop("model")

        state = check_state(d.pop("state"))

        def _parse_price(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        price = _parse_price(d.pop("price", UNSET))

        ended = cls(
            created_ms=created_ms,
            ended_ms=ended_ms,
            model=model,
            state=state,
            price=price,
        )

        ended.additional_properties = d
        return ended

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
