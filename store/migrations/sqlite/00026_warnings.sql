-- +goose Up
-- The Sidetone-Warning headers of the response, a line each.
ALTER TABLE answers ADD COLUMN warnings TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE answers DROP COLUMN warnings;
