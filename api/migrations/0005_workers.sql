-- Processes that prove, as they announce themselves.
CREATE TABLE workers (
    id           TEXT    PRIMARY KEY,
    cores        INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    device       TEXT    NOT NULL,
    models       TEXT    NOT NULL,      -- JSON: their ids
    seen_ms      INTEGER NOT NULL
);
