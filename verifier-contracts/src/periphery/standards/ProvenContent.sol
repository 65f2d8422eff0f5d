// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IKeyRegistry} from "../../interfaces/IKeyRegistry.sol";
import {IModelRegistry} from "../../interfaces/IModelRegistry.sol";
import {PublicInput} from "../../lib/PublicInput.sol";
import {Statements} from "../../lib/Statements.sol";

/// @notice ERC-7007.
interface IERC7007 is IERC165 {
    event AigcData(uint256 indexed tokenId, bytes indexed prompt, bytes indexed aigcData, bytes proof);

    function addAigcData(uint256 tokenId, bytes calldata prompt, bytes calldata aigcData, bytes calldata proof) external;

    function verify(bytes calldata prompt, bytes calldata aigcData, bytes calldata proof) external view returns (bool success);
}

/// @title Tokens for what one model made of an input, proven (ERC-7007).
/// @notice The prompt is the model's input, shown in full, the content its output. A token's id is the prompt's hash, so there is one for each
/// prompt, and it belongs to whom its first proof is bound to: whoever copies a proof that is on its way mints for the same owner.
contract ProvenContent is ERC721, IERC7007 {
    /// @notice What `proof` is the ABI encoding of.
    /// @param owner whom the proof is bound to
    struct Proof {
        address owner;
        bytes inputCommitments;
        bytes opening;
        bytes proof;
    }

    IKeyRegistry public immutable keys;
    IModelRegistry public immutable models;
    uint256 public immutable modelId;
    bytes32 public immutable keyHash;
    /// @notice Keccak-256 of a token's content.
    mapping(uint256 tokenId => bytes32) public contentHash;

    error WrongTokenId();

    constructor(IKeyRegistry keys_, IModelRegistry models_, uint256 modelId_, bytes32 keyHash_, string memory name, string memory symbol)
        ERC721(name, symbol)
    {
        (keys, models, modelId, keyHash) = (keys_, models_, modelId_, keyHash_);
    }

    /// @inheritdoc IERC7007
    /// @dev Anyone: mints the prompt's token for the owner in the proof. A second time reverts.
    /// @param prompt input cells as big-endian int16, see `PublicInput`
    /// @param aigcData output cells, and the number of clamps
    /// @param proof `abi.encode(Proof)`
    function addAigcData(uint256 tokenId, bytes calldata prompt, bytes calldata aigcData, bytes calldata proof) external {
        if (tokenId != tokenOf(prompt)) revert WrongTokenId();
        this.requireValid(prompt, aigcData, proof);
        contentHash[tokenId] = keccak256(aigcData);
        _mint(abi.decode(proof, (Proof)).owner, tokenId);
        emit AigcData(tokenId, prompt, aigcData, proof);
    }

    /// @inheritdoc IERC7007
    function verify(bytes calldata prompt, bytes calldata aigcData, bytes calldata proof) external view returns (bool) {
        try this.requireValid(prompt, aigcData, proof) {
            return true;
        } catch {
            return false;
        }
    }

    /// @notice Reverts, with the reason, unless the content is proven to be what the model makes of the prompt.
    function requireValid(bytes calldata prompt, bytes calldata aigcData, bytes calldata proof) external view {
        Proof memory given = abi.decode(proof, (Proof));
        this.requireShown(PublicInput.Shown(given.inputCommitments, prompt, given.opening));
        Statements.Terms memory terms = Statements.Terms(modelId, keyHash, keccak256(given.inputCommitments), false);
        Statements.Claim memory claim = Statements.Claim(given.inputCommitments, aigcData, given.proof);
        Statements.check(keys, models, terms, contextOf(tokenOf(prompt), given.owner), claim);
    }

    /// @notice Reverts unless the commitments are to the cells.
    function requireShown(PublicInput.Shown calldata shown) external view {
        PublicInput.check(keys.admittedTerms(keyHash).pointer, shown);
    }

    /// @notice Binding context of a token's proof: `keccak256(abi.encode(chainid, this, tokenId, owner)) mod r`.
    function contextOf(uint256 tokenId, address owner) public view returns (bytes32) {
        return Statements.context(abi.encode(block.chainid, address(this), tokenId, owner));
    }

    /// @notice The token of a prompt.
    function tokenOf(bytes calldata prompt) public pure returns (uint256) {
        return uint256(keccak256(prompt));
    }

    function supportsInterface(bytes4 interfaceId) public view override(ERC721, IERC165) returns (bool) {
        return interfaceId == type(IERC7007).interfaceId || super.supportsInterface(interfaceId);
    }
}
