from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.market_prover_earned import MarketProverEarned


T = TypeVar("T", bound="MarketProver")


@_attrs_define
class MarketProver:
    """What a prover has delivered: all of its reputation that the chain knows."""

    buyers: int
    """ Different buyers: whoever buys from himself has one. """
    earned: MarketProverEarned
    """ What was paid out for them, to all payees, by token. """
    late: int
    """ Those of them that were late. """
    missed: int
    """ Jobs that were locked and not proven in time. """
    prover: str
    """ An account or a contract. """
    refunded: int
    """ Jobs whose payment was given back. """
    settled: int
    """ Jobs that were proven and paid, and not refunded. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        buyers = self.buyers

        earned = self.earned.to_dict()

        late = self.late

        missed = self.missed

        prover = self.prover

        refunded = self.refunded

        settled = self.settled

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "buyers": buyers,
                "earned": earned,
                "late": late,
                "missed": missed,
                "prover": prover,
                "refunded": refunded,
                "settled": settled,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.market_prover_earned import MarketProverEarned

        d = dict(src_dict)
        buyers = d.pop("buyers")

        earned = MarketProverEarned.from_dict(d.pop("earned"))

        late = d.pop("late")

        missed = d.pop("missed")

        prover = d.pop("prover")

        refunded = d.pop("refunded")

        settled = d.pop("settled")

        market_prover = cls(
            buyers=buyers,
            earned=earned,
            late=late,
            missed=missed,
            prover=prover,
            refunded=refunded,
            settled=settled,
        )

        market_prover.additional_properties = d
        return market_prover

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
