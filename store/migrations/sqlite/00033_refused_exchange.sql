-- +goose Up
-- The first messages of a refused call to nobody's number, without secrets, as JSON.
ALTER TABLE refused_calls ADD COLUMN exchange TEXT NOT NULL DEFAULT 'null';

-- +goose Down
ALTER TABLE refused_calls DROP COLUMN exchange;
