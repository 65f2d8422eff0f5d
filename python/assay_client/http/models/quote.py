from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Quote")


@_attrs_define
class Quote:
    """What the seller offers and signs."""

    buyer: str
    """ An account or a contract. """
    collateral: str
    """ An amount of a token in its smallest unit, in decimal. """
    epoch: int
    """ The model's, which moves with its token and when its owner revokes all quotes. """
    expire_secs: int
    inferences: int
    """ How many inferences a job buys. """
    key_hash: str
    """ 32 bytes. """
    model_id: str
    """ 32 bytes. """
    nonce: str
    """ 32 bytes. """
    price: str
    """ An amount of a token in its smallest unit, in decimal. """
    prove_secs: int
    provers: list[str]
    token: str
    """ An account or a contract. """
    uses: int
    """ How many jobs the quote can fund; 0 for any number. """
    valid_from: int
    valid_until: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        buyer = self.buyer

        collateral = self.collateral

        epoch = self.epoch

        expire_secs = self.expire_secs

        inferences = self.inferences

        key_hash = self.key_hash

        model_id = self.model_id

        nonce = self.nonce

        price = self.price

        prove_secs = self.prove_secs

        provers = self.provers

        token = self.token

        uses = self.uses

        valid_from = self.valid_from

        valid_until = self.valid_until

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "buyer": buyer,
                "collateral": collateral,
                "epoch": epoch,
                "expire_secs": expire_secs,
                "inferences": inferences,
                "key_hash": key_hash,
                "model_id": model_id,
                "nonce": nonce,
                "price": price,
                "prove_secs": prove_secs,
                "provers": provers,
                "token": token,
                "uses": uses,
                "valid_from": valid_from,
                "valid_until": valid_until,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        buyer = d.pop("buyer")

        collateral = d.pop("collateral")

        epoch = d.pop("epoch")

        expire_secs = d.pop("expire_secs")

        inferences = d.pop("inferences")

        key_hash = d.pop("key_hash")

        model_id = d.pop("model_id")

        nonce = d.pop("nonce")

        price = d.pop("price")

        prove_secs = d.pop("prove_secs")

        provers = cast(list[str], d.pop("provers"))

        token = d.pop("token")

        uses = d.pop("uses")

        valid_from = d.pop("valid_from")

        valid_until = d.pop("valid_until")

        quote = cls(
            buyer=buyer,
            collateral=collateral,
            epoch=epoch,
            expire_secs=expire_secs,
            inferences=inferences,
            key_hash=key_hash,
            model_id=model_id,
            nonce=nonce,
            price=price,
            prove_secs=prove_secs,
            provers=provers,
            token=token,
            uses=uses,
            valid_from=valid_from,
            valid_until=valid_until,
        )

        quote.additional_properties = d
        return quote

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
