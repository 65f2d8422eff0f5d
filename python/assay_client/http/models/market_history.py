from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.market_job import MarketJob
    from ..models.market_model import MarketModel
    from ..models.market_prover import MarketProver


T = TypeVar("T", bound="MarketHistory")


@_attrs_define
class MarketHistory:
    """What happened in a market."""

    chain_id: int
    """ Its chain. """
    from_block: int
    """ The first block that was read. """
    jobs: list[MarketJob]
    """ The latest 1000 jobs, the newest first. """
    market: str
    """ An account or a contract. """
    models: list[MarketModel]
    """ Models, in the order of their listing. """
    newest_block: int
    """ The newest block that has as many confirmations as this service waits for. """
    provers: list[MarketProver]
    """ Provers who have locked or settled jobs. """
    to_block: int
    """ The last one. If it is before `newest_block`, the next request reads on. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        chain_id = self.chain_id

        from_block = self.from_block

        jobs = []
        for jobs_item_data in self.jobs:
            jobs_item = jobs_item_data.to_dict()
            jobs.append(jobs_item)

        market = self.market

        models = []
        for models_item_data in self.models:
            models_item = models_item_data.to_dict()
            models.append(models_item)

        newest_block = self.newest_block

        provers = []
        for provers_item_data in self.provers:
            provers_item = provers_item_data.to_dict()
            provers.append(provers_item)

        to_block = self.to_block

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "chain_id": chain_id,
                "from_block": from_block,
                "jobs": jobs,
                "market": market,
                "models": models,
                "newest_block": newest_block,
                "provers": provers,
                "to_block": to_block,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.market_job import MarketJob
        from ..models.market_model import MarketModel
        from ..models.market_prover import MarketProver

        d = dict(src_dict)
        chain_id = d.pop("chain_id")

        from_block = d.pop("from_block")

        jobs = []
        _jobs = d.pop("jobs")
        for jobs_item_data in _jobs:
            jobs_item = MarketJob.from_dict(jobs_item_data)

            jobs.append(jobs_item)

        market = d.pop("market")

        models = []
        _models = d.pop("models")
        for models_item_data in _models:
            models_item = MarketModel.from_dict(models_item_data)

            models.append(models_item)

        newest_block = d.pop("newest_block")

        provers = []
        _provers = d.pop("provers")
        for provers_item_data in _provers:
            provers_item = MarketProver.from_dict(provers_item_data)

            provers.append(provers_item)

        to_block = d.pop("to_block")

        market_history = cls(
            chain_id=chain_id,
            from_block=from_block,
            jobs=jobs,
            market=market,
            models=models,
            newest_block=newest_block,
            provers=provers,
            to_block=to_block,
        )

        market_history.additional_properties = d
        return market_history

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
