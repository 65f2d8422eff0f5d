from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Selling")


@_attrs_define
class Selling:
    """Whether this service compiles models for its operator, and who sells."""

    compiles: bool
    """ Whether models can be uploaded: the operator started the service with `--sell`. """
    chain_id: int | None | Unset = UNSET
    """ The chain that the market is on; null as long as this server has not reached it. """
    compile_secs: int | None | Unset = UNSET
    """ The time that compiling a model may take. """
    market: None | str | Unset = UNSET
    memory_mib: int | None | Unset = UNSET
    """ Most memory that compiling a model may take, in MiB. """
    seller: None | str | Unset = UNSET
    upload_bytes_max: int | None | Unset = UNSET
    """ Most bytes of an upload. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        compiles = self.compiles

        chain_id: int | None | Unset
        if isinstance(self.chain_id, Unset):
            chain_id = UNSET
        else:
            chain_id = self.chain_id

        compile_secs: int | None | Unset
        if isinstance(self.compile_secs, Unset):
            compile_secs = UNSET
        else:
            compile_secs = self.compile_secs

        market: None | str | Unset
        if isinstance(self.market, Unset):
            market = UNSET
        else:
            market = self.market

        memory_mib: int | None | Unset
        if isinstance(self.memory_mib, Unset):
            memory_mib = UNSET
        else:
            memory_mib = self.memory_mib

        seller: None | str | Unset
        if isinstance(self.seller, Unset):
            seller = UNSET
        else:
            seller = self.seller

        upload_bytes_max: int | None | Unset
        if isinstance(self.upload_bytes_max, Unset):
            upload_bytes_max = UNSET
        else:
            upload_bytes_max = self.upload_bytes_max

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "compiles": compiles,
            }
        )
        if chain_id is not UNSET:
            field_dict["chain_id"] = chain_id
        if compile_secs is not UNSET:
            field_dict["compile_secs"] = compile_secs
        if market is not UNSET:
            field_dict["market"] = market
        if memory_mib is not UNSET:
            field_dict["memory_mib"] = memory_mib
        if seller is not UNSET:
            field_dict["seller"] = seller
        if upload_bytes_max is not UNSET:
            field_dict["upload_bytes_max"] = upload_bytes_max

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        compiles = d.pop("compiles")

        def _parse_chain_id(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        chain_id = _parse_chain_id(d.pop("chain_id", UNSET))

        def _parse_compile_secs(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        compile_secs = _parse_compile_secs(d.pop("compile_secs", UNSET))

        def _parse_market(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        market = _parse_market(d.pop("market", UNSET))

        def _parse_memory_mib(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_mib = _parse_memory_mib(d.pop("memory_mib", UNSET))

        def _parse_seller(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        seller = _parse_seller(d.pop("seller", UNSET))

        def _parse_upload_bytes_max(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        upload_bytes_max = _parse_upload_bytes_max(d.pop("upload_bytes_max", UNSET))

        selling = cls(
            compiles=compiles,
            chain_id=chain_id,
            compile_secs=compile_secs,
            market=market,
            memory_mib=memory_mib,
            seller=seller,
            upload_bytes_max=upload_bytes_max,
        )

        selling.additional_properties = d
        return selling

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
