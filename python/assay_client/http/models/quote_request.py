from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="QuoteRequest")


@_attrs_define
class QuoteRequest:
    """What a buyer wants a quote for."""

    model: str
    """ 32 bytes. """
    batch: int | None | Unset = UNSET
    """ The most inferences, those of other buyers included, that the proof may have; 1 if left out. The quote is
    for
    one of the model's keys with at most as many: the larger, the more ask at the moment. """
    buyer: None | str | Unset = UNSET
    input_commitment: None | str | Unset = UNSET
    jobs: int | None | Unset = UNSET
    """ How many orders one payment is to fund with the quote (`fundBatch`), 1 to 256; 1 if left out. """

    def to_dict(self) -> dict[str, Any]:
        model = self.model

        batch: int | None | Unset
        if isinstance(self.batch, Unset):
            batch = UNSET
        else:
            batch = self.batch

        buyer: None | str | Unset
        if isinstance(self.buyer, Unset):
            buyer = UNSET
        else:
            buyer = self.buyer

        input_commitment: None | str | Unset
        if isinstance(self.input_commitment, Unset):
            input_commitment = UNSET
        else:
            input_commitment = self.input_commitment

        jobs: int | None | Unset
        if isinstance(self.jobs, Unset):
            jobs = UNSET
        else:
            jobs = self.jobs

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "model": model,
            }
        )
        if batch is not UNSET:
            field_dict["batch"] = batch
        if buyer is not UNSET:
            field_dict["buyer"] = buyer
        if input_commitment is not UNSET:
            field_dict["input_commitment"] = input_commitment
        if jobs is not UNSET:
            field_dict["jobs"] = jobs

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        model = d.pop("model")

        def _parse_batch(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        batch = _parse_batch(d.pop("batch", UNSET))

        def _parse_buyer(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        buyer = _parse_buyer(d.pop("buyer", UNSET))

        def _parse_input_commitment(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        input_commitment = _parse_input_commitment(d.pop("input_commitment", UNSET))

        def _parse_jobs(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        jobs = _parse_jobs(d.pop("jobs", UNSET))

        quote_request = cls(
            model=model,
            batch=batch,
            buyer=buyer,
            input_commitment=input_commitment,
            jobs=jobs,
        )

        return quote_request
