-- The market's events as they were read, so that its history is at hand without the chain; what the chain takes back is deleted.
CREATE TABLE market_logs (
    market   TEXT   NOT NULL,
    block    BIGINT NOT NULL,
    position BIGINT NOT NULL,  -- in the block
    log      TEXT   NOT NULL,  -- JSON, as the node gave it
    PRIMARY KEY (market, block, position)
);
-- Blocks up to which everything is in market_logs: their hashes show whether the chain still has them.
CREATE TABLE market_blocks (
    market TEXT   NOT NULL,
    block  BIGINT NOT NULL,
    hash   TEXT   NOT NULL,
    PRIMARY KEY (market, block)
);
