from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.order import Order
    from ..models.quote import Quote


T = TypeVar("T", bound="Escrow")


@_attrs_define
class Escrow:
    """An order with the quote that it accepts."""

    order: Order
    """ What the buyer orders; the market's job id is its EIP-712 digest. """
    quote: Quote
    """ What the seller offers and signs. """
    signature: str
    """ Bytes. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        order = self.order.to_dict()

        quote = self.quote.to_dict()

        signature = self.signature

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "order": order,
                "quote": quote,
                "signature": signature,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.order import Order
        from ..models.quote import Quote

        d = dict(src_dict)
        order = Order.from_dict(d.pop("order"))

        quote = Quote.from_dict(d.pop("quote"))

        signature = d.pop("signature")

        escrow = cls(
            order=order,
            quote=quote,
            signature=signature,
        )

        escrow.additional_properties = d
        return escrow

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
