from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.stage import Stage, check_stage
from ..types import UNSET, Unset

T = TypeVar("T", bound="MarketJob")


@_attrs_define
class MarketJob:
    """A job."""

    buyer: str
    """ An account or a contract. """
    funded_secs: int
    """ When it was paid for, in the chain's unix seconds. """
    job: str
    """ 32 bytes. """
    late: bool
    """ Whether it was proven late. """
    model: str
    """ 32 bytes. """
    paid: str
    """ An amount of a token in its smallest unit, in decimal. """
    price: str
    """ An amount of a token in its smallest unit, in decimal. """
    state: Stage
    """ Where a job is. """
    token: str
    """ An account or a contract. """
    ended_secs: int | None | Unset = UNSET
    """ When it was proven, taken back or given up; null if it is open. """
    prover: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        buyer = self.buyer

        funded_secs = self.funded_secs

        job = self.job

        late = self.late

        model = self.model

        paid = self.paid

        price = self.price

        state: str = self.state

        token = self.token

        ended_secs: int | None | Unset
        if isinstance(self.ended_secs, Unset):
            ended_secs = UNSET
        else:
            ended_secs = self.ended_secs

        prover: None | str | Unset
        if isinstance(self.prover, Unset):
            prover = UNSET
        else:
            prover = self.prover

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "buyer": buyer,
                "funded_secs": funded_secs,
                "job": job,
                "late": late,
                "model": model,
                "paid": paid,
                "price": price,
                "state": state,
                "token": token,
            }
        )
        if ended_secs is not UNSET:
            field_dict["ended_secs"] = ended_secs
        if prover is not UNSET:
            field_dict["prover"] = prover

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        buyer = d.pop("buyer")

        funded_secs = d.pop("funded_secs")

        job = d.pop("job")

        late = d.pop("late")

        model = d.pop("model")

        paid = d.pop("paid")

        price = d.pop("price")

        state = check_stage(d.pop("state"))

        token = d.pop("token")

        def _parse_ended_secs(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        ended_secs = _parse_ended_secs(d.pop("ended_secs", UNSET))

        def _parse_prover(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        prover = _parse_prover(d.pop("prover", UNSET))

        market_job = cls(
            buyer=buyer,
            funded_secs=funded_secs,
            job=job,
            late=late,
            model=model,
            paid=paid,
            price=price,
            state=state,
            token=token,
            ended_secs=ended_secs,
            prover=prover,
        )

        market_job.additional_properties = d
        return market_job

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
