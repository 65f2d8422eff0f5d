from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.state import State, check_state
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.batch_receipt import BatchReceipt
    from ..models.clamped import Clamped
    from ..models.payment_ref import PaymentRef
    from ..models.transaction_ref import TransactionRef


T = TypeVar("T", bound="Prediction")


@_attrs_define
class Prediction:
    """A prediction. What is paid for is shown once it is paid: output and proof are null before the payment is in a block."""

    attempts: int
    """ Failed attempts so far. """
    clamped: list[Clamped]
    """ Layers in which cells were clamped, by this server's word. Shown from the start. """
    clamps: int
    """ The number of clamps that the proof states: 0 exactly where no cell was clamped. This server's word until
    there
    is a proof. """
    created_ms: int
    """ Milliseconds since the epoch. """
    id: str
    """ Its id. Who knows it may read and cancel it. """
    input_commitments: list[str]
    """ Commitments to the input, 64 bytes each. """
    model: str
    """ 32 bytes. """
    outside: int
    """ How many elements of the input are outside the published range. Shown from the start, so that nobody pays
    for an
    answer without meaning. """
    state: State
    """ Where a prediction is in its life. """
    terminal: bool
    """ Whether nothing comes after. Only the operator can have one that failed run again. """
    transactions: list[TransactionRef]
    """ Transactions, oldest first. """
    updated_ms: int
    """ Milliseconds since the epoch. """
    batch: BatchReceipt | None | Unset = UNSET
    context: None | str | Unset = UNSET
    error_code: None | str | Unset = UNSET
    """ Code of what went wrong. """
    error_detail: None | str | Unset = UNSET
    """ What went wrong, in words. """
    job_id: None | str | Unset = UNSET
    output: list[float] | list[list[float]] | None | Unset = UNSET
    output_cells: list[int] | None | Unset = UNSET
    """ The output as the proof states it. """
    payment: None | PaymentRef | Unset = UNSET
    prompt_tokens: int | None | Unset = UNSET
    """ How many tokens of the input are the prompt; null where none was continued. """
    proof_hash: None | str | Unset = UNSET
    proof_url: None | str | Unset = UNSET
    """ Where to fetch the proof. """
    tokens: list[float] | None | Unset = UNSET
    """ Of a prompt that was continued: the answer's tokens, which are the outputs from the prompt's last place on.
    """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.batch_receipt import BatchReceipt
        from ..models.payment_ref import PaymentRef

        attempts = self.attempts

        clamped = []
        for clamped_item_data in self.clamped:
            clamped_item = clamped_item_data.to_dict()
            clamped.append(clamped_item)

        clamps = self.clamps

        created_ms = self.created_ms

        id = self.id

        input_commitments = self.input_commitments

        model = self.model

        outside = self.outside

        state: str = self.state

        terminal = self.terminal

        transactions = []
        for transactions_item_data in self.transactions:
            transactions_item = transactions_item_data.to_dict()
            transactions.append(transactions_item)

        updated_ms = self.updated_ms

        batch: dict[str, Any] | None | Unset
        if isinstance(self.batch, Unset):
            batch = UNSET
        elif isinstance(self.batch, BatchReceipt):
            batch = self.batch.to_dict()
        else:
            batch = self.batch

        context: None | str | Unset
        if isinstance(self.context, Unset):
            context = UNSET
        else:
            context = self.context

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

        job_id: None | str | Unset
        if isinstance(self.job_id, Unset):
            job_id = UNSET
        else:
            job_id = self.job_id

        output: list[float] | list[list[float]] | None | Unset
        if isinstance(self.output, Unset):
            output = UNSET
        elif isinstance(self.output, list):
            output = self.output

        elif isinstance(self.output, list):
            output = []
            for componentsschemas_outputs_type_1_item_data in self.output:
                componentsschemas_outputs_type_1_item = (
                    componentsschemas_outputs_type_1_item_data
                )

                output.append(componentsschemas_outputs_type_1_item)

        else:
            output = self.output

        output_cells: list[int] | None | Unset
        if isinstance(self.output_cells, Unset):
            output_cells = UNSET
        elif isinstance(self.output_cells, list):
            output_cells = self.output_cells

        else:
            output_cells = self.output_cells

        payment: dict[str, Any] | None | Unset
        if isinstance(self.payment, Unset):
            payment = UNSET
        elif isinstance(self.payment, PaymentRef):
            payment = self.payment.to_dict()
        else:
            payment = self.payment

        prompt_tokens: int | None | Unset
        if isinstance(self.prompt_tokens, Unset):
            prompt_tokens = UNSET
        else:
            prompt_tokens = self.prompt_tokens

        proof_hash: None | str | Unset
        if isinstance(self.proof_hash, Unset):
            proof_hash = UNSET
        else:
            proof_hash = self.proof_hash

        proof_url: None | str | Unset
        if isinstance(self.proof_url, Unset):
            proof_url = UNSET
        else:
            proof_url = self.proof_url

        tokens: list[float] | None | Unset
        if isinstance(self.tokens, Unset):
            tokens = UNSET
        elif isinstance(self.tokens, list):
            tokens = self.tokens

        else:
            tokens = self.tokens

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "attempts": attempts,
                "clamped": clamped,
                "clamps": clamps,
                "created_ms": created_ms,
                "id": id,
                "input_commitments": input_commitments,
                "model": model,
                "outside": outside,
                "state": state,
                "terminal": terminal,
                "transactions": transactions,
                "updated_ms": updated_ms,
            }
        )
        if batch is not UNSET:
            field_dict["batch"] = batch
        if context is not UNSET:
            field_dict["context"] = context
        if error_code is not UNSET:
            field_dict["error_code"] = error_code
        if error_detail is not UNSET:
            field_dict["error_detail"] = error_detail
        if job_id is not UNSET:
            field_dict["job_id"] = job_id
        if output is not UNSET:
            field_dict["output"] = output
        if output_cells is not UNSET:
            field_dict["output_cells"] = output_cells
        if payment is not UNSET:
            field_dict["payment"] = payment
        if prompt_tokens is not UNSET:
            field_dict["prompt_tokens"] = prompt_tokens
        if proof_hash is not UNSET:
            field_dict["proof_hash"] = proof_hash
        if proof_url is not UNSET:
            field_dict["proof_url"] = proof_url
        if tokens is not UNSET:
            field_dict["tokens"] = tokens

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.batch_receipt import BatchReceipt
        from ..models.clamped import Clamped
        from ..models.payment_ref import PaymentRef
        from ..models.transaction_ref import TransactionRef

        d = dict(src_dict)
        attempts = d.pop("attempts")

        clamped = []
        _clamped = d.pop("clamped")
        for clamped_item_data in _clamped:
            clamped_item = Clamped.from_dict(clamped_item_data)

            clamped.append(clamped_item)

        clamps = d.pop("clamps")

        created_ms = d.pop("created_ms")

        id = d.pop("id")

        input_commitments = cast(list[str], d.pop("input_commitments"))

        model = d.pop("model")

        outside = d.pop("outside")

        state = check_state(d.pop("state"))

        terminal = d.pop("terminal")

        transactions = []
        _transactions = d.pop("transactions")
        for transactions_item_data in _transactions:
            transactions_item = TransactionRef.from_dict(transactions_item_data)

            transactions.append(transactions_item)

        updated_ms = d.pop("updated_ms")

        def _parse_batch(data: object) -> BatchReceipt | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                batch_type_0 = BatchReceipt.from_dict(data)

                return batch_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(BatchReceipt | None | Unset, data)

        batch = _parse_batch(d.pop("batch", UNSET))

        def _parse_context(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        context = _parse_context(d.pop("context", UNSET))

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

        def _parse_job_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        job_id = _parse_job_id(d.pop("job_id", UNSET))

        def _parse_output(
            data: object,
        ) -> list[float] | list[list[float]] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                componentsschemas_outputs_type_0 = cast(list[float], data)

                return componentsschemas_outputs_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, list):
                    raise TypeError()
                componentsschemas_outputs_type_1 = []
                _componentsschemas_outputs_type_1 = data
                for (
                    componentsschemas_outputs_type_1_item_data
                ) in _componentsschemas_outputs_type_1:
                    componentsschemas_outputs_type_1_item = cast(
                        list[float], componentsschemas_outputs_type_1_item_data
                    )

                    componentsschemas_outputs_type_1.append(
                        componentsschemas_outputs_type_1_item
                    )

                return componentsschemas_outputs_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[float] | list[list[float]] | None | Unset, data)

        output = _parse_output(d.pop("output", UNSET))

        def _parse_output_cells(data: object) -> list[int] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                output_cells_type_0 = cast(list[int], data)

                return output_cells_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[int] | None | Unset, data)

        output_cells = _parse_output_cells(d.pop("output_cells", UNSET))

        def _parse_payment(data: object) -> None | PaymentRef | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                payment_type_0 = PaymentRef.from_dict(data)

                return payment_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | PaymentRef | Unset, data)

        payment = _parse_payment(d.pop("payment", UNSET))

        def _parse_prompt_tokens(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        prompt_tokens = _parse_prompt_tokens(d.pop("prompt_tokens", UNSET))

        def _parse_proof_hash(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        proof_hash = _parse_proof_hash(d.pop("proof_hash", UNSET))

        def _parse_proof_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        proof_url = _parse_proof_url(d.pop("proof_url", UNSET))

        def _parse_tokens(data: object) -> list[float] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                tokens_type_0 = cast(list[float], data)

                return tokens_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[float] | None | Unset, data)

        tokens = _parse_tokens(d.pop("tokens", UNSET))

        prediction = cls(
            attempts=attempts,
            clamped=clamped,
            clamps=clamps,
            created_ms=created_ms,
            id=id,
            input_commitments=input_commitments,
            model=model,
            outside=outside,
            state=state,
            terminal=terminal,
            transactions=transactions,
            updated_ms=updated_ms,
            batch=batch,
            context=context,
            error_code=error_code,
            error_detail=error_detail,
            job_id=job_id,
            output=output,
            output_cells=output_cells,
            payment=payment,
            prompt_tokens=prompt_tokens,
            proof_hash=proof_hash,
            proof_url=proof_url,
            tokens=tokens,
        )

        prediction.additional_properties = d
        return prediction

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
