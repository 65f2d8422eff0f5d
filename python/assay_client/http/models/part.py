from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.part_kind import PartKind, check_part_kind
from ..types import UNSET, Unset

T = TypeVar("T", bound="Part")


@_attrs_define
class Part:
    """Somebody's share of a model's revenue."""

    account: str
    """ An account or a contract. """
    kind: PartKind
    """ What an account of a split is. """
    models: list[str]
    """ For a splitter: the other models that name it in their own splits. Where it comes through a splitter of this
    model's, those are what this model says that it was made from. """
    share: float
    """ The share of the model's whole revenue, from 0 to 1. """
    within: int | None | Unset = UNSET
    """ The number of the splitter among these parts that it comes through; null in the model's own split. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        account = self.account

        kind: str = self.kind

        models = self.models

        share = self.share

        within: int | None | Unset
        if isinstance(self.within, Unset):
            within = UNSET
        else:
            within = self.within

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "account": account,
                "kind": kind,
                "models": models,
                "share": share,
            }
        )
        if within is not UNSET:
            field_dict["within"] = within

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        account = d.pop("account")

        kind = check_part_kind(d.pop("kind"))

        models = cast(list[str], d.pop("models"))

        share = d.pop("share")

        def _parse_within(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        within = _parse_within(d.pop("within", UNSET))

        part = cls(
            account=account,
            kind=kind,
            models=models,
            share=share,
            within=within,
        )

        part.additional_properties = d
        return part

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
