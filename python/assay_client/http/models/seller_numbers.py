from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.failed_job import FailedJob
    from ..models.holding import Holding
    from ..models.model_numbers import ModelNumbers


T = TypeVar("T", bound="SellerNumbers")


@_attrs_define
class SellerNumbers:
    """A seller's numbers."""

    credit: list[Holding]
    """ Its credit in the market, in each token that something is sold for. It is empty if the chain does not
    answer. """
    failures: list[FailedJob]
    """ The latest failures, the newest first. """
    models: list[ModelNumbers]
    """ By model. """
    account: None | str | Unset = UNSET
    coins: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        credit = []
        for credit_item_data in self.credit:
            credit_item = credit_item_data.to_dict()
            credit.append(credit_item)

        failures = []
        for failures_item_data in self.failures:
            failures_item = failures_item_data.to_dict()
            failures.append(failures_item)

        models = []
        for models_item_data in self.models:
            models_item = models_item_data.to_dict()
            models.append(models_item)

        account: None | str | Unset
        if isinstance(self.account, Unset):
            account = UNSET
        else:
            account = self.account

        coins: None | str | Unset
        if isinstance(self.coins, Unset):
            coins = UNSET
        else:
            coins = self.coins

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "credit": credit,
                "failures": failures,
                "models": models,
            }
        )
        if account is not UNSET:
            field_dict["account"] = account
        if coins is not UNSET:
            field_dict["coins"] = coins

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.failed_job import FailedJob
        from ..models.holding import Holding
        from ..models.model_numbers import ModelNumbers

        d = dict(src_dict)
        credit = []
        _credit = d.pop("credit")
        for credit_item_data in _credit:
            credit_item = Holding.from_dict(credit_item_data)

            credit.append(credit_item)

        failures = []
        _failures = d.pop("failures")
        for failures_item_data in _failures:
            failures_item = FailedJob.from_dict(failures_item_data)

            failures.append(failures_item)

        models = []
        _models = d.pop("models")
        for models_item_data in _models:
            models_item = ModelNumbers.from_dict(models_item_data)

            models.append(models_item)

        def _parse_account(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        account = _parse_account(d.pop("account", UNSET))

        def _parse_coins(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        coins = _parse_coins(d.pop("coins", UNSET))

        seller_numbers = cls(
            credit=credit,
            failures=failures,
            models=models,
            account=account,
            coins=coins,
        )

        seller_numbers.additional_properties = d
        return seller_numbers

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
