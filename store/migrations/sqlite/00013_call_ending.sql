-- +goose Up
-- Somebody asked for the end of a call that another node runs.
ALTER TABLE calls ADD COLUMN ending BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE calls DROP COLUMN ending;
