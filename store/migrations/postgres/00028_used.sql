-- +goose Up
-- What each vendor was used for in a call, as JSON.
ALTER TABLE calls ADD COLUMN used TEXT COLLATE "C" NOT NULL DEFAULT 'null';

-- +goose Down
ALTER TABLE calls DROP COLUMN used;
