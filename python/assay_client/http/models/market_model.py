from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.market_model_earned import MarketModelEarned


T = TypeVar("T", bound="MarketModel")


@_attrs_define
class MarketModel:
    """A listed model."""

    deprecated: bool
    """ Whether it takes no new jobs. """
    earned: MarketModelEarned
    """ What was paid out for settled jobs, by token. """
    funded: int
    """ Jobs that were paid for. """
    late: int
    """ Those of them that were late. """
    model: str
    """ 32 bytes. """
    model_commitment: str
    """ 32 bytes. """
    owner: str
    """ An account or a contract. """
    registered_secs: int
    """ When it was listed, in the chain's unix seconds. """
    returned: int
    """ Jobs whose money went back. """
    settled: int
    """ Jobs that were proven and paid, and not refunded. """
    weights_proven_at: int
    """ Since when its weights are proven, unix seconds; 0: they are not. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        deprecated = self.deprecated

        earned = self.earned.to_dict()

        funded = self.funded

        late = self.late

        model = self.model

        model_commitment = self.model_commitment

        owner = self.owner

        registered_secs = self.registered_secs

        returned = self.returned

        settled = self.settled

        weights_proven_at = self.weights_proven_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "deprecated": deprecated,
                "earned": earned,
                "funded": funded,
                "late": late,
                "model": model,
                "model_commitment": model_commitment,
                "owner": owner,
                "registered_secs": registered_secs,
                "returned": returned,
                "settled": settled,
                "weights_proven_at": weights_proven_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.market_model_earned import MarketModelEarned

        d = dict(src_dict)
        deprecated = d.pop("deprecated")

        earned = MarketModelEarned.from_dict(d.pop("earned"))

        funded = d.pop("funded")

        late = d.pop("late")

        model = d.pop("model")

        model_commitment = d.pop("model_commitment")

        owner = d.pop("owner")

        registered_secs = d.pop("registered_secs")

        returned = d.pop("returned")

        settled = d.pop("settled")

        weights_proven_at = d.pop("weights_proven_at")

        market_model = cls(
            deprecated=deprecated,
            earned=earned,
            funded=funded,
            late=late,
            model=model,
            model_commitment=model_commitment,
            owner=owner,
            registered_secs=registered_secs,
            returned=returned,
            settled=settled,
            weights_proven_at=weights_proven_at,
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
