from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="FailedJob")


@_attrs_define
class FailedJob:
    """A prediction that failed."""

    failed_ms: int
    """ When, milliseconds since the epoch. """
    model: str
    """ 32 bytes. """
    prediction: str
    """ The prediction, which the operator can have run again. """
    error_code: None | str | Unset = UNSET
    """ What went wrong: docs/api.md. """
    error_detail: None | str | Unset = UNSET
    """ In words. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        failed_ms = self.failed_ms

        model = self.model

        prediction = self.prediction

        error_code: None | str | Unset
        if isinstance(self.error_code, Unset):
            error_code = UNSET
        else:
            error_code = self.error_code

        error_detail: None | str | Unset
        if isinstance(self.error_detail, Unset):
            error_detail = UNSET
        else:
            error_detail = self.error_detail

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "failed_ms": failed_ms,
                "model": model,
                "prediction": prediction,
            }
        )
        if error_code is not UNSET:
            field_dict["error_code"] = error_code
        if error_detail is not UNSET:
            field_dict["error_detail"] = error_detail

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        failed_ms = d.pop("failed_ms")

        model = d.pop("model")

        prediction = d.pop("prediction")

        def _parse_error_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        error_code = _parse_error_code(d.pop("error_code", UNSET))

        def _parse_error_detail(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        error_detail = _parse_error_detail(d.pop("error_detail", UNSET))

        failed_job = cls(
            failed_ms=failed_ms,
            model=model,
            prediction=prediction,
            error_code=error_code,
            error_detail=error_detail,
        )

        failed_job.additional_properties = d
        return failed_job

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
