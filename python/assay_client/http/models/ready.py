from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Ready")


@_attrs_define
class Ready:
    """What a server that is ready says of itself."""

    models: int
    """ How many models it proves. """
    queued: int
    """ How many predictions wait for the prover. """
    status: str
    """ `ok`. """
    block: int | None | Unset = UNSET
    """ The chain's newest block, where predictions are paid. """
    block_age_secs: int | None | Unset = UNSET
    """ Its age in seconds. """
    disk_free_bytes: int | None | Unset = UNSET
    """ Free bytes of the data folder's disk, where the system says. """
    workers: int | None | Unset = UNSET
    """ How many worker processes gave a sign of life in the last minute, where others than this one prove. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        models = self.models

        queued = self.queued

        status = self.status

        block: int | None | Unset
        if isinstance(self.block, Unset):
            block = UNSET
        else:
            block = self.block

        block_age_secs: int | None | Unset
        if isinstance(self.block_age_secs, Unset):
            block_age_secs = UNSET
        else:
            block_age_secs = self.block_age_secs

        disk_free_bytes: int | None | Unset
        if isinstance(self.disk_free_bytes, Unset):
            disk_free_bytes = UNSET
        else:
            disk_free_bytes = self.disk_free_bytes

        workers: int | None | Unset
        if isinstance(self.workers, Unset):
            workers = UNSET
        else:
            workers = self.workers

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "models": models,
                "queued": queued,
                "status": status,
            }
        )
        if block is not UNSET:
            field_dict["block"] = block
        if block_age_secs is not UNSET:
            field_dict["block_age_secs"] = block_age_secs
        if disk_free_bytes is not UNSET:
            field_dict["disk_free_bytes"] = disk_free_bytes
        if workers is not UNSET:
            field_dict["workers"] = workers

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        models = d.pop("models")

        queued = d.pop("queued")

        status = d.pop("status")

        def _parse_block(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        block = _parse_block(d.pop("block", UNSET))

        def _parse_block_age_secs(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        block_age_secs = _parse_block_age_secs(d.pop("block_age_secs", UNSET))

        def _parse_disk_free_bytes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        disk_free_bytes = _parse_disk_free_bytes(d.pop("disk_free_bytes", UNSET))

        def _parse_workers(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        workers = _parse_workers(d.pop("workers", UNSET))

        ready = cls(
            models=models,
            queued=queued,
            status=status,
            block=block,
            block_age_secs=block_age_secs,
            disk_free_bytes=disk_free_bytes,
            workers=workers,
        )

        ready.additional_properties = d
        return ready

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
