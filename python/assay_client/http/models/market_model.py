from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.sum_ import Sum


T = TypeVar("T", bound="MarketModel")


@_attrs_define
class MarketModel:
    """A listed model and its jobs, whoever served them."""

    funded: int
    """ Jobs that were paid for. """
    late: int
    """ Those of them that were proven late. """
    model: str
    """ 32 bytes. """
    paid: list[Sum]
    """ What was paid out for the settled ones. """
    registered_secs: int
    """ When it was listed, in the chain's unix seconds. """
    returned: int
    """ Jobs that were taken back, expired or refunded. """
    settled: int
    """ Jobs that were proven and paid out, and not refunded. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        funded = self.funded

        late = self.late

        model = self.model

        paid = []
        for paid_item_data in self.paid:
            paid_item = paid_item_data.to_dict()
            paid.append(paid_item)

        registered_secs = self.registered_secs

        returned = self.returned

        settled = self.settled

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "funded": funded,
                "late": late,
                "model": model,
                "paid": paid,
                "registered_secs": registered_secs,
                "returned": returned,
                "settled": settled,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.sum_ import Sum

        d = dict(src_dict)
        funded = d.pop("funded")

        late = d.pop("late")

        model = d.pop("model")

        paid = []
        _paid = d.pop("paid")
        for paid_item_data in _paid:
            paid_item = Sum.from_dict(paid_item_data)

            paid.append(paid_item)

        registered_secs = d.pop("registered_secs")

        returned = d.pop("returned")

        settled = d.pop("settled")

        market_model = cls(
            funded=funded,
            late=late,
            model=model,
            paid=paid,
            registered_secs=registered_secs,
            returned=returned,
            settled=settled,
        )

        market_model.additional_properties = d
        return market_model

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
