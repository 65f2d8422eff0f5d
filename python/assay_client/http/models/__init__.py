"""Contains all the data models used in inputs/outputs"""

from .batch_key import BatchKey
from .batch_receipt import BatchReceipt
from .claim import Claim
from .clamped import Clamped
from .commitment import Commitment
from .commitment_request import CommitmentRequest
from .compilation import Compilation
from .compilation_result_type_0 import CompilationResultType0
from .compilation_state import CompilationState
from .compilations import Compilations
from .completion import Completion
from .completion_request import CompletionRequest
from .delivery import Delivery
from .delivery_list import DeliveryList
from .delivery_state import DeliveryState
from .described_tensor import DescribedTensor
from .ended import Ended
from .escrow import Escrow
from .event import Event
from .failed_job import FailedJob
from .fault import Fault
from .get_well_known_agent_card_json_response_200 import (
    GetWellKnownAgentCardJsonResponse200,
)
from .history import History
from .holding import Holding
from .inputs_type_1 import InputsType1
from .lineage import Lineage
from .lister import Lister
from .live import Live
from .market_history import MarketHistory
from .market_job import MarketJob
from .market_job_page import MarketJobPage
from .market_model import MarketModel
from .market_model_earned import MarketModelEarned
from .market_prover import MarketProver
from .market_prover_earned import MarketProverEarned
from .model import Model
from .model_info import ModelInfo
from .model_numbers import ModelNumbers
from .model_numbers_jobs import ModelNumbersJobs
from .model_page import ModelPage
from .model_terms import ModelTerms
from .new_webhook import NewWebhook
from .next_type_0 import NextType0
from .next_type_0_next import NextType0Next
from .next_type_1 import NextType1
from .next_type_1_next import NextType1Next
from .next_type_2 import NextType2
from .next_type_2_next import NextType2Next
from .offer import Offer
from .offer_card import OfferCard
from .order import Order
from .part import Part
from .part_kind import PartKind
from .payment_ref import PaymentRef
from .post_v1a2a_body import PostV1A2ABody
from .post_v1a2a_response_200 import PostV1A2AResponse200
from .prediction import Prediction
from .prediction_page import PredictionPage
from .prediction_request import PredictionRequest
from .preparation_type_0 import PreparationType0
from .preparation_type_0_kind import PreparationType0Kind
from .preparation_type_1 import PreparationType1
from .preparation_type_1_kind import PreparationType1Kind
from .presentation import Presentation
from .problem import Problem
from .quote import Quote
from .quote_request import QuoteRequest
from .ready import Ready
from .sample_format import SampleFormat
from .seller_numbers import SellerNumbers
from .selling import Selling
from .stage import Stage
from .state import State
from .statement import Statement
from .task import Task
from .tensor_info import TensorInfo
from .tensor_kind import TensorKind
from .transaction_ref import TransactionRef
from .verify_request import VerifyRequest
from .verify_response import VerifyResponse
from .webhook import Webhook
from .webhook_list import WebhookList
from .webhook_request import WebhookRequest
from .weights_proof import WeightsProof

__all__ = (
    "BatchKey",
    "BatchReceipt",
    "Claim",
    "Clamped",
    "Commitment",
    "CommitmentRequest",
    "Compilation",
    "CompilationResultType0",
    "CompilationState",
    "Compilations",
    "Completion",
    "CompletionRequest",
    "Delivery",
    "DeliveryList",
    "DeliveryState",
    "DescribedTensor",
    "Ended",
    "Escrow",
    "Event",
    "FailedJob",
    "Fault",
    "GetWellKnownAgentCardJsonResponse200",
    "History",
    "Holding",
    "InputsType1",
    "Lineage",
    "Lister",
    "Live",
    "MarketHistory",
    "MarketJob",
    "MarketJobPage",
    "MarketModel",
    "MarketModelEarned",
    "MarketProver",
    "MarketProverEarned",
    "Model",
    "ModelInfo",
    "ModelNumbers",
    "ModelNumbersJobs",
    "ModelPage",
    "ModelTerms",
    "NewWebhook",
    "NextType0",
    "NextType0Next",
    "NextType1",
    "NextType1Next",
    "NextType2",
    "NextType2Next",
    "Offer",
    "OfferCard",
    "Order",
    "Part",
    "PartKind",
    "PaymentRef",
    "PostV1A2ABody",
    "PostV1A2AResponse200",
    "Prediction",
    "PredictionPage",
    "PredictionRequest",
    "PreparationType0",
    "PreparationType0Kind",
    "PreparationType1",
    "PreparationType1Kind",
    "Presentation",
    "Problem",
    "Quote",
    "QuoteRequest",
    "Ready",
    "SampleFormat",
    "SellerNumbers",
    "Selling",
    "Stage",
    "State",
    "Statement",
    "Task",
    "TensorInfo",
    "TensorKind",
    "TransactionRef",
    "VerifyRequest",
    "VerifyResponse",
    "Webhook",
    "WebhookList",
    "WebhookRequest",
    "WeightsProof",
)
