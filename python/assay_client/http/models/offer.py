from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.offer_card import OfferCard


T = TypeVar("T", bound="Offer")


@_attrs_define
class Offer:
    """What a seller says of a model that is offered."""

    card: OfferCard | Unset = UNSET
    """ The model's card: description, labels, preparation of inputs, price and times, as in `MODEL.card.json`
    (docs/cli.md). All may be left out. """

    def to_dict(self) -> dict[str, Any]:
        card: dict[str, Any] | Unset = UNSET
        if not isinstance(self.card, Unset):
            card = self.card.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if card is not UNSET:
            field_dict["card"] = card

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.offer_card import OfferCard

        d = dict(src_dict)
        _card = d.pop("card", UNSET)
        card: OfferCard | Unset
        if isinstance(_card, Unset):
            card = UNSET
        else:
            card = OfferCard.from_dict(_card)

        offer = cls(
            card=card,
        )

        return offer
