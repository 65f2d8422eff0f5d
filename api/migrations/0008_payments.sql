-- Payments that were authorised with the request (x402) and are captured when the proof is there.
ALTER TABLE jobs ADD COLUMN payment    TEXT;  -- JSON: what was authorised
ALTER TABLE jobs ADD COLUMN payment_id TEXT;  -- chain, token, payer and nonce: an authorisation pays once
ALTER TABLE jobs ADD COLUMN payer      TEXT;
CREATE UNIQUE INDEX one_job_of_each_payment ON jobs (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX jobs_by_payer ON jobs (payer, state) WHERE payer IS NOT NULL;
