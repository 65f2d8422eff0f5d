-- One row per prediction. `lease_token` is the fencing token: it only grows, and a write that carries an older one changes nothing.
CREATE TABLE jobs (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT    NOT NULL UNIQUE,
    idempotency_key   TEXT    UNIQUE,
    request_hash      TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    input             BLOB,                 -- little-endian f32; NULL once the job is over
    blinding          BLOB,                 -- 32-byte scalars; NULL once the job is over
    input_commitments BLOB    NOT NULL,     -- 64-byte points
    output_cells      BLOB    NOT NULL,     -- little-endian i16
    output_real       BLOB    NOT NULL,     -- little-endian f32
    escrow            TEXT,                 -- JSON, NULL for a free job
    chain_job         TEXT    UNIQUE,       -- the market's job id
    state             TEXT    NOT NULL,
    attempts          INTEGER NOT NULL DEFAULT 0,
    not_before_ms     INTEGER NOT NULL DEFAULT 0,
    cancel_after_ms   INTEGER,
    cancel_requested  INTEGER NOT NULL DEFAULT 0,
    lease_token       INTEGER NOT NULL DEFAULT 0,
    lease_until_ms    INTEGER NOT NULL DEFAULT 0,
    funding           BLOB,                 -- ABI of the market's JobFunded event, once it was seen
    context           TEXT,
    proof_hash        TEXT,
    error_code        TEXT,
    error_detail      TEXT,
    created_ms        INTEGER NOT NULL,
    updated_ms        INTEGER NOT NULL
);
CREATE INDEX jobs_by_state ON jobs (state, lease_until_ms, not_before_ms, seq);

-- The audit trail of every job, and what the event stream reads.
CREATE TABLE events (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    job   TEXT    NOT NULL REFERENCES jobs (id),
    kind  TEXT    NOT NULL,
    data  TEXT    NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE INDEX events_by_job ON events (job, id);

-- Signed transactions, written before they are sent: after a crash the same bytes are sent again, so that none is paid twice.
CREATE TABLE transactions (
    hash       TEXT    PRIMARY KEY,
    job        TEXT    NOT NULL REFERENCES jobs (id),
    purpose    TEXT    NOT NULL,
    nonce      INTEGER NOT NULL,
    raw        BLOB    NOT NULL,
    state      TEXT    NOT NULL,            -- pending | mined | reverted | replaced
    created_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_pending_transaction ON transactions (job, purpose) WHERE state = 'pending';

-- How far the chain watcher has read.
CREATE TABLE cursors (
    name  TEXT    PRIMARY KEY,
    block INTEGER NOT NULL
);
