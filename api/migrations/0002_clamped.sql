-- What a prediction's answer says about values that did not fit. Older predictions did not count them.
ALTER TABLE jobs ADD COLUMN outside INTEGER NOT NULL DEFAULT 0;    -- input elements outside the published range
ALTER TABLE jobs ADD COLUMN clamped TEXT    NOT NULL DEFAULT '[]'; -- JSON: layers and numbers of cells
ALTER TABLE jobs ADD COLUMN clamps  INTEGER NOT NULL DEFAULT 0;    -- what the proof states of them
