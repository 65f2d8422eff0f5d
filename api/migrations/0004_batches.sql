-- Predictions that are proven and settled together.
ALTER TABLE jobs ADD COLUMN inferences INTEGER NOT NULL DEFAULT 1;  -- of a proof under the key that the order names
ALTER TABLE jobs ADD COLUMN company    TEXT;                        -- hash of what the orders of one batch share, once the order is funded
ALTER TABLE jobs ADD COLUMN batch      TEXT;                        -- the batch that it is in
ALTER TABLE jobs ADD COLUMN slot       INTEGER;                     -- its place there
CREATE INDEX jobs_by_batch ON jobs (batch) WHERE batch IS NOT NULL;
CREATE INDEX jobs_by_company ON jobs (company, state) WHERE company IS NOT NULL;

CREATE TABLE batches (
    id         TEXT    PRIMARY KEY,
    jobs       INTEGER NOT NULL,        -- how many it was made of: with one less its proof would be of no use
    statement  TEXT,                    -- JSON: what the proof states, once there is one
    created_ms INTEGER NOT NULL
);

-- A batch has one transaction for all of its jobs; `job` is then the first of them.
ALTER TABLE transactions ADD COLUMN subject TEXT NOT NULL DEFAULT '';  -- the job's id, or the batch's
UPDATE transactions SET subject = job;
DROP INDEX one_pending_transaction;
CREATE UNIQUE INDEX one_pending_transaction ON transactions (subject, purpose) WHERE state = 'pending';
