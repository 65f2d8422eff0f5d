-- The same as SQLite's four migrations together, for a database that several machines share. Flags are numbers, as there.
CREATE TABLE jobs (
    seq               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id                TEXT   NOT NULL UNIQUE,
    idempotency_key   TEXT   UNIQUE,
    request_hash      TEXT   NOT NULL,
    model             TEXT   NOT NULL,
    input             BYTEA,                     -- little-endian f32; NULL once the job is over
    blinding          BYTEA,                     -- 32-byte scalars; NULL once the job is over
    input_commitments BYTEA  NOT NULL,           -- 64-byte points
    output_cells      BYTEA  NOT NULL,           -- little-endian i16
    output_real       BYTEA  NOT NULL,           -- little-endian f32
    escrow            TEXT,                      -- JSON, NULL for a free job
    chain_job         TEXT   UNIQUE,             -- the market's job id
    state             TEXT   NOT NULL,
    attempts          BIGINT NOT NULL DEFAULT 0,
    not_before_ms     BIGINT NOT NULL DEFAULT 0, -- by the database's clock, as leases are
    cancel_after_ms   BIGINT,
    cancel_requested  BIGINT NOT NULL DEFAULT 0,
    lease_token       BIGINT NOT NULL DEFAULT 0,
    lease_until_ms    BIGINT NOT NULL DEFAULT 0,
    funding           BYTEA,                     -- ABI of the market's JobFunded event, once it was seen
    context           TEXT,
    proof_hash        TEXT,
    error_code        TEXT,
    error_detail      TEXT,
    created_ms        BIGINT NOT NULL,
    updated_ms        BIGINT NOT NULL,
    outside           BIGINT NOT NULL DEFAULT 0, -- input elements outside the published range
    clamped           TEXT   NOT NULL DEFAULT '[]',
    clamps            BIGINT NOT NULL DEFAULT 0,
    client            TEXT,                      -- who asked, while the order is not paid for
    fund_until        BIGINT,                    -- unix seconds: after that nobody can pay for it
    funded            BIGINT NOT NULL DEFAULT 0, -- whether the market has the money, perhaps not deep enough yet
    inferences        BIGINT NOT NULL DEFAULT 1, -- of a proof under the key that the order names
    company           TEXT,                      -- hash of what the orders of one batch share, once the order is funded
    batch             TEXT,                      -- the batch that it is in
    slot              BIGINT                     -- its place there
);
CREATE INDEX jobs_by_state ON jobs (state, lease_until_ms, not_before_ms, seq);
CREATE INDEX jobs_unfunded ON jobs (client, fund_until) WHERE state = 'awaiting_payment' AND funded = 0;
CREATE INDEX jobs_over ON jobs (updated_ms);
CREATE INDEX jobs_by_batch ON jobs (batch) WHERE batch IS NOT NULL;
CREATE INDEX jobs_by_company ON jobs (company, state) WHERE company IS NOT NULL;

CREATE TABLE events (
    id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job   TEXT   NOT NULL REFERENCES jobs (id),
    kind  TEXT   NOT NULL,
    data  TEXT   NOT NULL,
    at_ms BIGINT NOT NULL
);
CREATE INDEX events_by_job ON events (job, id);

CREATE TABLE batches (
    id         TEXT   PRIMARY KEY,
    jobs       BIGINT NOT NULL,        -- how many it was made of: with one less its proof would be of no use
    statement  TEXT,                   -- JSON: what the proof states, once there is one
    created_ms BIGINT NOT NULL
);

CREATE TABLE transactions (
    hash       TEXT   PRIMARY KEY,
    job        TEXT   NOT NULL REFERENCES jobs (id),
    subject    TEXT   NOT NULL,        -- the job's id, or the batch's
    purpose    TEXT   NOT NULL,
    nonce      BIGINT NOT NULL,
    raw        BYTEA  NOT NULL,
    state      TEXT   NOT NULL,        -- pending | mined | reverted | replaced
    created_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX one_pending_transaction ON transactions (subject, purpose) WHERE state = 'pending';

CREATE TABLE cursors (
    name  TEXT   PRIMARY KEY,
    block BIGINT NOT NULL
);
CREATE TABLE probe (room BYTEA NOT NULL);

-- Processes that prove, as they announce themselves.
CREATE TABLE workers (
    id           TEXT   PRIMARY KEY,
    cores        BIGINT NOT NULL,
    memory_bytes BIGINT NOT NULL,
    device       TEXT   NOT NULL,
    models       TEXT   NOT NULL,      -- JSON: their ids
    seen_ms      BIGINT NOT NULL       -- by the database's clock
);

-- Whoever waits for news is told when the transaction that has them is committed: servers of all events, workers of work only.
CREATE FUNCTION announce_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('assay_events', '');
    IF NEW.kind = 'cancel_requested' OR (NEW.kind = 'state' AND NEW.data::json->>'state' IN ('queued', 'settlement_pending')) THEN
        PERFORM pg_notify('assay_work', '');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER announce_event AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION announce_event();
