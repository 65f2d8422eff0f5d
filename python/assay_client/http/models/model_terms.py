from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="ModelTerms")


@_attrs_define
class ModelTerms:
    """The terms on which a model is sold."""

    collateral: str
    """ An amount of a token in its smallest unit, in decimal. """
    expire_secs: int
    """ Seconds from the payment after which the buyer takes the money back. """
    market: str
    """ An account or a contract. """
    price: str
    """ An amount of a token in its smallest unit, in decimal. """
    prove_secs: int
    """ Seconds from the payment in which a proof is promised. """
    quote_secs: int
    """ Seconds for which a quote can be paid. """
    token: str
    """ An account or a contract. """
    chain_id: int | None | Unset = UNSET
    """ The chain that the market is on; null as long as this server has not reached it. """
    explorer: None | str | Unset = UNSET
    """ Where people look at the chain's transactions, if the operator says so: a transaction's page is `/tx/` and
    its
    hash behind it. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        collateral = self.collateral

        expire_secs = self.expire_secs

        market = self.market

        price = self.price

        prove_secs = self.prove_secs

        quote_secs = self.quote_secs

        token = self.token

        chain_id: int | None | Unset
        if isinstance(self.chain_id, Unset):
            chain_id = UNSET
        else:
            chain_id = self.chain_id

        explorer: None | str | Unset
        if isinstance(self.explorer, Unset):
            explorer = UNSET
        else:
            explorer = self.explorer

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "collateral": collateral,
                "expire_secs": expire_secs,
                "market": market,
                "price": price,
                "prove_secs": prove_secs,
                "quote_secs": quote_secs,
                "token": token,
            }
        )
        if chain_id is not UNSET:
            field_dict["chain_id"] = chain_id
        if explorer is not UNSET:
            field_dict["explorer"] = explorer

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        collateral = d.pop("collateral")

        expire_secs = d.pop("expire_secs")

        market = d.pop("market")

        price = d.pop("price")

        prove_secs = d.pop("prove_secs")

        quote_secs = d.pop("quote_secs")

        token = d.pop("token")

        def _parse_chain_id(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        chain_id = _parse_chain_id(d.pop("chain_id", UNSET))

        def _parse_explorer(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        explorer = _parse_explorer(d.pop("explorer", UNSET))

        model_terms = cls(
            collateral=collateral,
            expire_secs=expire_secs,
            market=market,
            price=price,
            prove_secs=prove_secs,
            quote_secs=quote_secs,
            token=token,
            chain_id=chain_id,
            explorer=explorer,
        )

        model_terms.additional_properties = d
        return model_terms

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
