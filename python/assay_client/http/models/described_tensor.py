from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.tensor_kind import TensorKind, check_tensor_kind
from ..types import UNSET, Unset

T = TypeVar("T", bound="DescribedTensor")


@_attrs_define
class DescribedTensor:
    """What one tensor is, for people."""

    name: str
    """ The tensor's name in the model. """
    columns: list[str] | Unset = UNSET
    """ What the elements of its last dimension are called, in their order. """
    kind: TensorKind | Unset = UNSET
    """ What a tensor is. """
    unit: None | str | Unset = UNSET
    """ What its numbers are measured in. """

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        columns: list[str] | Unset = UNSET
        if not isinstance(self.columns, Unset):
            columns = self.columns

        kind: str | Unset = UNSET
        if not isinstance(self.kind, Unset):
            kind = self.kind

        unit: None | str | Unset
        if isinstance(self.unit, Unset):
            unit = UNSET
        else:
            unit = self.unit

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "name": name,
            }
        )
        if columns is not UNSET:
            field_dict["columns"] = columns
        if kind is not UNSET:
            field_dict["kind"] = kind
        if unit is not UNSET:
            field_dict["unit"] = unit

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        name = d.pop("name")

        columns = cast(list[str], d.pop("columns", UNSET))

        _kind = d.pop("kind", UNSET)
        kind: TensorKind | Unset
        if isinstance(_kind, Unset):
            kind = UNSET
        else:
            kind = check_tensor_kind(_kind)

        def _parse_unit(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        unit = _parse_unit(d.pop("unit", UNSET))

        described_tensor = cls(
            name=name,
            columns=columns,
            kind=kind,
            unit=unit,
        )

        return described_tensor
