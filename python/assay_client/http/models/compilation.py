from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.compilation_state import CompilationState, check_compilation_state
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.compilation_result_type_0 import CompilationResultType0
    from ..models.fault import Fault


T = TypeVar("T", bound="Compilation")


@_attrs_define
class Compilation:
    """A compilation, as its seller sees it. Who knows the id may read and cancel it; the package is the operator's."""

    created_ms: int
    """ Milliseconds since the epoch. """
    id: str
    """ Its id. """
    listing: bool
    """ Whether it is kept since the seller began to list it on chain. """
    name: str
    """ What the model is called. """
    state: CompilationState
    """ Where a compilation is. """
    updated_ms: int
    """ Milliseconds since the epoch. """
    warnings: list[str]
    """ What the seller should know. """
    error: Fault | None | Unset = UNSET
    model: None | str | Unset = UNSET
    result: CompilationResultType0 | None | Unset = UNSET
    """ What `assay --json compile` says, without the names of files. """
    weights: None | str | Unset = UNSET
    """ What became of the proof that its weights are in range. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.compilation_result_type_0 import CompilationResultType0
        from ..models.fault import Fault

        created_ms = self.created_ms

        id = self.id

        listing = self.listing

        name = self.name

        state: str = self.state

        updated_ms = self.updated_ms

        warnings = self.warnings

        error: dict[str, Any] | None | Unset
        if isinstance(self.error, Unset):
            error = UNSET
        elif isinstance(self.error, Fault):
            error = self.error.to_dict()
        else:
            error = self.error

        model: None | str | Unset
        if isinstance(self.model, Unset):
            model = UNSET
        else:
            model = self.model

        result: dict[str, Any] | None | Unset
        if isinstance(self.result, Unset):
            result = UNSET
        elif isinstance(self.result, CompilationResultType0):
            result = self.result.to_dict()
        else:
            result = self.result

        weights: None | str | Unset
        if isinstance(self.weights, Unset):
            weights = UNSET
        else:
            weights = self.weights

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "created_ms": created_ms,
                "id": id,
                "listing": listing,
                "name": name,
                "state": state,
                "updated_ms": updated_ms,
                "warnings": warnings,
            }
        )
        if error is not UNSET:
            field_dict["error"] = error
        if model is not UNSET:
            field_dict["model"] = model
        if result is not UNSET:
            field_dict["result"] = result
        if weights is not UNSET:
            field_dict["weights"] = weights

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.compilation_result_type_0 import CompilationResultType0
        from ..models.fault import Fault

        d = dict(src_dict)
        created_ms = d.pop("created_ms")

        id = d.pop("id")

        listing = d.pop("listing")

        name = d.pop("name")

        state = check_compilation_state(d.pop("state"))

        updated_ms = d.pop("updated_ms")

        warnings = cast(list[str], d.pop("warnings"))

        def _parse_error(data: object) -> Fault | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_0 = Fault.from_dict(data)

                return error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Fault | None | Unset, data)

        error = _parse_error(d.pop("error", UNSET))

        def _parse_model(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        model = _parse_model(d.pop("model", UNSET))

        def _parse_result(data: object) -> CompilationResultType0 | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                result_type_0 = CompilationResultType0.from_dict(data)

                return result_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(CompilationResultType0 | None | Unset, data)

        result = _parse_result(d.pop("result", UNSET))

        def _parse_weights(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        weights = _parse_weights(d.pop("weights", UNSET))

        compilation = cls(
            created_ms=created_ms,
            id=id,
            listing=listing,
            name=name,
            state=state,
            updated_ms=updated_ms,
            warnings=warnings,
            error=error,
            model=model,
            result=result,
            weights=weights,
        )

        compilation.additional_properties = d
        return compilation

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
