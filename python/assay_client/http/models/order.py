from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Order")


@_attrs_define
class Order:
    """What the buyer orders; the market's job id is its EIP-712 digest."""

    buyer: str
    """ An account or a contract. """
    collateral: str
    """ An amount of a token in its smallest unit, in decimal. """
    expire_secs: int
    fee_split_hash: str
    """ 32 bytes. """
    input_commitment: str
    """ 32 bytes. """
    key_hash: str
    """ 32 bytes. """
    max_price: str
    """ An amount of a token in its smallest unit, in decimal. """
    model_commitment: str
    """ 32 bytes. """
    model_id: str
    """ 32 bytes. """
    prove_secs: int
    prover: str
    """ An account or a contract. """
    salt: str
    """ 32 bytes. """
    token: str
    """ An account or a contract. """
    verifier: str
    """ An account or a contract. """
    unclamped: bool | Unset = UNSET
    """ Pay only for a proof which says that no value of the inference had to be clamped. The seller's quote does
    not
    depend on it. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        buyer = self.buyer

        collateral = self.collateral

        expire_secs = self.expire_secs

        fee_split_hash = self.fee_split_hash

        input_commitment = self.input_commitment

        key_hash = self.key_hash

        max_price = self.max_price

        model_commitment = self.model_commitment

        model_id = self.model_id

        prove_secs = self.prove_secs

        prover = self.prover

        salt = self.salt

        token = self.token

        verifier = self.verifier

        unclamped = self.unclamped

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "buyer": buyer,
                "collateral": collateral,
                "expire_secs": expire_secs,
                "fee_split_hash": fee_split_hash,
                "input_commitment": input_commitment,
                "key_hash": key_hash,
                "max_price": max_price,
                "model_commitment": model_commitment,
                "model_id": model_id,
                "prove_secs": prove_secs,
                "prover": prover,
                "salt": salt,
                "token": token,
                "verifier": verifier,
            }
        )
        if unclamped is not UNSET:
            field_dict["unclamped"] = unclamped

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        buyer = d.pop("buyer")

        collateral = d.pop("collateral")

        expire_secs = d.pop("expire_secs")

        fee_split_hash = d.pop("fee_split_hash")

        input_commitment = d.pop("input_commitment")

        key_hash = d.pop("key_hash")

        max_price = d.pop("max_price")

        model_commitment = d.pop("model_commitment")

        model_id = d.pop("model_id")

        prove_secs = d.pop("prove_secs")

        prover = d.pop("prover")

        salt = d.pop("salt")

        token = d.pop("token")

        verifier = d.pop("verifier")

        unclamped = d.pop("unclamped", UNSET)

        order = cls(
            buyer=buyer,
            collateral=collateral,
            expire_secs=expire_secs,
            fee_split_hash=fee_split_hash,
            input_commitment=input_commitment,
            key_hash=key_hash,
            max_price=max_price,
            model_commitment=model_commitment,
            model_id=model_id,
            prove_secs=prove_secs,
            prover=prover,
            salt=salt,
            token=token,
            verifier=verifier,
            unclamped=unclamped,
        )

        order.additional_properties = d
        return order

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
