from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.preparation_type_0_kind import (
    PreparationType0Kind,
    check_preparation_type_0_kind,
)
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.order import Order


T = TypeVar("T", bound="PreparationType0")


@_attrs_define
class PreparationType0:
    """A picture: scaled to this size, then each channel is `(level - mean) / std`, where levels are from 0 to 1."""

    height: int
    """ Height in pixels. """
    kind: PreparationType0Kind
    width: int
    """ Width in pixels. """
    channels: int | Unset = UNSET
    """ 1 for grey, 3 for red, green and blue. """
    invert: bool | Unset = UNSET
    """ Whether black is 1 and white is 0. """
    mean: list[float] | Unset = UNSET
    """ What is taken away, for each channel or for all of them; 0 if left out. """
    order: Order | Unset = UNSET
    """ What the buyer orders; the market's job id is its EIP-712 digest. """
    std: list[float] | Unset = UNSET
    """ What the rest is divided by, for each channel or for all of them; 1 if left out. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        height = self.height

        kind: str = self.kind

        width = self.width

        channels = self.channels

        invert = self.invert

        mean: list[float] | Unset = UNSET
        if not isinstance(self.mean, Unset):
            mean = self.mean

        order: dict[str, Any] | Unset = UNSET
        if not isinstance(self.order, Unset):
            order = self.order.to_dict()

        std: list[float] | Unset = UNSET
        if not isinstance(self.std, Unset):
            std = self.std

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "height": height,
                "kind": kind,
                "width": width,
            }
        )
        if channels is not UNSET:
            field_dict["channels"] = channels
        if invert is not UNSET:
            field_dict["invert"] = invert
        if mean is not UNSET:
            field_dict["mean"] = mean
        if order is not UNSET:
            field_dict["order"] = order
        if std is not UNSET:
            field_dict["std"] = std

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.order import Order

        d = dict(src_dict)
        height = d.pop("height")

        kind = check_preparation_type_0_kind(d.pop("kind"))

        width = d.pop("width")

        channels = d.pop("channels", UNSET)

        invert = d.pop("invert", UNSET)

        mean = cast(list[float], d.pop("mean", UNSET))

        _order = d.pop("order", UNSET)
        order: Order | Unset
        if isinstance(_order, Unset):
            order = UNSET
        else:
            order = Order.from_dict(_order)

        std = cast(list[float], d.pop("std", UNSET))

        preparation_type_0 = cls(
            height=height,
            kind=kind,
            width=width,
            channels=channels,
            invert=invert,
            mean=mean,
            order=order,
            std=std,
        )

        preparation_type_0.additional_properties = d
        return preparation_type_0

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
