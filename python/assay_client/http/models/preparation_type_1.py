from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.preparation_type_1_kind import (
    PreparationType1Kind,
    check_preparation_type_1_kind,
)
from ..types import UNSET, Unset

T = TypeVar("T", bound="PreparationType1")


@_attrs_define
class PreparationType1:
    """A line of text: a number for each of its characters."""

    kind: PreparationType1Kind
    length: int
    """ How many numbers the model takes. A shorter line is filled up, and a longer one is refused. """
    alphabet: None | str | Unset = UNSET
    """ Characters in the order of their numbers, from 0; left out, a line is its UTF-8 bytes. """
    pad: int | Unset = UNSET
    """ What a short line is filled up with. """
    unknown: int | None | Unset = UNSET
    """ The number of a character that is not in the alphabet; left out, such a line is refused. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind: str = self.kind

        length = self.length

        alphabet: None | str | Unset
        if isinstance(self.alphabet, Unset):
            alphabet = UNSET
        else:
            alphabet = self.alphabet

        pad = self.pad

        unknown: int | None | Unset
        if isinstance(self.unknown, Unset):
            unknown = UNSET
        else:
            unknown = self.unknown

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "length": length,
            }
        )
        if alphabet is not UNSET:
            field_dict["alphabet"] = alphabet
        if pad is not UNSET:
            field_dict["pad"] = pad
        if unknown is not UNSET:
            field_dict["unknown"] = unknown

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        kind = check_preparation_type_1_kind(d.pop("kind"))

        length = d.pop("length")

        def _parse_alphabet(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        alphabet = _parse_alphabet(d.pop("alphabet", UNSET))

        pad = d.pop("pad", UNSET)

        def _parse_unknown(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        unknown = _parse_unknown(d.pop("unknown", UNSET))

        preparation_type_1 = cls(
            kind=kind,
            length=length,
            alphabet=alphabet,
            pad=pad,
            unknown=unknown,
        )

        preparation_type_1.additional_properties = d
        return preparation_type_1

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
