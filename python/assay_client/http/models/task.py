from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.sample_format import SampleFormat, check_sample_format
from ..types import UNSET, Unset

T = TypeVar("T", bound="Task")


@_attrs_define
class Task:
    """A model to compile. Debug output does not show it."""

    format_: SampleFormat
    """ How samples are written. """
    name: str
    """ What the model is called, for people: 1 to 100 characters. """
    onnx: str
    """ The ONNX file, in Base64. Tensors that are stored in other files are refused. """
    samples: str
    """ The file of samples, in Base64: what the model's inputs look like. """
    headroom: float | None | Unset = UNSET
    """ How much wider than the samples the published range of inputs is, as a share; the compiler's own if left
    out. """
    target_error: float | None | Unset = UNSET
    """ Mean error that is allowed, as a share of each output's range; 0.001 if left out. """

    def to_dict(self) -> dict[str, Any]:
        format_: str = self.format_

        name = self.name

        onnx = self.onnx

        samples = self.samples

        headroom: float | None | Unset
        if isinstance(self.headroom, Unset):
            headroom = UNSET
        else:
            headroom = self.headroom

        target_error: float | None | Unset
        if isinstance(self.target_error, Unset):
            target_error = UNSET
        else:
            target_error = self.target_error

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "format": format_,
                "name": name,
                "onnx": onnx,
                "samples": samples,
            }
        )
        if headroom is not UNSET:
            field_dict["headroom"] = headroom
        if target_error is not UNSET:
            field_dict["target_error"] = target_error

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        format_ = check_sample_format(d.pop("format"))

        name = d.pop("name")

        onnx = d.pop("onnx")

        samples = d.pop("samples")

        def _parse_headroom(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        headroom = _parse_headroom(d.pop("headroom", UNSET))

        def _parse_target_error(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        target_error = _parse_target_error(d.pop("target_error", UNSET))

        task = cls(
            format_=format_,
            name=name,
            onnx=onnx,
            samples=samples,
            headroom=headroom,
            target_error=target_error,
        )

        return task
