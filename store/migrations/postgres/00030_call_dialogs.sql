-- +goose Up
-- The legs of a live call as hanging them up takes, a JSON list of texts; '[]' once the call is over.
ALTER TABLE calls ADD COLUMN dialogs TEXT COLLATE "C" NOT NULL DEFAULT '[]';

-- +goose Down
ALTER TABLE calls DROP COLUMN dialogs;
