-- +goose Up
-- The legs of a live call as another process needs them, now sealed, because they hold keys; '' once the call is over.
-- What calls had that were live at the upgrade is dropped: their legs are not hung up.
ALTER TABLE calls DROP COLUMN dialogs;
ALTER TABLE calls ADD COLUMN dialogs TEXT COLLATE "C" NOT NULL DEFAULT '';
-- How many processes have died that had the call.
ALTER TABLE calls ADD COLUMN deaths BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE calls DROP COLUMN deaths;
ALTER TABLE calls DROP COLUMN dialogs;
ALTER TABLE calls ADD COLUMN dialogs TEXT COLLATE "C" NOT NULL DEFAULT '[]';
