// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {MarketBase} from "./MarketBase.sol";

/// @notice The market with contracts around it, whose proofs the tests make themselves.
abstract contract PeripheryBase is MarketBase {
    function deployMarket() internal {
        deploySimulated(1, 2, 0);
    }

    /// @dev The seller's signature of an order's quote.
    function quoted(IInferenceMarket.Order memory o) internal view returns (IInferenceMarket.Quote memory q, bytes memory signature) {
        q = quoteFor(o);
        signature = sign(SELLER_KEY, market.hashQuote(q));
    }

    /// @dev The locked job's settlement, by anyone.
    function settle(IInferenceMarket.Order memory o) internal {
        IInferenceMarket.Inference memory x = simulatedInference(market.hashOrder(o), prover);
        market.settle(o, snapshotOf(o), split, x, prover);
    }
}
