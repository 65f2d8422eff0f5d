-- Orders that nobody has paid for have a budget by client, and the chain is not asked about each of them.
ALTER TABLE jobs ADD COLUMN client     TEXT;                        -- who asked, while the order is not paid for
ALTER TABLE jobs ADD COLUMN fund_until INTEGER;                     -- unix seconds: after that nobody can pay for it
ALTER TABLE jobs ADD COLUMN funded     INTEGER NOT NULL DEFAULT 0;  -- whether the market has the money, perhaps not deep enough yet
-- what an older version took is compared with the market as that version did
UPDATE jobs SET funded = 1 WHERE chain_job IS NOT NULL;
CREATE INDEX jobs_unfunded ON jobs (client, fund_until) WHERE state = 'awaiting_payment' AND funded = 0;
CREATE INDEX jobs_over ON jobs (updated_ms);

-- Always empty: a row is written and taken away again to see whether the disk takes anything.
CREATE TABLE probe (room BLOB NOT NULL);
