from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="WeightsProof")


@_attrs_define
class WeightsProof:
    """Whether the registry was shown that somebody knows a model's weights, and that they have the width that its
    architecture names.

    """

    development: bool
    """ Whether the proof is under a development key, and shows nothing. """
    proven_secs: int | None | Unset = UNSET
    """ When, in the chain's unix seconds; null if it was not. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        development = self.development

        proven_secs: int | None | Unset
        if isinstance(self.proven_secs, Unset):
            proven_secs = UNSET
        else:
            proven_secs = self.proven_secs

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "development": development,
            }
        )
        if proven_secs is not UNSET:
            field_dict["proven_secs"] = proven_secs

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        development = d.pop("development")

        def _parse_proven_secs(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        proven_secs = _parse_proven_secs(d.pop("proven_secs", UNSET))

        weights_proof = cls(
            development=development,
            proven_secs=proven_secs,
        )

        weights_proof.additional_properties = d
        return weights_proof

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
