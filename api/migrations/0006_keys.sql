-- Keys of clients who are known. A key's secret is nowhere: only its hash.
CREATE TABLE api_keys (
    id         TEXT    PRIMARY KEY,
    hash       TEXT    NOT NULL,        -- Keccak-256 of the whole key
    name       TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,        -- JSON: their names
    per_minute INTEGER,                 -- most requests in a minute
    per_day    INTEGER,                 -- most predictions in a day
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
);

-- How many predictions each key asked for, by the day since the epoch.
CREATE TABLE key_usage (
    key_id      TEXT    NOT NULL REFERENCES api_keys (id),
    day         INTEGER NOT NULL,
    predictions INTEGER NOT NULL,
    PRIMARY KEY (key_id, day)
);

ALTER TABLE jobs ADD COLUMN tenant TEXT;  -- the key that asked for it; NULL: nobody who is known
CREATE INDEX jobs_by_tenant ON jobs (tenant, seq) WHERE tenant IS NOT NULL;
