-- +goose Up
-- How many calls a number takes at a time; 0: no limit.
ALTER TABLE numbers ADD COLUMN max_calls INTEGER NOT NULL DEFAULT 0;
CREATE INDEX calls_live_of_number ON calls (environment_id, agent_number, terminal, outgoing);

-- +goose Down
DROP INDEX calls_live_of_number;
ALTER TABLE numbers DROP COLUMN max_calls;
