-- +goose Up
-- How many refused calls to its number a row stands for; 0 of a call that was not refused.
ALTER TABLE calls ADD COLUMN refused_count INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE calls DROP COLUMN refused_count;
