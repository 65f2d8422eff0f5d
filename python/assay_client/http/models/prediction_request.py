from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.escrow import Escrow
    from ..models.inputs_type_1 import InputsType1


T = TypeVar("T", bound="PredictionRequest")


@_attrs_define
class PredictionRequest:
    """A request for a proven inference. Debug output shows neither input nor blinding."""

    input_: InputsType1 | list[float]
    """ The inputs of a request, in real units, each row-major in its shape. """
    model: str
    """ 32 bytes. """
    allow_clamping: bool | Unset = UNSET
    """ Whether to prove an input outside the published range. The answer says how much of it is, and what was
    clamped. """
    batch: int | None | Unset = UNSET
    """ The most inferences, those of other clients included, that the proof may have; 1 if left out. More than 1:
    whoever shares the proof sees each other's outputs. Without `escrow`, where the quote says it, and without
    `context`; a payment by x402 must be held (`auth-capture`). """
    blinding: list[str] | Unset = UNSET
    """ Scalars that open the input commitment, one per input chunk; left out for a public input. """
    context: None | str | Unset = UNSET
    escrow: Escrow | None | Unset = UNSET
    max_tokens: int | None | Unset = UNSET
    """ Continues the input as a prompt by so many tokens, each the model's likeliest, and proves all of them in one
    inference. For models with a `text_length`; not with `escrow`, which names its input beforehand (`POST
    /v1/completions`). """

    def to_dict(self) -> dict[str, Any]:
        from ..models.escrow import Escrow

        input_: dict[str, Any] | list[float]
        if isinstance(self.input_, list):
            input_ = self.input_

        else:
            input_ = self.input_.to_dict()

        model = self.model

        allow_clamping = self.allow_clamping

        batch: int | None | Unset
        if isinstance(self.batch, Unset):
            batch = UNSET
        else:
            batch = self.batch

        blinding: list[str] | Unset = UNSET
        if not isinstance(self.blinding, Unset):
            blinding = self.blinding

        context: None | str | Unset
        if isinstance(self.context, Unset):
            context = UNSET
        else:
            context = self.context

        escrow: dict[str, Any] | None | Unset
        if isinstance(self.escrow, Unset):
            escrow = UNSET
        elif isinstance(self.escrow, Escrow):
            escrow = self.escrow.to_dict()
        else:
            escrow = self.escrow

        max_tokens: int | None | Unset
        if isinstance(self.max_tokens, Unset):
            max_tokens = UNSET
        else:
            max_tokens = self.max_tokens

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "input": input_,
                "model": model,
            }
        )
        if allow_clamping is not UNSET:
            field_dict["allow_clamping"] = allow_clamping
        if batch is not UNSET:
            field_dict["batch"] = batch
        if blinding is not UNSET:
            field_dict["blinding"] = blinding
        if context is not UNSET:
            field_dict["context"] = context
        if escrow is not UNSET:
            field_dict["escrow"] = escrow
        if max_tokens is not UNSET:
            field_dict["max_tokens"] = max_tokens

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.escrow import Escrow
        from ..models.inputs_type_1 import InputsType1

        d = dict(src_dict)

        def _parse_input_(data: object) -> InputsType1 | list[float]:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                componentsschemas_inputs_type_0 = cast(list[float], data)

                return componentsschemas_inputs_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            componentsschemas_inputs_type_1 = InputsType1.from_dict(data)

            return componentsschemas_inputs_type_1

        input_ = _parse_input_(d.pop("input"))

        model = d.pop("model")

        allow_clamping = d.pop("allow_clamping", UNSET)

        def _parse_batch(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        batch = _parse_batch(d.pop("batch", UNSET))

        blinding = cast(list[str], d.pop("blinding", UNSET))

        def _parse_context(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        context = _parse_context(d.pop("context", UNSET))

        def _parse_escrow(data: object) -> Escrow | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                escrow_type_0 = Escrow.from_dict(data)

                return escrow_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Escrow | None | Unset, data)

        escrow = _parse_escrow(d.pop("escrow", UNSET))

        def _parse_max_tokens(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        max_tokens = _parse_max_tokens(d.pop("max_tokens", UNSET))

        prediction_request = cls(
            input_=input_,
            model=model,
            allow_clamping=allow_clamping,
            batch=batch,
            blinding=blinding,
            context=context,
            escrow=escrow,
            max_tokens=max_tokens,
        )

        return prediction_request
