from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.model_numbers_jobs import ModelNumbersJobs


T = TypeVar("T", bound="ModelNumbers")


@_attrs_define
class ModelNumbers:
    """A model's jobs."""

    jobs: ModelNumbersJobs
    """ How many predictions there are in each state. """
    model: str
    """ 32 bytes. """
    paid: str
    """ An amount of a token in its smallest unit, in decimal. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        jobs = self.jobs.to_dict()

        model = self.model

        paid = self.paid

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "jobs": jobs,
                "model": model,
                "paid": paid,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.model_numbers_jobs import ModelNumbersJobs

        d = dict(src_dict)
        jobs = ModelNumbersJobs.from_dict(d.pop("jobs"))

        model = d.pop("model")

        paid = d.pop("paid")

        model_numbers = cls(
            jobs=jobs,
            model=model,
            paid=paid,
        )

        model_numbers.additional_properties = d
        return model_numbers

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
