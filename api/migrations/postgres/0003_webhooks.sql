-- Where clients who are known want to be told that their predictions are over. A secret signs, so its hash would not do.
CREATE TABLE webhooks (
    id          TEXT    PRIMARY KEY,
    tenant      TEXT    NOT NULL REFERENCES api_keys (id),
    url         TEXT    NOT NULL,
    secret      TEXT    NOT NULL,
    created_ms  BIGINT NOT NULL,
    disabled_ms BIGINT
);
CREATE INDEX webhooks_by_tenant ON webhooks (tenant);

-- Messages, written in the transaction that ends the prediction which they are about.
CREATE TABLE deliveries (
    id             TEXT    PRIMARY KEY,
    webhook        TEXT    NOT NULL REFERENCES webhooks (id),
    job            TEXT    NOT NULL,
    body           TEXT    NOT NULL,
    state          TEXT    NOT NULL,            -- pending | delivered | failed
    attempts       BIGINT NOT NULL DEFAULT 0,
    next_ms        BIGINT NOT NULL DEFAULT 0,
    lease_until_ms BIGINT NOT NULL DEFAULT 0,
    error          TEXT,
    created_ms     BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (next_ms) WHERE state = 'pending';
CREATE INDEX deliveries_by_webhook ON deliveries (webhook, created_ms);
