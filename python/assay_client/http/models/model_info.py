from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.batch_key import BatchKey
    from ..models.tensor_info import TensorInfo


T = TypeVar("T", bound="ModelInfo")


@_attrs_define
class ModelInfo:
    """A model that this server can prove."""

    development: bool
    """ Whether proofs under the key can be forged: by the maker of a Groth16 key, or by anybody over the
    development
    SRS. """
    id: str
    """ 32 bytes. """
    input_chunks: int
    """ How many 32-byte blinding scalars a private input has: one per committed input chunk. """
    inputs: list[TensorInfo]
    """ The input tensors, with the ranges that the model is made for. """
    key_hash: str
    """ 32 bytes. """
    model_commitment: str
    """ 32 bytes. """
    name: str
    """ A name for people. """
    outputs: list[TensorInfo]
    """ The output tensors. """
    parameters: int
    """ Weights and biases as they are stored, with what pads their axes: what else there is of a model is not
    public. """
    shape_digest: str
    """ 32 bytes. """
    wrap: str
    """ The proof system of that key: `universal`, whose keys anybody derives, or `groth16`. """
    batches: list[BatchKey] | Unset = UNSET
    """ Keys under which inferences of several buyers are proven together, the smallest first. """
    text_length: int | None | Unset = UNSET
    """ How many tokens prompt and answer may have together, of a model that takes tokens and gives the likeliest
    next
    one for each. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        development = self.development

        id = self.id

        input_chunks = self.input_chunks

        inputs = []
        for inputs_item_data in self.inputs:
            inputs_item = inputs_item_data.to_dict()
            inputs.append(inputs_item)

        key_hash = self.key_hash

        model_commitment = self.model_commitment

        name = self.name

        outputs = []
        for outputs_item_data in self.outputs:
            outputs_item = outputs_item_data.to_dict()
            outputs.append(outputs_item)

        parameters = self.parameters

        shape_digest = self.shape_digest

        wrap = self.wrap

        batches: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.batches, Unset):
            batches = []
            for batches_item_data in self.batches:
                batches_item = batches_item_data.to_dict()
                batches.append(batches_item)

        text_length: int | None | Unset
        if isinstance(self.text_length, Unset):
            text_length = UNSET
        else:
            text_length = self.text_length

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "development": development,
                "id": id,
                "input_chunks": input_chunks,
                "inputs": inputs,
                "key_hash": key_hash,
                "model_commitment": model_commitment,
                "name": name,
                "outputs": outputs,
                "parameters": parameters,
                "shape_digest": shape_digest,
                "wrap": wrap,
            }
        )
        if batches is not UNSET:
            field_dict["batches"] = batches
        if text_length is not UNSET:
            field_dict["text_length"] = text_length

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.batch_key import BatchKey
        from ..models.tensor_info import TensorInfo

        d = dict(src_dict)
        development = d.pop("development")

        id = d.pop("id")

        input_chunks = d.pop("input_chunks")

        inputs = []
        _inputs = d.pop("inputs")
        for inputs_item_data in _inputs:
            inputs_item = TensorInfo.from_dict(inputs_item_data)

            inputs.append(inputs_item)

        key_hash = d.pop("key_hash")

        model_commitment = d.pop("model_commitment")

        name = d.pop("name")

        outputs = []
        _outputs = d.pop("outputs")
        for outputs_item_data in _outputs:
            outputs_item = TensorInfo.from_dict(outputs_item_data)

            outputs.append(outputs_item)

        parameters = d.pop("parameters")

        shape_digest = d.pop("shape_digest")

        wrap = d.pop("wrap")

        _batches = d.pop("batches", UNSET)
        batches: list[BatchKey] | Unset = UNSET
        if _batches is not UNSET:
            batches = []
            for batches_item_data in _batches:
                batches_item = BatchKey.from_dict(batches_item_data)

                batches.append(batches_item)

        def _parse_text_length(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        text_length = _parse_text_length(d.pop("text_length", UNSET))

        model_info = cls(
            development=development,
            id=id,
            input_chunks=input_chunks,
            inputs=inputs,
            key_hash=key_hash,
            model_commitment=model_commitment,
            name=name,
            outputs=outputs,
            parameters=parameters,
            shape_digest=shape_digest,
            wrap=wrap,
            batches=batches,
            text_length=text_length,
        )

        model_info.additional_properties = d
        return model_info

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
