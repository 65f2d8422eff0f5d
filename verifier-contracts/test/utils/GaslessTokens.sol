// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20TransferAuthorization, ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20TransferAuthorization.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ISignatureTransfer} from "../../src/interfaces/ISignatureTransfer.sol";

/// @notice EIP-3009 with any nonce, as USDC has it.
contract AuthorizedToken is ERC3009 {
    constructor() ERC20("Authorized", "AUTH") EIP712("Authorized", "1") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice EIP-3009 with nonces in sequence, and signatures of contracts.
contract SequentialToken is ERC20TransferAuthorization {
    constructor() ERC20("Sequential", "SEQ") EIP712("Sequential", "1") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Says that it was paid, and pays nothing.
contract LyingToken is ERC20 {
    constructor() ERC20("Lying", "LIE") {}

    function receiveWithAuthorization(address, address, uint256, uint256, uint256, bytes32, uint8, bytes32, bytes32) external {}
}

/// @notice An account that is a contract, by the key of its owner.
contract Wallet is IERC1271 {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recover(digest, signature) == _owner ? this.isValidSignature.selector : bytes4(0);
    }

    function approve(IERC20 token, address spender) external {
        token.approve(spender, type(uint256).max);
    }
}

/// @notice Permit2's transfers with a witness, as its documentation has them: unordered nonces, a deadline, the spender signed for.
contract PermitDouble is ISignatureTransfer {
    bytes32 private constant DOMAIN = keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    bytes32 private constant PERMISSIONS = keccak256("TokenPermissions(address token,uint256 amount)");

    /// @notice The nonces of an owner that are spent, 256 in a word.
    mapping(address owner => mapping(uint256 word => uint256)) public nonceBitmap;

    error InvalidNonce();
    error SignatureExpired();
    error InvalidAmount();
    error InvalidSigner();

    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata details,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external {
        if (block.timestamp > permit.deadline) revert SignatureExpired();
        if (details.requestedAmount > permit.permitted.amount) revert InvalidAmount();
        uint256 bit = 1 << (permit.nonce & 0xff);
        if (nonceBitmap[owner][permit.nonce >> 8] & bit != 0) revert InvalidNonce();
        nonceBitmap[owner][permit.nonce >> 8] |= bit;
        bytes32 digest = digestOf(permit, msg.sender, witness, witnessTypeString);
        if (!SignatureChecker.isValidSignatureNow(owner, digest, signature)) revert InvalidSigner();
        IERC20(permit.permitted.token).transferFrom(owner, details.to, details.requestedAmount);
    }

    /// @notice Whoever signed changes their mind.
    function invalidateUnorderedNonces(uint256 word, uint256 mask) external {
        nonceBitmap[msg.sender][word] |= mask;
    }

    function digestOf(PermitTransferFrom calldata permit, address spender, bytes32 witness, string memory witnessTypeString)
        public
        view
        returns (bytes32)
    {
        string memory head = "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";
        bytes32 typeHash = keccak256(abi.encodePacked(head, witnessTypeString));
        bytes32 permitted = keccak256(abi.encode(PERMISSIONS, permit.permitted.token, permit.permitted.amount));
        bytes32 hash = keccak256(abi.encode(typeHash, permitted, spender, permit.nonce, permit.deadline, witness));
        bytes32 domain = keccak256(abi.encode(DOMAIN, keccak256("Permit2"), block.chainid, address(this)));
        return keccak256(abi.encodePacked(hex"1901", domain, hash));
    }
}
