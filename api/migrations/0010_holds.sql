-- Payments that a contract holds until the proof is there: 1 while something may have to be given back.
ALTER TABLE jobs ADD COLUMN hold_open BIGINT NOT NULL DEFAULT 0;
CREATE INDEX jobs_with_hold ON jobs (state, updated_ms) WHERE hold_open = 1;
