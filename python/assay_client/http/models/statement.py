from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Statement")


@_attrs_define
class Statement:
    """What the proof of a batch states."""

    clamps: int
    """ The number of clamps in all inferences. """
    inferences: int
    """ How many inferences the proof has. Those behind the last job fill it up. """
    input_commitments: list[str]
    """ Commitments to the inputs of all inferences, 64 bytes each. """
    jobs: list[str]
    """ The market's ids of its jobs, in the order of the proof; of predictions without an order, the Keccak-256 of
    their own ids. """
    key_hash: str
    """ 32 bytes. """
    output_cells: list[int]
    """ The outputs of all inferences. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        clamps = self.clamps

        inferences = self.inferences

        input_commitments = self.input_commitments

        jobs = self.jobs

        key_hash = self.key_hash

        output_cells = self.output_cells

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "clamps": clamps,
                "inferences": inferences,
                "input_commitments": input_commitments,
                "jobs": jobs,
                "key_hash": key_hash,
                "output_cells": output_cells,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        clamps = d.pop("clamps")

        inferences = d.pop("inferences")

        input_commitments = cast(list[str], d.pop("input_commitments"))

        jobs = cast(list[str], d.pop("jobs"))

        key_hash = d.pop("key_hash")

        output_cells = cast(list[int], d.pop("output_cells"))

        statement = cls(
            clamps=clamps,
            inferences=inferences,
            input_commitments=input_commitments,
            jobs=jobs,
            key_hash=key_hash,
            output_cells=output_cells,
        )

        statement.additional_properties = d
        return statement

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
