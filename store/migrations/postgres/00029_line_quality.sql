-- +goose Up
-- How good the line of a call was, as JSON.
ALTER TABLE calls ADD COLUMN line TEXT COLLATE "C" NOT NULL DEFAULT 'null';

-- +goose Down
ALTER TABLE calls DROP COLUMN line;
