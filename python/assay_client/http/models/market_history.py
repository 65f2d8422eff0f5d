from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.market_job import MarketJob
    from ..models.market_model import MarketModel
    from ..models.market_prover import MarketProver


T = TypeVar("T", bound="MarketHistory")


@_attrs_define
class MarketHistory:
    """The market at a block."""

    from_block: int
    """ The first block that was read. """
    jobs: int
    """ Number of jobs. """
    latest: list[MarketJob]
    """ The latest 1000 jobs, the newest first; `/v1/market/jobs` has all. """
    market: str
    """ An account or a contract. """
    models: list[MarketModel]
    """ Models, in the order of their listing. """
    provers: list[MarketProver]
    """ Provers that were paid, or missed a job. """
    registry: str
    """ An account or a contract. """
    block: int | None | Unset = UNSET
    """ The last one; null: none was read yet. """
    block_hash: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from_block = self.from_block

        jobs = self.jobs

        latest = []
        for latest_item_data in self.latest:
            latest_item = latest_item_data.to_dict()
            latest.append(latest_item)

        market = self.market

        models = []
        for models_item_data in self.models:
            models_item = models_item_data.to_dict()
            models.append(models_item)

        provers = []
        for provers_item_data in self.provers:
            provers_item = provers_item_data.to_dict()
            provers.append(provers_item)

        registry = self.registry

        block: int | None | Unset
        if isinstance(self.block, Unset):
            block = UNSET
        else:
            block = self.block

        block_hash: None | str | Unset
        if isinstance(self.block_hash, Unset):
            block_hash = UNSET
        else:
            block_hash = self.block_hash

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "from_block": from_block,
                "jobs": jobs,
                "latest": latest,
                "market": market,
                "models": models,
                "provers": provers,
                "registry": registry,
            }
        )
        if block is not UNSET:
            field_dict["block"] = block
        if block_hash is not UNSET:
            field_dict["block_hash"] = block_hash

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.market_job import MarketJob
        from ..models.market_model import MarketModel
        from ..models.market_prover import MarketProver

        d = dict(src_dict)
        from_block = d.pop("from_block")

        jobs = d.pop("jobs")

        latest = []
        _latest = d.pop("latest")
        for latest_item_data in _latest:
            latest_item = MarketJob.from_dict(latest_item_data)

            latest.append(latest_item)

        market = d.pop("market")

        models = []
        _models = d.pop("models")
        for models_item_data in _models:
            models_item = MarketModel.from_dict(models_item_data)

            models.append(models_item)

        provers = []
        _provers = d.pop("provers")
        for provers_item_data in _provers:
            provers_item = MarketProver.from_dict(provers_item_data)

            provers.append(provers_item)

        registry = d.pop("registry")

        def _parse_block(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        block = _parse_block(d.pop("block", UNSET))

        def _parse_block_hash(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        block_hash = _parse_block_hash(d.pop("block_hash", UNSET))

        market_history = cls(
            from_block=from_block,
            jobs=jobs,
            latest=latest,
            market=market,
            models=models,
            provers=provers,
            registry=registry,
            block=block,
            block_hash=block_hash,
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
