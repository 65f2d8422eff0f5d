"""Keccak-256, and the sponge over Poseidon: docs/protocol.md, section 4."""

import functools

R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
WORD = (1 << 64) - 1


def turned(word, by):
    return (word << by | word >> (64 - by)) & WORD


def keccak_constants():
    """Round constants by a linear register, and where each lane goes by a walk over them (FIPS 202, 3.2)."""
    register, constants = 1, []
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << ((1 << j) - 1)
            register = register << 1 ^ (0x171 if register >> 7 else 0)
        constants.append(constant)
    # lane (x, y) is number x + 5y; it is turned, and goes to (y, 2x + 3y)
    moves, x, y = [(0, 0, 0)], 1, 0
    for t in range(24):
        moves.append((x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), (t + 1) * (t + 2) // 2 % 64))
        x, y = y, (2 * x + 3 * y) % 5
    return constants, moves


CONSTANTS, MOVES = keccak_constants()


def keccak_f(a):
    b = [0] * 25
    for constant in CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ turned(c[(x + 1) % 5], 1) for x in range(5)]
        for at, to, by in MOVES:
            b[to] = turned(a[at] ^ d[at % 5], by)
        a = [b[i] ^ (~b[i - i % 5 + (i + 1) % 5] & b[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        a[0] ^= constant
    return a


@functools.cache
def keccak256(data):
    rate = 136
    padded = bytearray(data) + bytearray(rate - len(data) % rate)
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    a = [0] * 25
    for start in range(0, len(padded), rate):
        for i in range(rate // 8):
            at = start + 8 * i
            a[i] ^= int.from_bytes(padded[at : at + 8], "little")
        a = keccak_f(a)
    return b"".join(lane.to_bytes(8, "little") for lane in a[:4])


WIDTH, FULL, PARTIAL = 5, 8, 60


class Grain:
    """The register that Poseidon's constants come from."""

    def __init__(self):
        fields = [(1, 2), (0, 4), (254, 12), (WIDTH, 12), (FULL, 10), (PARTIAL, 10), ((1 << 30) - 1, 30)]
        self.state = [int(bit) for value, length in fields for bit in f"{value:0{length}b}"]
        for _ in range(160):
            self.step()

    def step(self):
        s = self.state
        bit = s[62] ^ s[51] ^ s[38] ^ s[23] ^ s[13] ^ s[0]
        self.state = s[1:] + [bit]
        return bit

    def bit(self):
        """Of two bits the second counts if the first is 1."""
        while not self.step():
            self.step()
        return self.step()

    def number(self):
        value = 0
        for _ in range(254):
            value = value << 1 | self.bit()
        return value

    def below(self):
        while (value := self.number()) >= R:
            pass
        return value


@functools.cache
def poseidon_parameters():
    grain = Grain()
    constants = [[grain.below() for _ in range(WIDTH)] for _ in range(FULL + PARTIAL)]
    xs, ys = ([grain.number() % R for _ in range(WIDTH)] for _ in range(2))
    return constants, [[pow(x + y, -1, R) for y in ys] for x in xs]


@functools.cache
def poseidon(state):
    """One permutation of a tuple. Kept, since proofs that differ in one word begin alike."""
    constants, matrix = poseidon_parameters()
    for number, row in enumerate(constants):
        full = not FULL // 2 <= number < FULL // 2 + PARTIAL
        state = [(a + b) % R for a, b in zip(state, row)]
        state = [pow(a, 5, R) if full or i == 0 else a for i, a in enumerate(state)]
        state = [sum(m * a for m, a in zip(line, state)) % R for line in matrix]
    return tuple(state)


class Sponge:
    def __init__(self):
        self.state, self.pending, self.ready = [0] * WIDTH, 0, []

    def permute(self):
        self.state = list(poseidon(tuple(self.state)))
        self.pending, self.ready = 0, self.state[1:]

    def absorb(self, *values):
        for value in values:
            self.pending += 1
            self.state[self.pending] = (self.state[self.pending] + value) % R
            self.ready = []
            if self.pending == WIDTH - 1:
                self.permute()

    def squeeze(self):
        if self.pending:
            self.state[0] = (self.state[0] + self.pending) % R
        if not self.ready:
            self.permute()
        return self.ready.pop(0)
